"""The features as the rows to train on have them: the categories of each text."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError, quoted, shown
from classifier.preparing.columns import Columns
from classifier.preparing.storing import StoredRows
from classifier.table.reader import Table
from classifier.table.schema import MISSING, UNKNOWN, Feature, NumberFeature, Rows, TextFeature

FEW = 100  # numbers of float32 between the lowest and the highest of a column
LOOKED_AT = 100_000  # rows of a column of which float32 may leave few numbers


def find_features(
    columns: Columns, rows: StoredRows, train: npt.NDArray[np.bool_]
) -> list[Feature]:
    """Return the features, their categories in order of first appearance in the training rows.

    Raises:
        UserError: no training row has a value of a feature, or float32 leaves few numbers of them.
    """
    lowest, highest = np.full((2, len(columns.table.numbers)), np.nan, np.float32)
    found = {name: np.empty(0, np.int32) for name in columns.texts}
    for block in rows.blocks():
        part = rows.features[block][train[block]]
        lowest = np.fmin(lowest, np.fmin.reduce(part.numbers, axis=0, initial=np.nan))
        highest = np.fmax(highest, np.fmax.reduce(part.numbers, axis=0, initial=np.nan))
        for (name, known), codes in zip(found.items(), part.codes.T, strict=True):
            found[name] = pd.unique(np.append(known, codes[codes != MISSING]))
        is_all = (len(codes) == len(rows.vocabularies[n].places) for n, codes in found.items())
        room = numbers_between(lowest, highest)
        if (room >= FEW).all() and all(is_all):
            break
    numbers = np.array(columns.table.numbers, object)
    require_told_apart(columns.table, numbers[room < FEW])
    empty = {*numbers[np.isnan(lowest)]}
    for name in columns.features:
        if name in empty or (name in found and not len(found[name])):
            place = f"{columns.table.path}: column {shown(name)}"
            raise UserError(f"{place}: has no value in a training row")
    return [feature_of(name, rows, found) for name in columns.features]


def numbers_between(
    lowest: npt.NDArray[np.float32], highest: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Return how many steps of float32, as wide as at the larger end, lead from one to the other.

    NaN where there is none.
    """
    with np.errstate(over="ignore"):  # there is none after the largest
        step = np.spacing(np.maximum(np.abs(lowest), np.abs(highest)))
    return (highest.astype(float) - lowest) / step


def require_told_apart(table: Table, narrow: Iterable[str]) -> None:
    """Raise `UserError` for a column of few float32 numbers that is of more in the table."""
    first: dict[tuple[str, np.float32], str] = {}
    places = {name: table.names.index(name) for name in narrow}
    for _, row in islice(table.rows() if places else (), LOOKED_AT):
        for name, at in places.items():
            if table.layout.is_missing_number(row[at]):
                continue
            one, other = first.setdefault((name, np.float32(row[at])), row[at]), row[at]
            if float(one) != float(other):
                raise UserError(
                    f"{table.path}: column {shown(name)}: float32 makes one number of "
                    f"{quoted(one)} and {quoted(other)}, and fewer than {FEW} of all its values; "
                    "subtract what they share, or take another unit"
                )


def feature_of(name: str, rows: StoredRows, found: dict[str, npt.NDArray[np.int32]]) -> Feature:
    """Return a number, or a text with the categories whose codes were found."""
    if name not in found:
        return NumberFeature(name=name)
    values = list(rows.vocabularies[name].places)
    return TextFeature(name=name, categories=[values[code] for code in found[name]])


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
