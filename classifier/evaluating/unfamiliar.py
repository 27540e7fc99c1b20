"""What new rows have that no training row had: said, since the model answers all the same."""

import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.base.errors import listed, shown
from classifier.table.cells import counted
from classifier.table.schema import MISSING, NO_ACCIDENT, NumberFeature, Rows, Schema

NAMED = 3  # columns in a line


@dataclass(frozen=True)
class Unfamiliar:
    """How many rows there are, and how many of them have what no training row had.

    unknown: with an unknown category, (texts,); untrained: with a month or weekday of which no
    training row is, (number features,); unheard: with a number where no training row has one, just
    so; outside: with a number below the lowest or above the highest, just so, and in any of them;
    gaps: without a value, (number features and texts,); empty: without any.
    """

    rows: int
    unknown: npt.NDArray[np.intp]
    untrained: npt.NDArray[np.intp]
    unheard: npt.NDArray[np.intp]
    outside: npt.NDArray[np.intp]
    outside_in_any: int
    gaps: npt.NDArray[np.intp]
    empty: int

    def __add__(self, other: "Unfamiliar") -> "Unfamiliar":
        return Unfamiliar(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def count_unfamiliar(schema: Schema, rows: Rows) -> Unfamiliar:
    """Return what of the rows is unfamiliar."""
    outside, dated = schema.outside(rows.numbers), zip(schema.numbers, rows.numbers.T, strict=True)
    has_none = np.array([number.has_none is True for number in schema.numbers], bool)
    texts = zip(schema.texts, rows.codes.T, strict=True)
    gaps = np.concatenate([np.isnan(rows.numbers), rows.codes == MISSING], axis=1)
    return Unfamiliar(
        rows=len(rows.numbers),
        unknown=np.array([text.is_untrained(codes).sum() for text, codes in texts], np.intp),
        untrained=np.array([date.is_untrained(days).sum() for date, days in dated], np.intp),
        unheard=(~np.isnan(rows.numbers) & has_none).sum(axis=0),
        outside=outside.sum(axis=0),
        outside_in_any=int(outside.any(axis=1).sum()),
        gaps=gaps.sum(axis=0),
        empty=int(gaps.all(axis=1).sum()),
    )


def say_unfamiliar(schema: Schema, found: Unfamiliar, path: Path | None = None) -> None:
    """Say it on standard error, of a file or, without a path, of a row on the command line."""
    for line in unfamiliar_lines(schema, found):
        print(f"{path}: {line}" if path else line, file=sys.stderr)


def unfamiliar_lines(schema: Schema, found: Unfamiliar) -> Iterator[str]:
    """Yield a line for each column of which the model knows too little, and for empty rows."""
    for text, count in zip(schema.texts, found.unknown.tolist(), strict=True):
        if count:
            yield (
                f"column {shown(text.name)}: {part(count, found.rows)} a value that the model was "
                f"not trained on (known: {listed(text.trained)})"
            )
    for date, count in zip(schema.numbers, found.untrained.tolist(), strict=True):
        if count:
            yield (
                f"column {shown(date.name)}: {part(count, found.rows)} a month or weekday that the "
                f"model was not trained on ({listed(date.untrained or [])})"
            )
    for number, count in zip(schema.numbers, found.unheard.tolist(), strict=True):
        if count:
            yield (
                f"column {shown(number.name)}: {part(count, found.rows)} a number, which the model "
                "does not use: no row that it was trained on has one"
            )
    if found.outside_in_any:
        of_numbers = zip(schema.numbers, found.outside.tolist(), strict=True)
        columns = [(number, count) for number, count in of_numbers if count]
        columns.sort(key=lambda column: -column[1])
        named = [named_range(number, count, found.rows) for number, count in columns[:NAMED]]
        more = (
            f", and {counted(len(columns) - NAMED, 'more column')}" if len(columns) > NAMED else ""
        )
        yield (
            f"{part(found.outside_in_any, found.rows)} numbers outside the range of the "
            f"training data: {', '.join(named)}{more}"
        )
    names = [number.name for number in schema.numbers] + [text.name for text in schema.texts]
    of_columns = zip(names, found.gaps.tolist(), strict=True)
    without = [name for name, gaps in of_columns if gaps == found.rows >= NO_ACCIDENT]
    if without and found.empty < found.rows:
        yield f"no row has a value of {listed(without)}: the model fills in what is usual"
    if found.empty:
        yield f"{counted(found.empty, 'row')} without any value"


def part(count: int, rows: int) -> str:
    """Return which rows have something, as the start of a sentence."""
    return (
        f"{count:,} of {rows:,} rows {'has' if count == 1 else 'have'}"
        if rows > 1
        else "the row has"
    )


def named_range(number: NumberFeature, count: int, rows: int) -> str:
    lowest, highest = map(number.notation.text, (number.lowest, number.highest))
    limits = f"{shown(number.name)} ({lowest} to {highest})"
    return f"{limits} in {count:,}" if rows > 1 else limits
