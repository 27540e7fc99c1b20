"""CSV tables: read in blocks so that memory does not grow with the rows, and explained when bad."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError, quoted, shown
from classifier.base.progress import Progress
from classifier.table.cells import (
    Layout,
    counted,
    gap_advice,
    is_number,
    missing_value,
    unknown_value,
)
from classifier.table.csv_text import (
    broken_cells,
    end_of_rows,
    numbered_rows,
    open_utf8,
    row_spans,
    rows_below_header,
    with_line_feeds,
)
from classifier.table.notation import PLAIN, Notation
from classifier.table.parallel import map_in_order
from classifier.table.problems import Problems, TableError

BLOCK_BYTES = 2**20  # of text that is parsed at a time; more where there are many columns
FLOAT, CATEGORY = np.dtype(float), pd.CategoricalDtype()
OPEN_QUOTE = "is a quote left open?"  # where a cell looks like several rows
WORD = "word"  # nothing that could be read as a number or a truth value
CELLS = 2_000_000  # that are looked at from the first bad one on
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
    no number; notations: how numbers are written, where not plainly; merged: once it has been read,
    the first cell that looks like several rows, if any does. Columns that are not asked for by name
    may share one.
    """

    path: Path
    layout: Layout
    names: list[str]
    numbers: list[str]
    required: list[str]
    advice: str = ""
    notations: Mapping[str, Notation] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list, init=False)

    def chunks(self, title: str | None = None) -> Iterator[Chunk]:
        """Yield all rows, in chunks.

        With a title, a progress bar of that name shows how much of the file has been read.

        Raises:
            UserError: a row has too many or too few cells, a number is missing that is required, or
                there is something else than a number where one belongs.
        """
        self._check_first_row()
        rows = 0
        self.merged.clear()
        try:
            for chunk in map_in_order(self._parse, self._blocks(title)):
                self.merged.extend([] if self.merged else self._merged_rows(chunk))
                yield replace(chunk, start=rows)
                rows += len(chunk)
        except UnicodeError:
            self.explain()

    def _merged_rows(self, chunk: Chunk) -> list[str]:
        """Return the first cell that looks like several rows, and its column, if there is one."""
        if b'"' not in chunk.lines or len(chunk.lines.splitlines()) <= len(chunk):
            return []
        delimiter, delimiters = self.layout.delimiter, max(1, len(self.names) - 1)
        text = StringIO(chunk.lines.decode(), newline="")
        broken = broken_cells(chunk.lines, delimiter)
        for _, row in numbered_rows(text, self.layout, self.path):
            for name, cell in zip(self.names, row, strict=True):
                if not re.search("[\r\n]", cell):
                    continue
                if cell.count(delimiter) >= delimiters or cell.startswith(broken):
                    return [f"column {shown(name)}: {quoted(cell)} spans several rows"]
        return []

    def _check_first_row(self) -> None:
        if any(fault for _, row in islice(self.rows(), 1) for fault in self.faults(row)):
            self.explain()

    def _blocks(self, title: str | None) -> Iterator[bytes]:
        """Yield the rows below the header as UTF-8 text, in blocks of whole rows."""
        delimiter, has_header = self.layout.delimiter, self.layout.header
        for piece in self._pieces(title):
            block = with_line_feeds(piece, delimiter)
            if has_header and (first := next(row_spans(block, delimiter), None)):
                block, has_header = block[first[1] :].lstrip(b"\r\n"), False
            if block and not has_header:
                yield block

    def _pieces(self, title: str | None) -> Iterator[bytes]:
        """Yield the text of the file, cut where rows end."""
        rest = b""
        size = BLOCK_BYTES * (1 + len(self.names) // 500)  # each column of a block takes its time
        with open_utf8(self.path, self.layout) as (read, position), self._bar(title) as bar:
            # Where no row ends, reading as much again keeps the time from growing as a square.
            while read_on := read(max(size, len(rest))):
                text = rest + read_on
                end = end_of_rows(text, self.layout.delimiter)
                yield text[:end]
                rest = text[end:]
                bar.update(position() - bar.n)
        yield rest

    def _bar(self, title: str | None) -> Progress:
        size = self.path.stat().st_size
        hidden = title is None or size < BAR_BYTES
        return Progress(desc=title, total=size, unit="B", unit_scale=True, disable=hidden)

    @cached_property
    def _number_places(self) -> list[int]:
        first = {name: at for at, name in reversed(list(enumerate(self.names)))}
        return [first[name] for name in self.numbers]

    @cached_property
    def _plain_places(self) -> list[int]:
        places = zip(self.numbers, self._number_places, strict=True)
        return [place for name, place in places if name not in self.notations]

    def _parse(self, block: bytes) -> Chunk:
        """Return the rows of a block, by the slow parser where the fast one may be wrong."""
        if b"\0" in block:
            self.explain()
        try:
            cells = self._read_quickly(block)
            numbers = self._numbers(cells)
            is_sure = self._is_sure(block, cells[-1]) and not np.isinf(numbers).any()
        except (ValueError, pd.errors.ParserError):
            is_sure = False
        if not is_sure:
            cells, block = self._read_slowly(block)
            try:
                numbers = self._numbers(cells)
            except ValueError:
                self.explain()
        self._require_values(numbers)
        named = zip(self.names, cells, strict=True)
        return Chunk(numbers, {name: c for name, c in named if c.dtype != float}, block)

    def _numbers(self, cells: list[Any]) -> npt.NDArray[np.float32]:
        """Return the columns of numbers side by side: NaN for gaps, infinite what is too large."""
        numbers = np.empty((len(cells[0]), len(self.numbers)), np.float32)
        with np.errstate(over="ignore"):
            for place, at in enumerate(self._number_places):
                notation = self.notations.get(self.numbers[place])
                column = self._read_notation(notation, cells[at]) if notation else cells[at]
                numbers[:, place] = column
                if self.layout.na_numbers and not notation:
                    numbers[self.layout.are_missing(column), place] = np.nan
        return numbers

    def _read_notation(self, notation: Notation, cells: pd.Categorical) -> npt.NDArray[np.float64]:
        """Return the numbers of cells that are not written plainly, NaN for gaps.

        Raises:
            ValueError: a cell is neither.
        """
        used = np.bincount(cells.codes, minlength=len(cells.categories)) > 0
        found = [
            notation.value(cell, self.layout) if is_used else np.nan
            for cell, is_used in zip(cells.categories, used.tolist(), strict=True)
        ]
        if None in found:
            raise ValueError
        return np.array(found, np.float64).take(cells.codes)

    def exact_numbers(self, chunk: Chunk, name: str) -> npt.NDArray[np.float64]:
        """Return a column of which `notations` says how it is written, NaN for gaps, (rows,).

        Raises:
            TableError: a cell is neither.
        """
        try:
            return self._read_notation(self.notation(name), chunk.texts[name])
        except ValueError:
            self.explain()

    @cached_property
    def _has_gaps(self) -> Event:
        return Event()

    def _read_quickly(self, block: bytes) -> list[Any]:
        """Return the columns of a block, as `_read_csv` does.

        Looking for gaps takes a tenth of the time. Where the parser does not, one is an error.
        """
        if not self._has_gaps.is_set():
            try:
                return self._read_csv(block, na_filter=False)
            except ValueError:
                self._has_gaps.set()
        return self._read_csv(block, na_filter=True)

    def _read_csv(self, block: bytes, na_filter: bool) -> list[Any]:
        """Return the columns of a block: float64 arrays where there are numbers, or categoricals.

        The parser is given a row more, of zeros and words. Without it, it would cut a first row
        that is too long, make numbers of categories that all look like some, and read True as 1.
        """
        columns = range(len(self.names))
        numbers: list[Any] = self._plain_places
        dtypes: dict[Any, Any] = dict.fromkeys(columns, CATEGORY) | dict.fromkeys(numbers, FLOAT)
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
            na_values=dict.fromkeys(numbers, self.layout.na_texts),
            keep_default_na=False,
            na_filter=na_filter,
            # It costs a quarter of the time.
            skipinitialspace=b" " in block,
            # What looks for blank lines may lose a tab where the parser goes on to read.
            skip_blank_lines=False,
            low_memory=False,
        )
        return [
            (column.array if dtypes[at] is CATEGORY else column.to_numpy())[1:]
            for at, column in cells.items()
        ]

    def _is_sure(self, block: bytes, last: Any) -> bool:
        """Whether there is no blank line and no row that is too short in what the parser read.

        It refuses rows that are too long, and gives the others empty cells at their end. So where
        the last cell is empty and none is in quotes, the delimiters tell.
        """
        empty = np.isnan(last) if last.dtype == float else last == ""
        if len(self.names) == 1:
            return not empty.any() and b"\t" not in block
        return not empty.any() or self._has_all_delimiters(block, len(last))

    def _has_all_delimiters(self, block: bytes, rows: int) -> bool:
        delimiter = self.layout.delimiter.encode()
        is_countable = b'"' not in block and delimiter != b" "
        return is_countable and block.count(delimiter) == rows * (len(self.names) - 1)

    def _read_slowly(self, block: bytes) -> tuple[list[Any], bytes]:
        """Return the columns of a block as the csv module reads it, and its rows, none blank."""
        spans = row_spans(block, self.layout.delimiter)
        lines = [block[start:end] + b"\n" for start, end in spans]
        try:
            rows = list(numbered_rows(map(bytes.decode, lines), self.layout, self.path))
        except UserError:
            self.explain()
        if len(rows) != len(lines) or any(len(row) != len(self.names) for _, row in rows):
            self.explain()
        columns: list[Any] = [[row[at] for _, row in rows] for at in range(len(self.names))]
        numbers = set(self._plain_places)
        read = [
            self._numbers_in(column) if at in numbers else pd.Categorical(column)
            for at, column in enumerate(columns)
        ]
        return read, b"".join(lines)

    def _numbers_in(self, cells: list[str]) -> npt.NDArray[np.float64]:
        """Return the numbers that stand in cells, white space around gaps and all."""
        numbers = {cell: self._number(cell) for cell in set(cells)}
        return np.array([numbers[cell] for cell in cells], np.float64)

    def _number(self, cell: str) -> float:
        if is_number(cell):
            return float(cell)
        if not self.layout.is_missing(cell):
            self.explain()
        return np.nan

    def _require_values(self, numbers: npt.NDArray[np.float32]) -> None:
        """Raise `UserError` where a number is missing that is required."""
        required = set(self.required)
        if np.isnan(numbers[:, [name in required for name in self.numbers]]).any():
            self.explain()

    def refuse_unknown(
        self, chunk: Chunk, name: str, unknown: npt.NDArray[np.bool_], known: Sequence[str]
    ) -> None:
        """Raise `UserError` with line and column of the first cell whose value is unknown."""
        if unknown.any():
            at = int(unknown.argmax())
            place = f"{self.path}: row {self.line(chunk.start + at)}, column {shown(name)}"
            raise UserError(f"{place}: {unknown_value(str(chunk.texts[name][at]), known)}")

    def notation(self, name: str) -> Notation:
        """Return how the numbers of a column are written."""
        return self.notations.get(name, PLAIN)

    def value(self, name: str, cell: str) -> float | None:
        """Return the number of a cell of a column, NaN for a gap, None where it is neither."""
        return self.notation(name).value(cell, self.layout)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row below the header with the line, counted from 1, on which it begins."""
        return rows_below_header(self.path, self.layout)

    def line(self, index: int) -> int:
        """Return the line, as an editor counts, on which the row with this index begins."""
        return next(line for number, (line, _) in enumerate(self.rows()) if number == index)

    @property
    def rows_to_explain(self) -> int:
        """How many rows are looked at one by one to say what is wrong."""
        return max(1, CELLS // len(self.names))

    def problems(self, within: int | None = None) -> Problems:
        """Return which cells are not as they must be, the first and those in the rows after it.

        Row by row and slow, so it is used only once the fast reader has found fault. within: of how
        many rows the first has to be.

        Raises:
            UserError: the text cannot be read, and there is nothing wrong before that.
        """
        found, left = Problems(self.path), self.rows_to_explain
        try:
            for line, row in islice(self.rows(), within):
                for column, what in self.faults(row):
                    found.add(column, what, line)
                left -= bool(found.of_columns)
                if not left:
                    break
        except UserError:
            if not found.of_columns:
                raise
        return found

    @cached_property
    def _kinds(self) -> list[tuple[str, Notation | None, bool]]:
        """The columns: how numbers are written, if they hold some, and whether gaps are faults."""
        required = set(self.required)
        notations = dict.fromkeys(self.numbers, PLAIN) | {**self.notations}
        return [(name, notations.get(name), name in required) for name in self.names]

    def explain(self) -> NoReturn:
        """Raise `TableError`: something is wrong, if possible with line and column."""
        raise TableError(self.problems())

    def faults(self, row: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a row: the column, '' for its width, and what."""
        if wrong := wrong_width(row, self.names):
            yield "", wrong
            return
        for (name, notation, is_required), cell in zip(self._kinds, row, strict=True):
            if fault := self._fault(cell, notation, is_required):
                yield name, fault

    def _fault(self, cell: str, notation: Notation | None, is_required: bool) -> str:
        """Say what is wrong with a cell, or nothing."""
        layout = self.layout
        if notation.is_missing(cell, layout) if notation else layout.is_missing(cell):
            advice = "; prepare.missing says what to do about gaps" * bool(self.advice)
            return missing_value(cell) + advice if is_required else ""
        if not notation or notation.number(cell) is not None:
            return ""
        return notation.why_not(cell) + (self.advice * (notation is PLAIN) or gap_advice(cell))


def wrong_width(row: Sequence[str], names: Sequence[str]) -> str:
    """Say if a row has not as many cells as there are columns."""
    is_right = len(row) == len(names)
    return "" if is_right else f"has {counted(len(row), 'column')}, expected {len(names)}"
