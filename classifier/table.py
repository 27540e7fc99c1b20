"""CSV tables: read in chunks so that memory does not grow with the rows, and explained when bad."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from classifier.cells import MISSING, is_number
from classifier.errors import UserError, require_file

CHUNK_ROWS = 65_536


@dataclass(frozen=True)
class Table:
    """A CSV file and how to read it.

    Every cell of the columns in `numbers` must be a number, of those in `text` must not be
    empty; of the other columns, any cell will do.
    """

    path: Path
    names: list[str]
    has_header: bool
    numbers: list[str]
    text: list[str]

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Yield the rows: numbers as float64, all other columns as text.

        Raises:
            UserError: a row has too many or too few columns, or something else than a number
                where one belongs.
        """
        needed = self.numbers + self.text
        try:
            with pd.read_csv(
                self.path,
                names=self.names,
                header=0 if self.has_header else None,
                index_col=False,
                dtype={name: self._dtype(name) for name in self.names},
                na_values={name: self._missing(name) for name in needed},
                keep_default_na=False,
                skipinitialspace=True,
                chunksize=CHUNK_ROWS,
            ) as chunks:
                for chunk in chunks:
                    if not np.isfinite(chunk[self.numbers]).all(axis=None) or chunk[
                        self.text
                    ].isna().any(axis=None):
                        self._explain()
                    yield chunk
        except (ValueError, pd.errors.ParserError) as error:
            self._explain()
            raise UserError(f"{self.path}: {error}") from error

    def _dtype(self, name: str) -> str:
        return "float64" if name in self.numbers else "object"

    def _missing(self, name: str) -> tuple[str, ...]:
        return MISSING if name in self.numbers else ("",)

    def _explain(self) -> None:
        """Raise `UserError` with line and column of the first cell that is not as it must be.

        Row by row and slow, so it is used only once a fast reader has found fault.
        """
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file, skipinitialspace=True)
            line = 1
            for row in rows:
                if row and not (line == 1 and self.has_header):
                    self._explain_row(row, f"{self.path}: row {line}")
                line = rows.line_num + 1

    def _explain_row(self, row: Sequence[str], place: str) -> None:
        if len(row) != len(self.names):
            raise UserError(f"{place}: has {len(row)} columns, expected {len(self.names)}")
        for name, cell in zip(self.names, row, strict=True):
            if name in self.numbers and not is_number(cell):
                raise UserError(f"{place}, column {name}: found {cell!r}, expected a number")
            if name in self.text and cell in self._missing(name):
                raise UserError(f"{place}, column {name}: is empty, expected a value")


def first_row(path: Path) -> list[str]:
    """Return the cells of the first row that is not blank.

    Raises:
        UserError: there is no such file or no such row.
    """
    require_file(path, "run `dvc repro` first")
    with path.open(newline="", encoding="utf-8") as file:
        row = next((row for row in csv.reader(file, skipinitialspace=True) if row), None)
    if row is None:
        raise UserError(f"{path}: is empty, expected a table")
    return [cell.strip() for cell in row]


def column_names(path: Path, header: bool | list[str]) -> list[str]:
    """Return the columns' names: as given, from the first row (True), or their positions (False).

    Raises:
        UserError: there is no row, or the given names are not as many as its columns.
    """
    row = first_row(path)
    if header is True:
        return row
    names = header or [str(position) for position in range(len(row))]
    if len(names) != len(row):
        raise UserError(f"{path}: has {len(row)} columns, prepare.header names {len(names)}")
    return names
