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

FEW = 100  # distinct numbers, and steps of float32 from one to the next
LOOKED_AT = 100_000  # rows that show what float32 and the text make of a column's numbers


def find_features(
    columns: Columns, rows: StoredRows, train: npt.NDArray[np.bool_]
) -> list[Feature]:
    """Return the features, their categories in order of first appearance in the training rows.

    Raises:
        UserError: no training row has a value of a feature, or float32 leaves few numbers of them.
    """
    require_told_apart(columns.table, numbers_close_together(columns, rows))
    has_number = np.zeros(len(columns.table.numbers), bool)
    found = {name: np.empty(0, np.int32) for name in columns.texts}
    for block in rows.blocks():
        part = rows.features[block][train[block]]
        has_number |= ~np.isnan(part.numbers).all(axis=0)
        for (name, known), codes in zip(found.items(), part.codes.T, strict=True):
            found[name] = pd.unique(np.append(known, codes[codes != MISSING]))
        is_all = (len(codes) == len(rows.vocabularies[n].places) for n, codes in found.items())
        if has_number.all() and all(is_all):
            break
    empty = {*np.array(columns.table.numbers, object)[~has_number]}
    for name in columns.features:
        if name in empty or (name in found and not len(found[name])):
            place = f"{columns.table.path}: column {shown(name)}"
            raise UserError(f"{place}: has no value in a training row")
    return [feature_of(name, rows, found) for name in columns.features]


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
    first: dict[tuple[str, np.float32], str] = {}
    places = {name: table.names.index(name) for name in names}
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
