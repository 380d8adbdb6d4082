"""Workers of handed-out tasks: processes of this machine, or workers of a Dask cluster."""
