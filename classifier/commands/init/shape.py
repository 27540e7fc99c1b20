"""How a file of a table is written: encoding, delimiter, whether its first row is a header."""

import codecs
import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from classifier.base.errors import UserError, require_file
from classifier.commands.init.columns import MISSING, of_numbers
from classifier.fetching.as_csv import as_csv, split_name
from classifier.preparing.oddities import DELIMITERS
from classifier.table.cells import NA_VALUES, Layout, is_meant_as_number
from classifier.table.csv_text import numbered_rows, open_text

PIECE = 2**20  # bytes that are decoded at a time
ROWS = 200  # that show what stands between cells
PLAIN = Layout(delimiter=",", encoding="utf-8", header=True, na_values=NA_VALUES)
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def layout_of(path: Path) -> Layout:
    """Return how a file is written, as far as it shows.

    Raises:
        UserError: there is no such file, or no table in it.
    """
    require_file(path)
    encoding = encoding_of(path)
    layouts = [
        Layout(delimiter=each, encoding=encoding, header=False, na_values=NA_VALUES)
        for each in DELIMITERS
    ]
    readings = [
        (layout, rows)
        for layout in layouts
        if (rows := first_rows(path, layout)) and len(rows[0]) > 1
    ]
    if not readings:
        raise no_table(path, layouts[0])
    layout, rows = max(readings, key=lambda reading: how_plausible(reading[1], reading[0]))
    return layout.model_copy(update={"header": has_header(rows)})


def layout_of_parts(parts: Sequence[Path], copy: Path) -> Layout:
    """Return how the parts of a table are written, by the largest; copy: where one may be unpacked.

    Raises:
        UserError: a part is damaged, or the largest is no table.
    """
    if split_name(parts[0].name)[1] == ".parquet":
        return PLAIN
    layout, largest = PLAIN, max(parts, key=lambda part: part.stat().st_size)
    encodings = set()
    for part in parts:
        with as_csv(part, PLAIN, copy) as path:
            encodings.add(encoding_of(path))
            layout = layout_of(path) if part == largest else layout
    others = encodings - {"utf-8"}  # which text in ASCII is too
    return layout.model_copy(update={"encoding": min(others, default="utf-8")})


def no_table(path: Path, layout: Layout) -> UserError:
    """Return why a file is no table of several columns."""
    try:
        with open_text(path, layout) as lines:
            rows = sum(1 for _ in numbered_rows(lines, layout, path))
    except UserError as error:
        return error
    return UserError(f"{path}: has {'one column only' if rows else 'no rows'}, expected a table")


def encoding_of(path: Path) -> str:
    """Return utf-8 or utf-16 where the file is, else cp1252, which any text of one byte may be."""
    with path.open("rb") as file:
        mark = file.read(2)
        if mark in MARKS:
            return MARKS[mark]
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := file.read(PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def first_rows(path: Path, layout: Layout) -> list[list[str]]:
    try:
        with open_text(path, layout) as lines:
            return [row for _, row in islice(numbered_rows(lines, layout, path), ROWS)]
    except (UserError, csv.Error):
        return []


def how_plausible(rows: Sequence[Sequence[str]], layout: Layout) -> tuple[bool, float, int]:
    """Return whether all rows are as wide, the share of whole cells, and how many columns.

    A cell is whole if there is no other delimiter in it, or it is a number.
    """
    width, others = len(rows[0]), set(DELIMITERS) - {layout.delimiter}
    cells = [cell for row in rows for cell in row]
    whole = sum(others.isdisjoint(cell) or is_meant_as_number(cell) for cell in cells)
    is_even = width > 1 and all(len(row) == width for row in rows)
    return is_even, whole / len(cells), width


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row names columns: words over numbers, or none that recurs below."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    below = [[row[at].strip() for row in rest if at < len(row)] for at in range(len(first))]
    words = [pair for pair in zip(first, below, strict=True) if is_word(*pair)]
    if not rest or not words:
        return bool(rest) and first == [str(at) for at in range(len(first))]
    if any(are_numbers(column) for _, column in words):
        return True
    named = [name for name in first if name]
    is_unique = len({*named}) == len(named) >= len(first) - 1
    if not is_unique or any(name in column for name, column in words):
        return False
    # Without numbers in it, it is one; else if it stands over few words that repeat.
    are_words = not any(map(is_meant_as_number, named))
    return are_words or any(len({*column}) * 2 <= len(column) for _, column in words)


def are_numbers(cells: Sequence[str]) -> bool:
    """Return whether all cells are numbers but for words that may stand for gaps, and some are."""
    known = [cell for cell in cells if not may_be_gap(cell)]
    return known != [] and all(map(is_meant_as_number, known))


def is_word(cell: str, below: Sequence[str]) -> bool:
    """Return whether a cell is no gap and no number, nor a date or an amount as those below."""
    if may_be_gap(cell) or is_meant_as_number(cell):
        return False
    return of_numbers([cell, *(value for value in below if not may_be_gap(value))], 0) is None


def may_be_gap(cell: str) -> bool:
    return cell in NA_VALUES or cell.casefold() in MISSING
