"""Decoding of images and DICOM, near duplicates, and the store of prepared images."""
