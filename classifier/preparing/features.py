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

LOOKED_AT = 100_000  # rows of a column that float32 makes constant


def find_features(
    columns: Columns, rows: StoredRows, train: npt.NDArray[np.bool_]
) -> list[Feature]:
    """Return the features, their categories in order of first appearance in the training rows.

    Raises:
        UserError: no training row has a value of a feature, or float32 makes one number of them.
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
        if (lowest < highest).all() and all(is_all):
            break
    numbers = np.array(columns.table.numbers, object)
    require_told_apart(columns.table, numbers[lowest == highest])
    empty = {*numbers[np.isnan(lowest)]}
    for name in columns.features:
        if name in empty or (name in found and not len(found[name])):
            place = f"{columns.table.path}: column {shown(name)}"
            raise UserError(f"{place}: has no value in a training row")
    return [feature_of(name, rows, found) for name in columns.features]


def require_told_apart(table: Table, constant: Iterable[str]) -> None:
    """Raise `UserError` for a column that is constant in float32 and not in the table."""
    first: dict[str, str] = {}
    places = {name: table.names.index(name) for name in constant}
    for _, row in islice(table.rows() if places else (), LOOKED_AT):
        for name, at in places.items():
            if table.layout.is_missing_number(row[at]):
                continue
            one, other = first.setdefault(name, row[at]), row[at]
            before, now = float(one), float(other)
            if before != now and np.float32(before) == np.float32(now):
                raise UserError(
                    f"{table.path}: column {shown(name)}: float32 makes one number of all its "
                    f"values, {quoted(one)} and {quoted(other)} too; subtract what they share"
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
