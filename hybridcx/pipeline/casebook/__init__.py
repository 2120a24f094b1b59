"""The cases that a report shows, as files made before the report: thumbnails, saliency, nearest training cases, true lesions."""
