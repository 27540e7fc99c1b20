"""Columns of numbers that may only identify the row: in a sorted table that tells the class.

Only the first block of rows is looked at, so that the time and memory have a bound.
"""

import warnings
from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.preparing.storing import StoredRows
from classifier.table.notation import Dates
from classifier.table.reader import Table

LOOKED_AT = 10_000  # rows whose text is read
MERGED = 2.0**24  # from here on, float32 takes some whole numbers for one
LARGEST = np.finfo(np.float32).max / 2  # beyond it, NumPy warns when asked for the step
DENSE = 2  # steps of float32 between numbers, some of which it then takes for one
ORDERS = GROWS, FALLS = "grows from row to row", "falls from row to row"
ALMOST_ALL, SOME, HARDLY_ANY = 0.99, 0.25, 0.01  # of the rows
MANY = 10  # rows from which on it is no accident that numbers grow
FIRST = 100  # values that show whether a column has times
CHANCE = 20  # pairs of rows that would share a number if it were drawn by chance
LESS = 0.1  # of the pairs that would by chance


def numbering_columns(table: Table, rows: StoredRows) -> dict[str, str]:
    """Return the columns of numbers that may number the rows, and in which way."""
    numbers = rows.features.numbers[next(rows.blocks())]
    are_large = ((numbers >= MERGED) | (numbers <= -MERGED)).any(axis=0)
    are_dense = np.array([is_dense(column) for column in numbers[:LOOKED_AT].T], bool)
    merged = np.flatnonzero(np.logical_or(are_large, are_dense)).tolist()
    exact = dict(zip(merged, read_exactly(table, merged), strict=True))
    ways, sample = {}, rows.sample(LOOKED_AT)
    for at, name in enumerate(table.numbers):
        column = exact[at] if at in exact else numbers[:, at].astype(np.float64)
        way = way_of_numbering(column) or way_of_growing(column[:LOOKED_AT])
        if not way and isinstance(table.notation(name), Dates):
            way = way_of_growing(sample[:, at].astype(float), are_times=True)
        if way:
            ways[name] = way
    return ways


def is_dense(column: npt.NDArray[np.float32]) -> bool:
    """Return whether most numbers are next to each other as float32 goes."""
    distinct = np.unique(column[np.isfinite(column)])
    sizes = np.minimum(np.abs(distinct), LARGEST)
    steps = np.diff(distinct.astype(float)) / np.spacing(sizes)[1:]
    return len(steps) > 0 and bool(np.median(steps) < DENSE)


def read_exactly(table: Table, places: Sequence[int]) -> list[npt.NDArray[np.float64]]:
    """Return the first numbers of these columns of numbers as the text has them, NaN for gaps."""
    at = [table.names.index(table.numbers[place]) for place in places]
    rows = [[row[each] for each in at] for _, row in islice(table.rows() if at else (), LOOKED_AT)]
    notations = [table.notation(table.numbers[place]) for place in places]
    return [
        np.array([notation.value(cell, table.layout) for cell in cells], np.float64)
        for notation, cells in zip(notations, zip(*rows, strict=True), strict=True)
    ]


def way_of_numbering(column: npt.NDArray[np.float64]) -> str:
    """Return in which way a column may number the rows, empty where it does not."""
    numbers = column[~np.isnan(column)]
    steps = np.diff(numbers)
    if len(steps) < 2 or (numbers % 1).any():
        return ""
    if (steps == 1).mean() >= ALMOST_ALL:
        return "counts the rows"
    if len(numbers) < MANY:
        return ""
    is_unique = "almost every number is unique" if hardly_repeats(numbers) else ""
    return way_of_growing(column) or is_unique


def way_of_growing(column: npt.NDArray[np.float64], are_times: bool = False) -> str:
    """Return whether a column grows or falls from row to row, empty where it does neither.

    are_times: then any number of rows may share one, as many are of one day.
    """
    steps = np.diff(column[~np.isnan(column)])
    steps = steps[steps != 0] if are_times else steps
    if len(steps) < MANY - 1:
        return ""
    grows, falls = float((steps > 0).mean()), float((steps < 0).mean())
    if min(grows, falls) > HARDLY_ANY or max(grows, falls) < SOME:
        return ""
    return GROWS if grows > falls else FALLS


def way_of_following(values: Sequence[str]) -> str:
    """Return whether numbers or times, as text, grow or fall from row to row; not if they count."""
    if len(values) < MANY:
        return ""
    try:
        numbers = np.array([float(value or "nan") for value in values])
    except ValueError:
        are_times = np.isnan(times_of(values[:FIRST])).mean() <= SOME
        return way_of_growing(times_of(values), are_times=True) if are_times else ""
    numbers[~np.isfinite(numbers)] = np.nan
    steps = np.abs(np.diff(numbers))
    return "" if (steps == 1).mean() > SOME else way_of_growing(numbers)


def times_of(values: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the milliseconds since 1970 that texts mean, as pandas reads them, NaN of none.

    Digits alone are no time.
    """
    texts = pd.Series([None if value.isdigit() else value for value in values], dtype=object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where formats differ
        times = pd.to_datetime(texts, errors="coerce", utc=True).dt.as_unit("ms")
    return np.where(times.isna(), np.nan, times.astype("int64"))


def hardly_repeats(numbers: npt.NDArray[np.float64]) -> bool:
    """Return whether fewer whole numbers repeat than would if they were drawn by chance.

    So it is with an index that was shuffled, or of which rows were drawn.
    """
    by_chance = len(numbers) ** 2 / 2 / (np.ptp(numbers) + 1)
    repeats = len(numbers) - len(np.unique(numbers))
    few = min(HARDLY_ANY * len(numbers), LESS * by_chance)
    return bool(by_chance > CHANCE and repeats <= few)
