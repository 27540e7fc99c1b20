"""One module per box of `dvc dag`, run as `python -m stages.NAME`.

A stage ends when DVC does. Else it would live on after a kill and write into the next run.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import classifier  # noqa: F401  # first of all: it readies `python -m` for Ctrl-C

PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent() -> None:
    """Have this process killed when its parent ends, at once on Linux, soon elsewhere."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=outlive_not, args=[parent], daemon=True).start()
    if not is_in_my_group(os.getppid()):
        sys.exit(1)


def outlive_not(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


def is_in_my_group(process: int) -> bool:
    """Whether it may be DVC; the one that adopts orphans is in another process group."""
    try:
        return os.getpgid(process) == os.getpgrp()
    except OSError:  # it has just ended
        return False


if "DVC_STAGE" in os.environ:  # set by DVC
    end_with_parent()
