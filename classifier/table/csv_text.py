"""CSV files as text: decoded, and cut into rows."""

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import numpy as np

from classifier.base.errors import UserError, require_file
from classifier.table.cells import Layout

CR, LF = b"\r\n"
LINE_BREAK = re.compile(r"\r\n?|\n")
LINE = re.compile(rb"[^\r\n]+")
# A cell in quotes up to its end, or to that of the text, and text in which such cells are whole and
# have no line breaks.
QUOTED = rb'(?<![^\r\n%s]) *"[^"]*+(?:""[^"]*+)*+(?:"|\Z)'
# A cell in quotes, what is in it, and what follows it up to the next cell, as only an error leaves.
WHOLE_QUOTED = rb'(?<![^\r\n%s]) *"([^"]*+(?:""[^"]*+)*+)"([^\r\n%s]*)'
ON_LINES = rb'[^"]*+(?:(?<![^\r\n%s])"[^"\r\n]*+(?:""[^"\r\n]*+)*+"(?![^\r\n%s])[^"]*+)*+'


@contextmanager
def open_utf8(
    path: Path, layout: Layout
) -> Iterator[tuple[Callable[[int], bytes], Callable[[], int]]]:
    """Open the file, behind its byte order mark, and yield what reads so much of it as UTF-8.

    With it comes what tells how much of the file has been read. What is not text in the file's
    encoding raises `UnicodeError`, or else shows later, as bytes that are not UTF-8.
    """
    if codecs.lookup(layout.encoding).name == "utf-8":
        with path.open("rb") as file:
            if file.read(3) != codecs.BOM_UTF8:
                file.seek(0)
            yield file.read, file.tell
    else:
        with _decoded(path, layout) as text:
            yield lambda size: text.read(size).encode(), text.buffer.tell


@contextmanager
def _decoded(path: Path, layout: Layout) -> Iterator[TextIO]:
    """Open the file as text, behind its byte order mark; it must be the encoding's own."""
    is_utf8 = codecs.lookup(layout.encoding).name.startswith("utf-8")
    with path.open("rb") as file:
        if not is_utf8 and file.read(3) == codecs.BOM_UTF8:
            raise UserError(f"{path}: is UTF-8 text, expected prepare.encoding: utf-8")
    with path.open(encoding=layout.encoding, newline="") as text:
        if text.read(1) != "\ufeff":
            text.seek(0)
        yield text


def end_of_rows(text: bytes, delimiter: str) -> int:
    """Return where the last row ends whose end is in the text; 0 where none does."""
    masked = without_quoted(text, delimiter)
    # What ends in CR may go on with LF.
    return max(masked.rfind(b"\n"), masked.rfind(b"\r", 0, -1)) + 1


def with_line_feeds(text: bytes, delimiter: str) -> bytes:
    """Return the text with LF or CR LF behind each row; of CR alone, pandas makes other rows."""
    codes = np.frombuffer(text, np.uint8)
    if b"\r" in text and ((codes[:-1] == CR) & (codes[1:] != LF)).any():
        spans = row_spans(text, delimiter)
        return b"".join(text[start:end] + b"\n" for start, end in spans)
    return text if text.endswith(b"\n") or not text else text + b"\n"


def row_texts(rows: bytes, delimiter: str) -> Iterable[str]:
    """Return each of the rows as text; none is blank, and there is LF or CR LF behind each."""
    if b'"' not in rows:
        return rows.decode().replace("\r\n", "\n").split("\n")[:-1]
    return (rows[start:end].decode() for start, end in row_spans(rows, delimiter))


def row_spans(text: bytes, delimiter: str) -> Iterator[tuple[int, int]]:
    """Yield where each row that is not blank begins and ends in the text."""
    blank = blank_characters(delimiter).encode()
    lines = (match.span() for match in LINE.finditer(without_quoted(text, delimiter)))
    return ((start, end) for start, end in lines if text[start:end].strip(blank))


def broken_cells(text: bytes, delimiter: str) -> tuple[str, ...]:
    """Return what stands in cells in quotes, over several lines, that go on behind the quote.

    So it is where a row is cut off within quotes: they close where the next row opens its own.
    """
    mark = re.escape(delimiter.encode())
    cells = re.finditer(WHOLE_QUOTED % (mark, mark), text)
    broken = (cell[1] for cell in cells if cell[2].strip() and re.search(rb"[\r\n]", cell[1]))
    return tuple(each.decode().replace('""', '"') for each in broken)


def blank_characters(delimiter: str) -> str:
    """Return what a blank line may consist of; tabs between cells make a row of empty ones."""
    return " \r\n" if delimiter == "\t" else " \t\r\n"


def without_quoted(text: bytes, delimiter: str) -> bytes:
    """Return text of the same length in which no cell in quotes has a line break."""
    mark = re.escape(delimiter.encode())
    if b'"' not in text or re.fullmatch(ON_LINES % (mark, mark), text):
        return text
    return re.sub(QUOTED % mark, lambda match: b"x" * len(match[0]), text)


@contextmanager
def open_text(path: Path, layout: Layout) -> Iterator[Iterator[str]]:
    """Open the file as lines of text; a byte order mark is skipped.

    Raises:
        UserError: there is no such file, or it is not text in the encoding it should be in.
    """
    require_file(path)
    try:
        with _decoded(path, layout) as file:
            yield lines_without_nul(file)
    except UnicodeError as error:
        raise UserError(f"{path}: {_where_undecodable(path, layout.encoding)}") from error


def lines_without_nul(file: TextIO) -> Iterator[str]:
    """Yield the lines; raise `UserError` at a NUL byte, which no text has."""
    for number, line in enumerate(file, 1):
        if "\0" in line:
            raise UserError(f"{file.name}: row {number}: has a NUL byte; expected a text file")
        yield line


def _where_undecodable(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if marked and not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")):
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

    Blank is a line of nothing but spaces and tabs; one of "" is a row.

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

    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(read(), delimiter=layout.delimiter, skipinitialspace=True)
    line, blank = 1, blank_characters(layout.delimiter)
    for row in reader:
        if at_end and row:
            opened = line + len(LINE_BREAK.findall("".join(row[:-1])))
            raise UserError(f"{name}: row {opened}: has a quote that is not closed")
        if text.strip(blank):
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
