"""CSV tables: read in chunks so that memory does not grow with the rows, and explained when bad."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.errors import UserError, require_file
from classifier.layout import (
    FLOAT32_LIMIT,
    Layout,
    is_number,
    unknown_value,
    why_no_number,
)
from classifier.progress import Progress

CHUNK_CELLS = 1_000_000  # a few tens of megabytes
BAR_BYTES = 10_000_000  # a smaller file is read before a bar could be looked at

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True)
class Table:
    """A CSV file and what is expected of its columns.

    names: all columns, in their order; numbers: those that hold numbers, the others are text;
    required: those in which no cell may be missing; keep_text: chunks have numbers as text too,
    as they stand in the file.
    """

    path: Path
    layout: Layout
    names: list[str]
    numbers: list[str]
    required: list[str]
    keep_text: bool = False

    def chunks(self, title: str | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows as data frames, indexed from 0; see `numbers_in` for their numbers.

        With a title, a progress bar of that name shows how much of the file has been read.

        Raises:
            UserError: a row has too many or too few cells, or there is something else than a
                number where one belongs.
        """
        self._check_first_row()
        try:
            with open_text(self.path, self.layout) as file, self._bar(title) as bar:
                for chunk in self._read_csv(file):
                    self._check_last(chunk[self.names[-1]])
                    yield chunk
                    bar.update(file.buffer.tell() - bar.n)
        except (ValueError, pd.errors.ParserError) as error:
            self.explain()
            raise UserError(f"{self.path}: cannot be read as a table: {error}") from error

    def _bar(self, title: str | None) -> Progress:
        size = self.path.stat().st_size
        hidden = title is None or size < BAR_BYTES
        return Progress(desc=title, total=size, unit="B", unit_scale=True, disable=hidden)

    def _read_csv(self, file: TextIO) -> Iterator[pd.DataFrame]:
        parsed = [] if self.keep_text else self.numbers
        return pd.read_csv(
            file,
            sep=self.layout.delimiter,
            names=self.names,
            header=0 if self.layout.header else None,
            index_col=False,
            dtype=dict.fromkeys(self.names, "object") | dict.fromkeys(parsed, "float64"),
            na_values=dict.fromkeys(parsed, self.layout.na_values),
            keep_default_na=False,
            skipinitialspace=True,
            chunksize=max(1, CHUNK_CELLS // len(self.names)),
        )

    def _check_first_row(self) -> None:
        """The fast reader forgives a first row that is too long, and only that one."""
        for line, row in self.rows():
            self._explain_row(row, line)
            return

    def _check_last(self, last: "pd.Series[Any]") -> None:
        """A row that is too short looks like one whose last cells are empty."""
        if (last.isna() | (last == "")).any():
            self.explain()

    def numbers_in(self, chunk: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the numbers of a chunk, (rows, numbers), NaN where one is missing.

        Raises:
            UserError: a number is missing that is required, or is none that float32 can hold.
        """
        numbers = np.empty((len(chunk), len(self.numbers)))
        for place, name in enumerate(self.numbers):
            numbers[:, place] = pd.to_numeric(chunk[name], errors="coerce")
        required = [name in set(self.required) for name in self.numbers]
        if (np.abs(numbers) >= FLOAT32_LIMIT).any() or np.isnan(numbers[:, required]).any():
            self.explain()
        if self.keep_text and np.isnan(numbers).any():
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

    def explain(self) -> None:
        """Raise `UserError` with line and column of the first cell that is not as it must be.

        Row by row and slow, so it is used only once the fast reader has found fault.
        """
        for line, row in self.rows():
            self._explain_row(row, line)

    def check_width(self, row: Sequence[str], line: int) -> None:
        """Raise `UserError` unless the row has as many cells as there are columns."""
        if len(row) != len(self.names):
            found, expected = len(row), len(self.names)
            raise UserError(f"{self.path}: row {line}: has {found} columns, expected {expected}")

    def _explain_row(self, row: Sequence[str], line: int) -> None:
        self.check_width(row, line)
        place = f"{self.path}: row {line}"
        for name, cell in zip(self.names, row, strict=True):
            if self.layout.is_missing(cell):
                if name in self.required:
                    raise UserError(f"{place}, column {name}: has no value (found {cell!r})")
            elif name in self.numbers and not is_number(cell):
                raise UserError(f"{place}, column {name}: {why_no_number(cell)}")


class _TextWithoutNul:
    """A text file for pandas, whose parser would end a cell at a NUL byte and not tell."""

    def __init__(self, file: TextIO) -> None:
        self.file, self.buffer = file, file.buffer

    def read(self, size: int = -1) -> str:
        text = self.file.read(size)
        if "\0" in text:
            raise UserError(f"{self.file.name}: has NUL bytes; expected a text file")
        return text

    def __iter__(self) -> Iterator[str]:
        while line := self.file.readline():
            if "\0" in line:
                raise UserError(f"{self.file.name}: has NUL bytes; expected a text file")
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
            yield _TextWithoutNul(file)  # type: ignore[misc]
    except UnicodeError as error:
        raise UserError(f"{path}: {_where_undecodable(path, encoding)}") from error


def _where_undecodable(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "is UTF-16 text, expected prepare.encoding: utf-16"
    with path.open(encoding=encoding, errors="replace") as file:
        lines = (n for n, line in enumerate(file, 1) if "\N{REPLACEMENT CHARACTER}" in line)
        name = encoding.removesuffix("-sig")
        return f"row {next(lines, 1)}: is not {name} text; see prepare.encoding"


def numbered_rows(file: TextIO, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank with the line, counted from 1, on which it begins."""
    reader = csv.reader(file, delimiter=layout.delimiter, skipinitialspace=True)
    line = 1
    for row in reader:
        if len(row) > 1 or "".join(row).strip():
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
