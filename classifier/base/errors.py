"""Errors for people: one line on standard error and exit code 1."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

NO_DATABASE = "DVC cannot use its database in .dvc/tmp/site-cache; if it is damaged, remove it"
REPRO_FIRST = "run `dvc repro` first"
LONGEST = 1_000  # characters of a line
LONG_WORD = re.compile(r"\S{201,}")  # longer than most paths
PASSWORD, QUERY = re.compile(r"(://[^/:@]*):[^/]*@"), re.compile(r"([^?#]*)\?.*")
SHOWN = 60  # characters of a cell or a name that a message repeats
LISTED = 10  # names in a message
KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class UserError(Exception):
    """Something that the user can fix; its text is the one line that they see.

    more: what else is wrong, a line each.
    """

    def __init__(self, message: str, more: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.more = more

    def lines(self) -> str:
        """Return what to print."""
        more = (f"  {one_line(line).removeprefix('error: ')}" for line in self.more)
        return "\n".join([one_line(str(self)), *more])


def oddity(path: Path) -> str | None:
    """Return what is at the path, such as "a FIFO", if not a file: reading it might never end.

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


def without_secrets(source: str) -> str:
    """Return a path or a URL as it may be shown: without password and query, which may be a key."""
    shown_source = PASSWORD.sub(r"\1:***@", source)
    return QUERY.sub(r"\1?***", shown_source) if "://" in source else shown_source


def require_file(path: Path, hint: str = "") -> Path:
    """Return `path`; raise `UserError`, with the hint of how to get it, unless there is a file."""
    if os.path.lexists(path) and (kind := oddity(path)):
        raise UserError(f"{path}: is {kind}, expected a file")
    if not path.exists():
        raise UserError(f"{path}: no such file" + (f"; {hint}" if hint else ""))
    return path


def one_line(message: str) -> str:
    """Return the line to print, also where a name has line breaks or is as long as a page."""
    line = " ".join(["error:", *filter(None, map(str.strip, message.splitlines()))])
    return shortened(LONG_WORD.sub(lambda word: shortened(word[0], SHOWN), line), LONGEST)


def shortened(text: str, limit: int) -> str:
    """Return the text, cut in the middle where it is longer than the limit."""
    half = (limit - 3) // 2
    return text if len(text) <= limit else f"{text[:half]}...{text[len(text) - half :]}"


def quoted(value: object) -> str:
    """Return a value as Python writes it, cut where it is long."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]!r}... ({len(value):,} characters)"
    text = repr(value)
    return text if len(text) <= 4 * SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def shown(name: str) -> str:
    """Return the name of a column or a class, in quotes if it might be read as more than one."""
    is_plain = name.isprintable() and name == name.strip() and not set(name) & set(",:;'\"")
    return name if is_plain and 0 < len(name) <= SHOWN else quoted(name)


def listed(names: Sequence[str]) -> str:
    """Return the first of the names, with commas between them, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(shown, names[:LISTED])) + more


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what is most like it, an empty text if nothing is."""
    from difflib import get_close_matches  # which a start need not wait for

    close = get_close_matches(wanted, [*known], n=1)
    return f", did you mean {shown(close[0])}?" if close else ""
