"""What is odd about a table but may be meant: a line says so, and it is prepared all the same."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from classifier.base.errors import quoted, shown
from classifier.preparing.columns import Columns
from classifier.preparing.storing import StoredRows
from classifier.table.cells import are_positions, is_number
from classifier.table.csv_text import first_row
from classifier.table.schema import MISSING


def say_what_is_odd(columns: Columns, rows: StoredRows) -> None:
    """Say on standard error what in a table is seldom meant."""
    for line in (
        *odd_header(columns, rows),
        *odd_encoding(columns, rows),
        *odd_values(rows),
        *odd_features(columns, rows),
    ):
        print(f"{columns.table.path}: {line}", file=sys.stderr)


def odd_header(columns: Columns, rows: StoredRows) -> Iterator[str]:
    """Yield whether the first row may be a header that is read as a row, or the reverse."""
    table, is_header = columns.table, "if it is a header, set prepare.header: true"
    if table.layout.header:
        if table.numbers and all(map(is_number, table.numbers)) and not are_positions(table.names):
            yield (
                f"row 1: names columns of numbers by numbers, such as {table.numbers[0]}; "
                "if it is a row, set prepare.header: false"
            )
    elif are_positions(first_row(table.path, table.layout)):
        yield f"row 1: counts the columns; {is_header}"
    elif table.numbers or rows.labels[0] == MISSING:
        return
    elif np.count_nonzero(rows.labels == rows.labels[0]) == 1:
        name = shown(next(iter(rows.vocabularies[columns.label].places)))
        yield f"row 1: its class, {name}, has no other row; {is_header}"


def odd_encoding(columns: Columns, rows: StoredRows) -> Iterator[str]:
    """Yield whether the text looks as UTF-8 does that is read as something else: Ã¶ for ö."""
    encoding = columns.table.layout.encoding
    for value in (value for each in rows.vocabularies.values() for value in each.places):
        with suppress(UnicodeError):
            if not value.isascii() and value.encode(encoding).decode() != value:
                meant = quoted(value.encode(encoding).decode())
                yield f"{quoted(value)} may stand for {meant}; is prepare.encoding utf-8?"
                return


def odd_values(rows: StoredRows) -> Iterator[str]:
    """Yield the columns of which people would take two values for one, the label among them."""
    for column, vocabulary in rows.vocabularies.items():
        first: dict[str, str] = {}
        pairs = [(first.setdefault(as_read(value), value), value) for value in vocabulary.places]
        same = [pair for pair in pairs if pair[0] != pair[1]]
        if same:
            more = f", and so are {len(same) - 1} more" if len(same) > 1 else ""
            pair = " and ".join(told_apart(*same[0]))
            yield f"column {shown(column)}: {pair} are two values of it{more}"


def told_apart(one: str, other: str) -> list[str]:
    """Return the two in quotes, by the numbers of their characters where they look the same."""
    look_the_same = normalize("NFC", one) == normalize("NFC", other)
    return [ascii(each) if look_the_same else quoted(each) for each in (one, other)]


def as_read(value: str) -> str:
    """Return what people read: the number, or the letters without case, width, space and marks."""
    if is_number(value):
        return str(float(value))
    folded = normalize("NFKC", normalize("NFKC", value).casefold())
    return "".join(c for c in folded if c.isprintable() and not c.isspace())


def odd_features(columns: Columns, rows: StoredRows) -> Iterator[str]:
    """Yield the features that may number the rows: in a sorted table they tell the class."""
    counting = {columns.table.numbers[place] for place in counting_columns(rows)}
    names, texts = columns.table.names, {*columns.texts}
    has_names = columns.table.layout.header and not are_positions(names)
    unnamed = {str(at) for at, name in enumerate(names) if has_names and name == str(at)}
    for name in columns.features:
        if name in counting:
            why = "counts the rows"
        elif name in texts and len(rows.vocabularies[name].places) == len(rows.labels):
            why = "has another value in each row"
        elif name in unnamed:
            why = "has no name"
        else:
            continue
        yield (
            f"column {shown(name)}: {why}; if it is no more than a row's number or name, "
            "leave it out of prepare.features"
        )


def counting_columns(rows: StoredRows) -> npt.NDArray[np.intp]:
    """Return the places of the columns of numbers that grow by 1 from row to row."""
    first = rows.features.numbers[:1].astype(float)
    left = np.arange(first.shape[1])
    for block in rows.blocks():
        numbers = rows.features.numbers[block][:, left]
        counted = first[:, left] + np.arange(block.start, block.start + len(numbers))[:, None]
        left = left[(numbers == counted.astype(np.float32)).all(axis=0)]
        if not len(left):
            break
    return left
