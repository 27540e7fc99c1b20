"""What a process of this project does at its start and at its end."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import NoReturn

from classifier.base.errors import UserError, one_line
from classifier.base.standard_streams import flush_output, set_up_streams

PR_SET_PDEATHSIG = 1  # prctl(2)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # mallopt(3)
KEPT, LARGEST = 4 * 2**20, 32 * 2**20  # bytes that are free, and of an array that may be


def run(main: Callable[[], None]) -> None:
    """Run the main function of a stage or a command; expected failures end in one line.

    A stage that DVC has started ends when DVC does. Otherwise it would live on after a kill and
    write into the next run. What it reads is what dvc.lock names, and stays so while it runs.
    """
    try:
        stage = os.environ.get("DVC_STAGE")  # set by DVC
        if stage:
            exit_with_parent()
        set_up_streams()
        try:
            with inputs_of(stage):
                main()
        finally:
            flush_output()
    except UserError as error:
        sys.exit(error.lines())
    except BrokenPipeError:
        sys.exit(1)  # the reader has gone, for example `head`
    except MemoryError:
        sys.exit(one_line("there is not enough memory"))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.exit(one_line(f"{name}{error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(130)


def run_stage(main: Callable[[], None]) -> NoReturn:
    """Run the main function of a stage as `run` does, and end the process at once.

    Python takes a tenth of a second to end, TensorFlow a whole one, and DVC records what is edited
    meanwhile.
    """
    run(main)
    os._exit(0)


def inputs_of(stage: str | None) -> AbstractContextManager[None]:
    """Return the context that checks what a stage reads, of a command nothing."""
    if stage is None:
        return nullcontext()
    from classifier.base import stage_inputs  # for commands it is slow

    stage_inputs.require_own_code()
    return stage_inputs.checked_inputs(stage, stage_inputs.process_start())


def exit_with_parent() -> None:
    """Have this process killed when its parent ends, at once on Linux, soon elsewhere."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_kill_after, args=[parent], daemon=True).start()
    if not _is_in_my_group(os.getppid()):
        sys.exit(1)


def _kill_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


def _is_in_my_group(process: int) -> bool:
    """Return whether it may be DVC; the one that adopts orphans is in another process group."""
    try:
        return os.getpgid(process) == os.getpgrp()
    except OSError:  # it has just ended
        return False


def reuse_freed_memory() -> None:
    """Have the C library keep some of what is freed, for all threads alike, if it is glibc.

    Taking memory from the system for each block of a table is a seventh of the work of prepare.
    """
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
