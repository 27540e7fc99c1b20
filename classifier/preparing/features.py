"""The features as the rows to train on have them: categories of a text, range of a number."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError, quoted, shown
from classifier.preparing.columns import Columns
from classifier.preparing.holdout import TRAIN
from classifier.preparing.storing import StoredRows, reduced
from classifier.table.calendar import DatePart, inputs_of, names_of
from classifier.table.notation import Amounts, Dates
from classifier.table.reader import Table
from classifier.table.schema import MISSING, UNKNOWN, Feature, NumberFeature, Rows, TextFeature

FEW = 100  # distinct numbers, and steps of float32 from one to the next
LOOKED_AT = 100_000  # rows that show what float32 and the text make of a column's numbers


def find_features(
    columns: Columns, rows: StoredRows, splits: npt.NDArray[np.uint8]
) -> list[Feature]:
    """Return the features, with the categories and the ranges that the training rows have.

    splits: what becomes of each row, TRAIN or another, (rows,).

    Raises:
        UserError: no training row has a value of a feature, or float32 leaves few numbers of them.
    """
    require_told_apart(columns.table, numbers_close_together(columns, rows))
    lowest, highest = np.full((2, len(columns.table.numbers)), np.nan, np.float32)
    found = {name: np.empty(0, np.int32) for name in columns.texts}
    parts = {name: parts_of(columns.table, name) for name in columns.table.numbers}
    trained = {name: np.zeros(len(names_of(parts[name])), bool) for name in parts if parts[name]}
    are_all = bool((splits == TRAIN).all())
    lowest, highest = rows.extremes if are_all else (lowest, highest)
    for block in rows.blocks():
        chosen = splits[block] == TRAIN
        these = rows.features[block] if chosen.all() else rows.features[block][chosen]
        if not are_all:
            lowest = np.fmin(lowest, reduced(np.fmin, these.numbers))
            highest = np.fmax(highest, reduced(np.fmax, these.numbers))
        for name, were in trained.items():
            days = these.numbers[:, columns.table.numbers.index(name)]
            trained[name] = were | inputs_of(days, parts[name]).any(axis=0)
        for (name, known), codes in zip(found.items(), these.codes.T, strict=True):
            if len(known) < len(rows.vocabularies[name].places):
                found[name] = pd.unique(np.append(known, codes[codes != MISSING]))
    limits = zip(columns.table.numbers, map(written, lowest), map(written, highest), strict=True)
    ranges = {name: ends for name, *ends in limits if not np.isnan(ends[0])}
    values = {name: [*rows.vocabularies[name].places] for name in found}
    categories = {
        n: [values[n][code] for code in codes] for n, codes in found.items() if len(codes)
    }
    untrained = {
        name: [each for each, is_in in zip(names_of(parts[name]), some, strict=True) if not is_in]
        for name, some in trained.items()
    }
    return [
        feature_of(name, columns.table, ranges, categories, untrained) for name in columns.features
    ]


def parts_of(table: Table, name: str) -> tuple[DatePart, ...]:
    """Return the parts of a column of dates that are inputs too."""
    notation = table.notation(name)
    return notation.parts if isinstance(notation, Dates) else ()


def written(number: np.float32) -> float:
    """Return the shortest decimal number that float32 rounds to this one."""
    return float(str(number))


def numbers_close_together(columns: Columns, rows: StoredRows) -> list[str]:
    """Return the columns of few numbers, half of them hardly apart as float32 goes.

    Where times or ids are as large as that, float32 rounds many of them to one.
    """
    close = []
    for name, column in zip(columns.table.numbers, rows.sample(LOOKED_AT).T, strict=True):
        distinct = np.unique(column[~np.isnan(column)])
        with np.errstate(over="ignore"):  # there is no step after the largest
            steps = np.diff(distinct.astype(float)) / np.spacing(np.abs(distinct))[1:]
        if len(distinct) < FEW and (len(steps) == 0 or np.median(steps) < FEW):
            close.append(name)
    return close


def require_told_apart(table: Table, names: Iterable[str]) -> None:
    """Raise `UserError` for a column in which float32 makes one number of two."""
    first: dict[tuple[str, np.float32], tuple[str, float]] = {}
    places = {name: table.names.index(name) for name in names}
    for _, row in islice(table.rows() if places else (), LOOKED_AT):
        for name, at in places.items():
            cell = row[at]
            number = table.value(name, cell)
            if number is None or np.isnan(number):
                continue
            one, same = first.setdefault((name, np.float32(number)), (cell, number))
            if same != number:
                raise UserError(
                    f"{table.path}: column {shown(name)}: float32 rounds "
                    f"{quoted(one)} and {quoted(cell)} to the same number, and all its values to "
                    f"fewer than {FEW}; subtract a common offset, or use another unit"
                )


def feature_of(
    name: str,
    table: Table,
    ranges: dict[str, list[float]],
    categories: dict[str, list[str]],
    untrained: dict[str, list[str]],
) -> Feature:
    """Return a number with its range, or a text with its categories.

    Raises:
        UserError: it has neither.
    """
    if name in ranges:
        (lowest, highest), notation = ranges[name], table.notation(name)
        return NumberFeature(
            name=name,
            date=notation.written if isinstance(notation, Dates) else None,
            parts=[*parts_of(table, name)] or None,
            untrained=untrained.get(name) or None,
            like=notation.written if isinstance(notation, Amounts) else None,
            unit=notation.unit if isinstance(notation, Amounts) else None,
            lowest=lowest,
            highest=highest,
        )
    if name not in categories:
        raise UserError(f"{table.path}: column {shown(name)}: has no value in any training row")
    return TextFeature(name=name, categories=categories[name])


def time_of(columns: Columns, rows: StoredRows, splits: npt.NDArray[np.uint8]) -> Feature:
    """Return the column of `prepare.time` with the range that the training rows have."""
    times = np.empty(0) if rows.groups is None else rows.groups[splits == TRAIN]
    ends = [float(times.min()), float(times.max())]
    return feature_of(str(columns.time), columns.table, {str(columns.time): ends}, {}, {})


def places_of_codes(rows: StoredRows, texts: list[TextFeature]) -> list[npt.NDArray[np.int32]]:
    """Return, for each text, the place among its categories of each code, at the end of MISSING."""
    return [
        np.array([*(places.get(value, UNKNOWN) for value in known), MISSING], np.int32)
        for text in texts
        for places in [{category: place for place, category in enumerate(text.categories)}]
        for known in [rows.vocabularies[text.name].places]
    ]


def recoded(rows: Rows, places: list[npt.NDArray[np.int32]]) -> Rows:
    """Return the rows with their categories by the schema's codes, UNKNOWN where it has none."""
    codes = np.empty_like(rows.codes)
    for at, of_text in enumerate(places):
        codes[:, at] = of_text[rows.codes[:, at]]  # MISSING, -1, is the last
    return Rows(rows.numbers, codes)
