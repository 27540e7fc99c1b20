"""One module per box of `dvc dag`, run as `python -m stages.NAME`."""

import classifier  # noqa: F401  # first of all: it readies `python -m` for Ctrl-C
