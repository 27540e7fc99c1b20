"""Columns that may name what rows are of, such as patients: then rows belong together.

A model that knows other rows of a patient knows more than it will know of anyone new. Such a column
tells itself by values that repeat, of which each has rows of one class only, or rows that are much
alike. Some rows of each part of a table are looked at, so that time has a bound.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.preparing.columns import Columns
from classifier.preparing.storing import StoredRows

NAMES = 10  # values or fewer are kinds of rows, not names
NUMBERS = 20  # columns in which rows may be alike
# Of whole numbers, as 907774.0 and 907,774 are, each may be a name.
FRACTION = re.compile(r"[-+]?\d*(\.|,(?!\d{3}$))\d*[1-9]\d*")
ALMOST_ALL = 0.99  # of the rows
OTHERS = 10  # rows that are not of the most frequent class
LEFT = 0.1  # of what the most frequent class does not tell
ALIKE = 0.8  # of the variance that is between values, not within them


def belonging_columns(columns: Columns, rows: StoredRows) -> Iterator[tuple[str, str]]:
    """Yield the columns that may say which rows belong together, each with what is odd about it.

    With `prepare.group`, groups take the place of rows: visits may be of one patient. Without it
    and `prepare.time`, that an input tells the class is said by findings.
    """
    table, cells = columns.table, rows.some.cells
    firsts = [*range(len(rows.some.numbers))]
    if columns.group:
        firsts = [*{cells[columns.group][at]: at for at in reversed(firsts)}.values()]
    classes = [cells[columns.label][at] for at in firsts]
    numbers = rows.features.numbers[[rows.some.numbers[at] for at in firsts]]
    for name in cells:
        values = [cells[name][at] for at in firsts]
        if name in (columns.label, columns.time) or not are_names(values, len({*classes})):
            continue
        others = [place for place, other in enumerate(table.numbers) if other != name][:NUMBERS]
        is_input = name in columns.features
        is_unasked = columns.group or columns.time or not is_input
        if is_unasked and tell_classes(values, classes):
            left_out = "" if is_input else "is left out, but "
            yield name, f"{left_out}almost all rows with the same value have one class"
        elif are_alike(values, numbers[:, others]):
            yield name, "rows with the same value are much alike"


def are_names(values: Sequence[str], classes: int) -> bool:
    """Return whether most repeat, are more than kinds of rows would be, and have no fractions."""
    counts = Counter(filter(None, values))
    repeated = sum(count for count in counts.values() if count > 1)
    are_many = len(counts) > max(NAMES, classes) and 2 * repeated >= counts.total()
    return are_many and not any(map(FRACTION.fullmatch, counts))


def tell_classes(values: Sequence[str], classes: Sequence[str]) -> bool:
    """Return whether almost all rows with the same value have one class."""
    known = [pair for pair in zip(values, classes, strict=True) if pair[0]]
    rows = Counter(value for value, _ in known)
    most: dict[str, int] = {}
    for (value, _), count in Counter(known).items():
        most[value] = max(count, most.get(value, 0))
    repeated = [value for value, count in rows.items() if count > 1]
    total = sum(rows[value] for value in repeated)
    told = sum(most[value] for value in repeated) / total
    others = 1 - max(Counter(found for value, found in known).values()) / len(known)
    return others * total >= OTHERS and 1 - told <= min(1 - ALMOST_ALL, LEFT * others)


def are_alike(values: Sequence[str], numbers: npt.NDArray[np.float32]) -> bool:
    """Return whether rows with the same value are alike in most columns of numbers.

    That is by the share of variance between values, adjusted for their number: of n rows with k
    values, 1 - (within / (n - k)) / (all / (n - 1)), which is 0 on average where they tell nothing.

    numbers: (rows, columns); those with gaps, or with one number only, are not looked at.
    """
    columns = numbers[:, ~np.isnan(numbers).any(axis=0)].astype(float)
    columns = columns[:, np.ptp(columns, axis=0) > 0]
    if columns.shape[1] < 2:
        return False
    places, _ = pd.factorize(np.array(values, dtype=object))  # one of a cell may be long
    counts = np.bincount(places)
    sums = np.zeros((len(counts), columns.shape[1]))
    np.add.at(sums, places, columns)
    within = ((columns - (sums / counts[:, None])[places]) ** 2).sum(axis=0)
    between = 1 - within / (len(values) - len(counts)) / columns.var(axis=0, ddof=1)
    return bool(np.median(between) > ALIKE)
