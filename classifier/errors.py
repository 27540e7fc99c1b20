"""Errors for people: one line on standard error and exit code 1."""

import errno
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path


class UserError(Exception):
    """Something that the person at the keyboard can mend; its text is the one line they see."""


KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def oddity(path: Path) -> str | None:
    """Return what stands at a path, "a FIFO", if not a file: reading that might never end.

    Raises:
        FileNotFoundError, NotADirectoryError: nothing is there.
    """
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a symlink loop"
        if path.is_symlink():
            return "a link to nothing"
        raise


def require_file(path: Path, hint: str = "") -> Path:
    """Return `path`; raise `UserError`, with the hint of how to get it, unless there is a file."""
    if os.path.lexists(path) and (kind := oddity(path)):
        raise UserError(f"{path}: is {kind}, expected a file")
    if not path.exists():
        raise UserError(f"{path}: no such file" + (f"; {hint}" if hint else ""))
    return path


def run(main: Callable[[], None]) -> None:
    """Run the main function of a stage or a command; expected failures end in one line."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # see classifier/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except UserError as error:
        sys.exit(one_line(str(error)))
    except BrokenPipeError:
        # The reader (`head`, say) has gone; Python's own flush at exit must not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        sys.exit(one_line("there is not enough memory"))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.exit(one_line(f"{name}{error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(130)


def one_line(message: str) -> str:
    """Return the line to print, also where a path or a column's name has line breaks."""
    return " ".join(["error:", *filter(None, map(str.strip, message.splitlines()))])
