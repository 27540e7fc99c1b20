#!/bin/sh
# `python -m classifier` under a name that shells can complete; make copies it to .venv/bin.
CLASSIFIER_LAUNCHER=classifier exec "$(dirname "$0")/python" -m classifier "$@"
