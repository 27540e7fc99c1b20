"""`classifier sweep`: trials, here or on a Dask cluster, each an experiment of DVC."""
