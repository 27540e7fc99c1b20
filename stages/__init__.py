"""One module for each box of `dvc dag`, run as `python -m stages.NAME`."""
