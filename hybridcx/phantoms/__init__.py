"""A simulated cohort of lateral cervical radiographs with known disease and two readers, without data of real patients.

`cohort.write_phantom` writes one; `cohort.plan_phantom` draws everything but the pixels. pathology.py draws severities, readers.py the
readings and the recruitment, geometry.py the anatomy, attenuation.py what the beam crosses, detector.py the film.
"""
