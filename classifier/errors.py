"""Errors for people: one line on standard error and exit code 1."""

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from classifier.streams import flush_output, set_up_streams

LONGEST = 1_000  # characters of a line
LONG_WORD = re.compile(r"\S{201,}")  # longer than most paths


class UserError(Exception):
    """Something that the person at the keyboard can mend; its text is the one line they see."""


def require_file(path: Path, hint: str = "") -> Path:
    """Return `path`; raise `UserError`, with the hint of how to get it, unless there is a file."""
    if path.is_dir():
        raise UserError(f"{path}: is a directory, expected a file")
    if not path.exists():
        raise UserError(f"{path}: no such file" + (f"; {hint}" if hint else ""))
    if not path.is_file():
        raise UserError(f"{path}: is not a regular file")  # reading a pipe may never end
    return path


def run(main: Callable[[], None]) -> None:
    """Run the main function of a stage or a command; expected failures end in one line."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:  # see classifier/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        set_up_streams()
        try:
            main()
        finally:
            flush_output()
    except UserError as error:
        sys.exit(one_line(str(error)))
    except BrokenPipeError:
        sys.exit(1)  # the reader has gone, for example `head`
    except MemoryError:
        sys.exit(one_line("there is not enough memory"))
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.exit(one_line(f"{name}{error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(130)


def one_line(message: str) -> str:
    """Return the line to print, also where a name has line breaks or is as long as a page."""
    line = " ".join(["error:", *filter(None, map(str.strip, message.splitlines()))])
    return shortened(LONG_WORD.sub(lambda word: shortened(word[0]), line), LONGEST)


def quoted(value: object, limit: int = 60) -> str:
    """Return a value as Python writes it, cut in the middle where that is longer than the limit."""
    return shortened(repr(value), limit)


def shortened(text: str, limit: int = 60) -> str:
    """Return the text, cut in the middle where it is longer than the limit."""
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[:half]}...{text[len(text) - half :]}"
