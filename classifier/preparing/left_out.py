"""Columns that are left out, but may say which rows belong together.

A column that tells the class of its rows is best left out if it is known only later. If it names
what rows are of, as patients, the other columns may tell that too: a model that knows other rows
of a patient knows the class. Only the first rows are looked at, so that time has a bound.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from classifier.preparing.columns import Columns

LOOKED_AT = 10_000  # rows whose text is read
ALMOST_ALL = 0.99  # of the rows
OTHERS = 10  # rows that are not of the most frequent class
LEFT = 0.1  # of what the most frequent class does not tell


def grouping_columns(columns: Columns) -> Iterator[str]:
    """Yield the columns left out of which rows with the same value almost all have one class."""
    table = columns.table
    used = {*columns.features, columns.label}
    left_out = [at for at, name in enumerate(table.names) if name not in used]
    if columns.group or columns.time or not left_out:
        return
    rows = [row for _, row in islice(table.rows(), min(LOOKED_AT, table.rows_to_explain))]
    classes = [row[table.names.index(columns.label)].strip() for row in rows]
    for at in left_out:
        if tells_classes([row[at].strip() for row in rows], classes):
            yield table.names[at]


def tells_classes(values: Sequence[str], classes: Sequence[str]) -> bool:
    """Return whether values repeat, are more than there are classes, and each is of one class."""
    known = [pair for pair in zip(values, classes, strict=True) if pair[0]]
    rows = Counter(value for value, _ in known)
    if not len({*classes}) < len(rows) <= len(known) / 2:
        return False
    most: dict[str, int] = {}
    for (value, _), count in Counter(known).items():
        most[value] = max(count, most.get(value, 0))
    repeated = [value for value, count in rows.items() if count > 1]
    total = sum(rows[value] for value in repeated)
    told = sum(most[value] for value in repeated) / total
    others = 1 - max(Counter(found for value, found in known).values()) / len(known)
    return others * total >= OTHERS and 1 - told <= min(1 - ALMOST_ALL, LEFT * others)
