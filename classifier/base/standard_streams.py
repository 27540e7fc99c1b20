"""The standard streams, whatever a locale, a shell or a terminal makes of them."""

import locale
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, suppress
from functools import partial
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO

from classifier.base.errors import UserError

# What a terminal obeys or cannot show: control characters, line and paragraph separators, what
# turns the direction of text, and halves of characters.
CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# What is written by itself, or at first, to do what it does: of colorama, at the end; of tqdm, to
# draw a bar; of DVC, the name of a level.
OF_OUTPUT = re.compile(r"\x1b\[0m\Z")
OF_MESSAGES = re.compile(r"\r|(\n|\x1b\[A)+\Z|\x1b\[3\dm[A-Z]+\x1b\[39m|\x1b\[0m\Z")


class Stream:
    """Text on its way to a standard stream, where on a terminal it does nothing but show.

    obeyed: what may yet stand at the start of a text; errors: makes a context for each use.
    """

    def __init__(
        self,
        stream: Any,
        obeyed: re.Pattern[str],
        errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.stream, self.obeyed, self.errors = stream, obeyed, errors
        self.is_terminal = stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> None:
        self.writelines([text])

    def writelines(self, lines: Iterable[str]) -> None:
        with self.errors():
            self.stream.writelines(map(self.shown, lines) if self.is_terminal else lines)

    def flush(self) -> None:
        with self.errors():
            self.stream.flush()

    def shown(self, text: str) -> str:
        obeyed = self.obeyed.match(text)
        start = obeyed.end() if obeyed else 0
        return text[:start] + visible(text[start:])


def visible(text: str) -> str:
    """Return the text with all but line breaks and tabs as Python writes it: `\\x1b`."""
    return CONTROL.sub(lambda found: written(found[0]), text)


def written(character: str) -> str:
    return character if character in "\n\t" else character.encode("unicode_escape").decode()


@contextmanager
def named_errors() -> Iterator[None]:
    """Make an `OSError` name standard output."""
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


class Renaming(TextIOBase):
    """A stream on which a file is called by another name than its own."""

    def __init__(self, stream: TextIO, path: str, name: str) -> None:
        self.stream, self.path, self.name = stream, path, name

    def write(self, text: str) -> int:
        return self.stream.write(text.replace(self.path, self.name))

    def isatty(self) -> bool:
        return self.stream.isatty()

    def flush(self) -> None:
        self.stream.flush()


@contextmanager
def called(path: Path, name: str) -> Iterator[None]:
    """Let messages call a file by another name than its own."""
    own = str(path)
    with redirect_stderr(Renaming(sys.stderr, own, name)):
        try:
            yield
        except UserError as error:
            more = [line.replace(own, name) for line in error.more]
            raise UserError(str(error).replace(own, name), more) from error


def set_up_streams() -> None:
    """Make standard output UTF-8, as the files of the project are, and on terminals safe.

    In a locale of another encoding Python is started anew in its UTF-8 mode, which Python 3.15
    has everywhere. Else what is written, and names of files, would depend on the locale.
    """
    if "utf" not in locale.getpreferredencoding(False).lower():
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    open_closed_streams()
    stdout: Any = sys.stdout
    if stdout:
        stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # PYTHONIOENCODING
        sys.stdout = Stream(stdout, OF_OUTPUT, named_errors)
    # What cannot be told stops nothing.
    sys.stderr = Stream(sys.stderr, OF_MESSAGES, partial(suppress, OSError))


def open_closed_streams() -> None:
    """Open on nothing what a shell has closed (`2>&-`).

    Else the next file to be opened would get its number, and with it what libraries write there.
    sys.stdout stays None, so that a command knows.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if not sys.stderr:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def flush_output() -> None:
    """Write what is left for standard output; raise an `OSError` if that fails."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries, and complains, once more
        raise
