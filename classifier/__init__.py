"""What the stages and the command line share."""

import signal
import sys
from importlib.util import find_spec

if sys.argv[0] == "-m":  # python -m is only just starting; `classifier.errors.run` takes over later
    # Ctrl-C while modules are still being imported ends it without a traceback.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not find_spec("typer"):
        sys.exit("error: this Python has not the project's packages; run `. .venv/bin/activate`")
