"""One module per box of `dvc dag`, run as `python -m stages.NAME`."""

import signal
import sys

# Ctrl-C while modules are still being imported ends a stage without a traceback; from then on
# `classifier.errors.run` deals with it.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
