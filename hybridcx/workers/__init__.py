"""Parallel work: processes on this machine, or a Dask cluster."""
