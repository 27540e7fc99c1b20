"""CSV tables: read in blocks so that memory does not grow with the rows, and explained when bad."""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.progress import Progress
from classifier.table.layout import Layout, counted, is_number, unknown_value, why_no_number
from classifier.table.text import (
    end_of_rows,
    numbered_rows,
    open_utf8,
    row_spans,
    rows_below_header,
)
from classifier.table.threads import map_in_order

BLOCK_BYTES = 2**21  # of text that is parsed at a time; more where there are many columns
FLOAT, CATEGORY = np.dtype(float), pd.CategoricalDtype()
WORD = "word"  # nothing that could be read as a number or a truth value
BAR_BYTES = 10_000_000  # a smaller file is read before a bar could be looked at


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table that stand together.

    numbers: (rows, numbers) float32, NaN where one is missing; texts: the columns that are text, as
    categoricals; lines: the rows as they stand in the file, in UTF-8; start: how many rows of the
    table come before them.
    """

    numbers: npt.NDArray[np.float32]
    texts: dict[str, pd.Categorical]
    lines: bytes
    start: int = 0

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Table:
    """A CSV file and what is expected of its columns.

    names: all columns, in their order; numbers: those that hold numbers, the others are text;
    required: those in which no cell may be missing; advice: what else to do about a cell that is
    no number. Columns that are not asked for by name may share one.
    """

    path: Path
    layout: Layout
    names: list[str]
    numbers: list[str]
    required: list[str]
    advice: str = ""

    def chunks(self, title: str | None = None) -> Iterator[Chunk]:
        """Yield all rows, in chunks.

        With a title, a progress bar of that name shows how much of the file has been read.

        Raises:
            UserError: a row has too many or too few cells, a number is missing that is required, or
                there is something else than a number where one belongs.
        """
        self._check_first_row()
        rows = 0
        try:
            for chunk in map_in_order(self._parse, self._blocks(title)):
                yield replace(chunk, start=rows)
                rows += len(chunk)
        except UnicodeError:
            self.explain()

    def _check_first_row(self) -> None:
        for line, row in self.rows():
            self._check_row(row, line)
            return

    def _blocks(self, title: str | None) -> Iterator[bytes]:
        """Yield the rows below the header as UTF-8 text, in blocks of whole rows."""
        at_start, rest = True, b""
        size = BLOCK_BYTES * (1 + len(self.names) // 500)  # each column of a block takes its time
        with open_utf8(self.path, self.layout) as (file, position), self._bar(title) as bar:
            # Where no row ends, reading as much again keeps the time from growing as a square.
            while read := file.read(max(size, len(rest))):
                text = rest + read
                end = end_of_rows(text, self.layout.delimiter)
                block, rest = text[:end], text[end:]
                if at_start and any(row_spans(block, self.layout.delimiter)):
                    yield self._without_header(block)
                    at_start = False
                elif not at_start:
                    yield block
                bar.update(position() - bar.n)
        if rest:
            yield self._without_header(rest) if at_start else rest

    def _without_header(self, block: bytes) -> bytes:
        block = block.removeprefix(codecs.BOM_UTF8)
        if not self.layout.header:
            return block
        _, end = next(row_spans(block, self.layout.delimiter))
        return block[end:]

    def _bar(self, title: str | None) -> Progress:
        size = self.path.stat().st_size
        hidden = title is None or size < BAR_BYTES
        return Progress(desc=title, total=size, unit="B", unit_scale=True, disable=hidden)

    @cached_property
    def _number_places(self) -> list[int]:
        first = {name: at for at, name in reversed(list(enumerate(self.names)))}
        return [first[name] for name in self.numbers]

    def _parse(self, block: bytes) -> Chunk:
        """Return the rows of a block; what the fast parser refuses, or may mistake, is checked."""
        if b"\0" in block:
            self.explain()
        places = self._number_places
        try:
            cells = self._read_csv(block, places)
            numbers = as_float32([cells[at] for at in places], len(cells[0]))
        except (ValueError, pd.errors.ParserError):
            cells = self._read_as_text(block)
            numbers = as_float32([self._numbers_in(cells[at]) for at in places], len(cells[0]))
        self._check_widths(block, cells[-1])
        self._check_numbers(numbers)
        named = zip(self.names, cells, strict=True)
        return Chunk(numbers, {name: c for name, c in named if c.dtype != float}, block)

    def _read_csv(self, block: bytes, numbers: Sequence[Any]) -> list[Any]:
        """Return the columns of a block: float64 arrays in the places of numbers, or categoricals.

        The parser is given a row more, of zeros and words. Without it, it would cut a first row
        that is too long, make numbers of categories that all look like some, and read True as 1.
        """
        columns = range(len(self.names))
        dtypes: dict[Any, Any] = dict.fromkeys(columns, CATEGORY)
        dtypes.update(dict.fromkeys(numbers, FLOAT))
        extra = self.layout.delimiter.join(
            WORD if dtypes[at] is CATEGORY else "0" for at in columns
        )
        cells = pd.read_csv(
            BytesIO(extra.encode() + b"\n" + block),
            sep=self.layout.delimiter,
            names=columns,
            header=None,
            index_col=False,
            dtype=dtypes,
            na_values=dict.fromkeys(numbers, self.layout.na_values),
            keep_default_na=False,
            skipinitialspace=b" " in block or b"\t" in block,  # it costs a quarter of the time
            low_memory=False,
        )
        return [
            (column.array if dtypes[at] is CATEGORY else column.to_numpy())[1:]
            for at, column in cells.items()
        ]

    def _read_as_text(self, block: bytes) -> list[Any]:
        try:
            return self._read_csv(block, [])
        except (ValueError, pd.errors.ParserError):
            self.explain()

    def _numbers_in(self, cells: pd.Categorical) -> npt.NDArray[np.float64]:
        """Return the numbers that stand in cells of text, white space around gaps and all."""
        order, values = pd.factorize(cells)
        return np.array([self._number(value) for value in values])[order]

    def _number(self, cell: str) -> float:
        if is_number(cell):
            return float(cell)
        if not self.layout.is_missing(cell):
            self.explain()
        return np.nan

    def _check_widths(self, block: bytes, last: Any) -> None:
        """Raise `UserError` if a row is too short: to the parser its last cells are empty.

        It refuses rows that are too long, so where no cell is in quotes the delimiters tell.
        """
        empty = np.isnan(last) if last.dtype == float else last == ""
        if empty.any() and not self._has_all_delimiters(block, len(last)):
            lines = StringIO(block.decode(), newline="")
            rows = numbered_rows(lines, self.layout, self.path)
            if any(len(row) != len(self.names) for _, row in rows):
                self.explain()

    def _has_all_delimiters(self, block: bytes, rows: int) -> bool:
        delimiter = self.layout.delimiter.encode()
        is_countable = b'"' not in block and not delimiter.isspace()
        return is_countable and block.count(delimiter) == rows * (len(self.names) - 1)

    def _check_numbers(self, numbers: npt.NDArray[np.float32]) -> None:
        """Make NaN of numbers that stand for no value.

        Raises:
            UserError: a number is missing that is required, or too large for float32.
        """
        if np.isinf(numbers).any():
            self.explain()
        for value in self.layout.na_numbers:
            numbers[numbers == value] = np.nan
        required = [name in set(self.required) for name in self.numbers]
        if np.isnan(numbers[:, required]).any():
            self.explain()

    def refuse_unknown(
        self, chunk: Chunk, name: str, unknown: npt.NDArray[np.bool_], known: Sequence[str]
    ) -> None:
        """Raise `UserError` with line and column of the first cell whose value is unknown."""
        if unknown.any():
            at = int(unknown.argmax())
            place = f"{self.path}: row {self.line(chunk.start + at)}, column {name}"
            raise UserError(f"{place}: {unknown_value(str(chunk.texts[name][at]), known)}")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row below the header with the line, counted from 1, on which it begins."""
        return rows_below_header(self.path, self.layout)

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

    def _check_row(self, row: Sequence[str], line: int) -> None:
        check_width(self.path, line, row, self.names)
        place = f"{self.path}: row {line}"
        for name, cell in zip(self.names, row, strict=True):
            is_number_column = name in self.numbers
            missing = self.layout.is_missing_number if is_number_column else self.layout.is_missing
            if missing(cell):
                if name in self.required:
                    raise UserError(f"{place}, column {name}: has no value (found {cell!r})")
            elif is_number_column and not is_number(cell):
                raise UserError(f"{place}, column {name}: {why_no_number(cell)}{self.advice}")


def check_width(path: Path, line: int, row: Sequence[str], names: Sequence[str]) -> None:
    """Raise `UserError` unless the row has as many cells as there are columns."""
    if len(row) != len(names):
        found = counted(len(row), "column")
        raise UserError(f"{path}: row {line}: has {found}, expected {len(names)}")


def as_float32(columns: Sequence[npt.NDArray[np.float64]], rows: int) -> npt.NDArray[np.float32]:
    """Return columns of numbers side by side, infinite where they are too large."""
    numbers = np.empty((rows, len(columns)), np.float32)
    with np.errstate(over="ignore"):
        for place, column in enumerate(columns):
            numbers[:, place] = column
    return numbers
