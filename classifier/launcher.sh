#!/bin/sh
# `python -m classifier` under a name that shells can complete; make copies it to .venv/bin.
[ -f classifier/__main__.py ] || { echo "error: run it in the project's top folder" >&2; exit 1; }
CLASSIFIER_LAUNCHER=classifier exec "$(dirname "$0")/python" -m classifier "$@"
