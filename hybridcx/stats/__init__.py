"""Formulas: arrays in, small frozen results out. No pandas, files or plans."""
