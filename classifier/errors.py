"""Errors for people: one line on standard error and exit code 1."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SHOWN = 60  # characters of a cell or a name that a message repeats
LISTED = 10  # names in a message


class UserError(Exception):
    """Something that the person at the keyboard can mend; its text is the one line they see."""


def require_file(path: Path, hint: str = "") -> Path:
    """Return `path`; raise `UserError`, with the hint of how to get it, unless there is a file."""
    if path.is_dir():
        raise UserError(f"{path}: is a directory, expected a file")
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


def quoted(value: object) -> str:
    """Return a value as it is written in Python, a text or anything else cut where it is long."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value):,} characters)"
    text = repr(value)
    return text if len(text) <= 4 * SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def shown(name: str) -> str:
    """Return the name of a column or a class, in quotes if it might be read as more than one."""
    is_plain = name.isprintable() and name == name.strip() and not set(name) & set(",:;'\"")
    return name if is_plain and 0 < len(name) <= SHOWN else quoted(name)


def listed(names: Sequence[str]) -> str:
    """Return the first of the names, with commas between them."""
    return ", ".join([*map(shown, names[:LISTED]), *["..."] * (len(names) > LISTED)])


def one_line(message: str) -> str:
    """Return the line to print, also where a path or a column's name has line breaks."""
    return " ".join(["error:", *filter(None, map(str.strip, message.splitlines()))])
