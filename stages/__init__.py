"""One module per box of `dvc dag`, run as `python -m stages.NAME`."""
