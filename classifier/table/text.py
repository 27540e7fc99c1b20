"""CSV files as text: decoded, and cut into rows."""

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from classifier.base.errors import UserError, require_file
from classifier.table.layout import Layout

UTF8_MARK_AS_LATIN1 = codecs.BOM_UTF8.decode("latin-1")
LINE = re.compile(rb"[^\r\n]+")

csv.field_size_limit(2**31 - 1)


@contextmanager
def open_utf8(path: Path, layout: Layout) -> Iterator[tuple[Any, Callable[[], int]]]:
    """Open the file as bytes of UTF-8, and yield it with what tells how much of it has been read.

    What is not text in the file's encoding raises `UnicodeError`, or else shows later, as bytes
    that are not UTF-8.
    """
    with path.open("rb") as file:
        is_utf8 = codecs.lookup(layout.encoding).name == "utf-8"
        recoded: Any = file if is_utf8 else codecs.EncodedFile(file, "utf-8", layout.encoding)
        yield recoded, file.tell
        if not is_utf8 and recoded.reader.bytebuffer:
            raise UnicodeError("the file ends within a character")


def end_of_rows(text: bytes, delimiter: str) -> int:
    """Return where the last row ends whose end is in the text; 0 where none does."""
    masked = without_quoted(text, delimiter)
    return max(masked.rfind(b"\n"), masked.rfind(b"\r")) + 1


def row_spans(text: bytes, delimiter: str) -> Iterator[tuple[int, int]]:
    """Yield where each row that is not blank begins and ends in the text."""
    spaces = b" \t".replace(delimiter.encode(), b"")
    lines = (match.span() for match in LINE.finditer(without_quoted(text, delimiter)))
    return ((start, end) for start, end in lines if text[start:end].strip(spaces))


def without_quoted(text: bytes, delimiter: str) -> bytes:
    """Return text of the same length in which no cell in quotes has a line break."""
    if b'"' not in text:
        return text
    at_start_of_cell = rb"(?<![^\r\n%s]) *" % re.escape(delimiter.encode())
    quoted = at_start_of_cell + rb'"(?:[^"]|"")*(?:"|\Z)'
    return re.sub(quoted, lambda match: b"x" * len(match[0]), text)


@contextmanager
def open_text(path: Path, layout: Layout) -> Iterator[Iterator[str]]:
    """Open the file as lines of text; a byte order mark is skipped.

    Raises:
        UserError: there is no such file, or it is not text in the encoding it should be in.
    """
    require_file(path)
    is_utf8 = codecs.lookup(layout.encoding).name == "utf-8"
    encoding = "utf-8-sig" if is_utf8 else layout.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            mark = file.read(3)
            if mark == UTF8_MARK_AS_LATIN1:
                raise UserError(f"{path}: is UTF-8 text, expected prepare.encoding: utf-8")
            file.seek(0)
            if mark.startswith("\ufeff"):
                file.read(1)
            yield lines_without_nul(file)
    except UnicodeError as error:
        raise UserError(f"{path}: {_where_undecodable(path, encoding)}") from error


def lines_without_nul(file: TextIO) -> Iterator[str]:
    """Yield the lines; raise `UserError` at a NUL byte, which no text has."""
    for number, line in enumerate(file, 1):
        if "\0" in line:
            raise UserError(f"{file.name}: row {number}: has a NUL byte; expected a text file")
        yield line


def _where_undecodable(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if marked and not codecs.lookup(encoding).name.startswith("utf-16"):
            return "is UTF-16 text, expected prepare.encoding: utf-16"
    row, name = 1, encoding.removesuffix("-sig")
    # Without a byte order mark, UTF-16 cannot be read at all.
    with path.open(encoding=encoding, errors="replace") as file, suppress(UnicodeError):
        lines = (n for n, line in enumerate(file, 1) if "\N{REPLACEMENT CHARACTER}" in line)
        row = next(lines, 1)
    return f"row {row}: is not {name} text; see prepare.encoding"


def numbered_rows(
    lines: Iterable[str], layout: Layout, name: object
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the line, counted from 1, on which it begins.

    Blank is a line of nothing but spaces and tabs, as it is for pandas; one of "" is a row.

    Raises:
        UserError: a quote is not closed in the file of that name.
    """
    text, at_end = "", False

    def read() -> Iterator[str]:
        nonlocal text, at_end
        for line_text in lines:
            text = line_text
            yield text
        text, at_end = "", True
        yield "\n"  # a quote that is open would go on here

    reader = csv.reader(read(), delimiter=layout.delimiter, skipinitialspace=True)
    line = 1
    for row in reader:
        if at_end and row:
            opened = line + "".join(row[:-1]).count("\n")
            raise UserError(f"{name}: row {opened}: has a quote that is not closed")
        if len(row) > 1 or text.strip(" \t\r\n"):
            yield line, row
        line = reader.line_num + 1


def rows_below_header(path: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield each row below the header with the line, counted from 1, on which it begins.

    Raises:
        UserError: there is no such file, or it is not a table in the encoding it should be in.
    """
    with open_text(path, layout) as lines:
        rows = numbered_rows(lines, layout, path)
        if layout.header:
            next(rows, None)
        yield from rows


def first_row(path: Path, layout: Layout) -> list[str]:
    """Return the cells of the first row that is not blank.

    Raises:
        UserError: there is no such file or no such row.
    """
    with open_text(path, layout) as lines:
        for _, row in numbered_rows(lines, layout, path):
            return [cell.strip() for cell in row]
    raise UserError(f"{path}: is empty, expected a table")
