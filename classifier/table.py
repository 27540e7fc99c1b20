"""CSV tables: read in chunks so that memory does not grow with the rows, and explained when bad."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.errors import UserError, require_file
from classifier.layout import (
    FLOAT32_LIMIT,
    Layout,
    counted,
    is_number,
    unknown_value,
    why_no_number,
)
from classifier.progress import Progress

CHUNK_CELLS = 1_000_000  # a few tens of megabytes
UTF8_MARK_AS_LATIN1 = codecs.BOM_UTF8.decode("latin-1")
BAR_BYTES = 10_000_000  # a smaller file is read before a bar could be looked at

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Table:
    """A CSV file and what is expected of its columns.

    names: all columns, in their order; numbers: those that hold numbers, the others are text;
    required: those in which no cell may be missing; keep_text: chunks have numbers as text too,
    as they stand in the file; advice: what else to do about a cell that is no number. Columns that
    are not asked for by name may share one.
    """

    path: Path
    layout: Layout
    names: list[str]
    numbers: list[str]
    required: list[str]
    keep_text: bool = False
    advice: str = ""

    def chunks(self, title: str | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows as data frames, indexed from 0; see `numbers_in` for their numbers.

        With a title, a progress bar of that name shows how much of the file has been read.

        Raises:
            UserError: a row has too many or too few cells, or there is something else than a
                number where one belongs.
        """
        self._check_first_row()
        rows = 0
        try:
            for chunk in self._read(title, self.keep_text):
                rows += len(chunk)
                yield chunk
            return
        except (ValueError, pd.errors.ParserError) as error:
            self.find_fault()
            if self.keep_text:
                raise UserError(f"{self.path}: cannot be read as a table: {error}") from error
        # White space around a gap is beyond the parser of numbers; the same chunks as text are not.
        yield from (chunk for chunk in self._read(title, True) if chunk.index[0] >= rows)

    def _read(self, title: str | None, keep_text: bool) -> Iterator[pd.DataFrame]:
        checked = False
        with open_text(self.path, self.layout) as file, self._bar(title) as bar:
            for chunk in self._read_csv(file, keep_text):
                # A row that is too short looks like one whose last cells are empty.
                if not checked and has_gap(chunk[len(self.names) - 1]):
                    self._check_widths()
                    checked = True
                yield chunk.set_axis(self.names, axis="columns")
                bar.update(file.buffer.tell() - bar.n)

    def _bar(self, title: str | None) -> Progress:
        size = self.path.stat().st_size
        hidden = title is None or size < BAR_BYTES
        return Progress(desc=title, total=size, unit="B", unit_scale=True, disable=hidden)

    def _read_csv(self, file: TextIO, keep_text: bool) -> Iterator[pd.DataFrame]:
        columns = range(len(self.names))
        parsed: list[Any] = [] if keep_text else [self.names.index(name) for name in self.numbers]
        return pd.read_csv(
            file,
            sep=self.layout.delimiter,
            names=columns,
            header=0 if self.layout.header else None,
            index_col=False,
            dtype=dict.fromkeys(columns, "object") | dict.fromkeys(parsed, "float64"),
            na_values=dict.fromkeys(parsed, self.layout.na_values),
            keep_default_na=False,
            skipinitialspace=True,
            chunksize=max(1, CHUNK_CELLS // len(self.names)),
        )

    def _check_first_row(self) -> None:
        """The fast reader forgives a first row that is too long, and only that one."""
        for line, row in self.rows():
            self._check_row(row, line)
            return

    def _check_widths(self) -> None:
        for line, row in self.rows():
            self.check_width(row, line)

    def numbers_in(self, chunk: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the numbers of a chunk, (rows, numbers), NaN where one is missing.

        Raises:
            UserError: a number is missing that is required, or is none that float32 can hold.
        """
        numbers = np.empty((len(chunk), len(self.numbers)))
        for place, name in enumerate(self.numbers):
            cells = chunk[name]
            numbers[:, place] = cells if cells.dtype == float else self._parsed(cells)
        if (np.abs(numbers) >= FLOAT32_LIMIT).any():
            self.explain()
        for value in self.layout.na_numbers:
            numbers[numbers.astype(np.float32) == value] = np.nan
        required = [name in set(self.required) for name in self.numbers]
        if np.isnan(numbers[:, required]).any():
            self.explain()
        return numbers

    def _parsed(self, cells: "pd.Series[str]") -> npt.NDArray[np.float64]:
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        if not all(map(self.layout.is_missing, cells[np.isnan(numbers)].unique())):
            self.explain()
        return numbers

    def refuse_unknown(
        self, cells: "pd.Series[str]", unknown: npt.NDArray[np.bool_], known: Sequence[str]
    ) -> None:
        """Raise `UserError` with line and column of the first cell whose value is unknown."""
        if unknown.any():
            cell = cells[unknown].iloc[0]
            line = self.line(int(cells.index[unknown][0]))
            place = f"{self.path}: row {line}, column {cells.name}"
            raise UserError(f"{place}: {unknown_value(cell, known)}")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row below the header with the line, counted from 1, on which it begins."""
        with open_text(self.path, self.layout) as file:
            rows = numbered_rows(file, self.layout)
            if self.layout.header:
                next(rows, None)
            yield from rows

    def line(self, index: int) -> int:
        """Return the line, as an editor counts, on which the row with this index begins."""
        return next(line for number, (line, _) in enumerate(self.rows()) if number == index)

    def find_fault(self) -> None:
        """Raise `UserError` with line and column of the first cell that is not as it must be.

        Row by row and slow, so it is used only once the fast reader has found fault.
        """
        for line, row in self.rows():
            self._check_row(row, line)

    def explain(self) -> NoReturn:
        """Raise `UserError`: something is wrong, if possible with line and column."""
        self.find_fault()
        raise UserError(f"{self.path}: cannot be read as a table")

    def check_width(self, row: Sequence[str], line: int) -> None:
        """Raise `UserError` unless the row has as many cells as there are columns."""
        if len(row) != len(self.names):
            found, expected = counted(len(row), "column"), len(self.names)
            raise UserError(f"{self.path}: row {line}: has {found}, expected {expected}")

    def _check_row(self, row: Sequence[str], line: int) -> None:
        self.check_width(row, line)
        place = f"{self.path}: row {line}"
        for name, cell in zip(self.names, row, strict=True):
            is_number_column = name in self.numbers
            missing = self.layout.is_missing_number if is_number_column else self.layout.is_missing
            if missing(cell):
                if name in self.required:
                    raise UserError(f"{place}, column {name}: has no value (found {cell!r})")
            elif is_number_column and not is_number(cell):
                raise UserError(f"{place}, column {name}: {why_no_number(cell)}{self.advice}")


def has_gap(cells: "pd.Series[Any]") -> bool:
    return bool((cells.isna() if cells.dtype == float else cells == "").any())


class _TextWithoutNul:
    """A text file for pandas, whose parser would end a cell at a NUL byte and not tell."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.buffer, self.name = file, file.buffer, file.name

    def read(self, size: int = -1) -> str:
        text = self.file.read(size)
        if "\0" in text:
            raise ValueError("a NUL byte")  # which row it is in, the other reader tells
        return text

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(iter(self.file.readline, ""), 1):
            if "\0" in line:
                raise UserError(f"{self.name}: row {number}: has a NUL byte; expected a text file")
            yield line


@contextmanager
def open_text(path: Path, layout: Layout) -> Iterator[TextIO]:
    """Open the file as text; a byte order mark is skipped.

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
            yield _TextWithoutNul(file)  # type: ignore[misc]
    except UnicodeError as error:
        raise UserError(f"{path}: {_where_undecodable(path, encoding)}") from error


def _where_undecodable(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "is UTF-16 text, expected prepare.encoding: utf-16"
    row, name = 1, encoding.removesuffix("-sig")
    # Without a byte order mark, UTF-16 cannot be read at all.
    with path.open(encoding=encoding, errors="replace") as file, suppress(UnicodeError):
        lines = (n for n, line in enumerate(file, 1) if "\N{REPLACEMENT CHARACTER}" in line)
        row = next(lines, 1)
    return f"row {row}: is not {name} text; see prepare.encoding"


def numbered_rows(file: TextIO, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the line, counted from 1, on which it begins.

    Blank is a line of nothing but spaces and tabs, as it is for pandas; one of "" is a row.

    Raises:
        UserError: a quote is not closed.
    """
    text, at_end = "", False

    def lines() -> Iterator[str]:
        nonlocal text, at_end
        for line_text in file:
            text = line_text
            yield text
        text, at_end = "", True
        yield "\n"  # a quote that is open would go on here

    reader = csv.reader(lines(), delimiter=layout.delimiter, skipinitialspace=True)
    line = 1
    for row in reader:
        if at_end and row:
            opened = line + "".join(row[:-1]).count("\n")
            raise UserError(f"{file.name}: row {opened}: has a quote that is not closed")
        if len(row) > 1 or text.strip(" \t\r\n"):
            yield line, row
        line = reader.line_num + 1


def first_row(path: Path, layout: Layout) -> list[str]:
    """Return the cells of the first row that is not blank.

    Raises:
        UserError: there is no such file or no such row.
    """
    with open_text(path, layout) as file:
        for _, row in numbered_rows(file, layout):
            return [cell.strip() for cell in row]
    raise UserError(f"{path}: is empty, expected a table")
