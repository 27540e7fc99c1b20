"""Which of a table's columns are read, and how: in new rows as in those that were learned from."""

import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from classifier.base.errors import UserError, listed, quoted, shown
from classifier.table.cells import are_positions, counted, unknown_value
from classifier.table.csv_text import first_row, rows_below_header
from classifier.table.notation import PLAIN
from classifier.table.reader import Chunk, Table
from classifier.table.schema import MISSING, UNKNOWN, Rows, Schema

SAMPLE_ROWS = 1_000  # that show what a column holds


def required_columns(missing: str, features: list[str], others: list[str]) -> list[str]:
    """Return which columns may have no gaps, by `prepare.missing`.

    others: the label, and what says how rows are split; nothing fills their gaps.
    """
    return {"error": [*features, *others], "drop": [], "impute": others}[missing]


def open_new_rows(path: Path, schema: Schema, needs_label: bool) -> Table:
    """Return a table of new rows, to be read as the one was from which the schema was learned.

    With a header, its columns may be in any order, and others may stand between them. Without one,
    they are all of the known columns, or just the features, in the known order.

    Raises:
        UserError: there is no such file, or its columns are not the known ones.
    """
    names, has_header = match_columns(path, schema, needs_label)
    features = [feature.name for feature in schema.features]
    required = required_columns(schema.missing, features, [schema.label])
    if not needs_label:  # each row is to be answered, so none may drop out
        required = [] if schema.missing == "impute" else features
    return Table(
        path=path,
        layout=schema.layout.model_copy(update={"header": has_header}),
        names=names,
        numbers=[feature.name for feature in schema.numbers],
        required=required,
        notations={one.name: one.notation for one in schema.numbers if one.notation is not PLAIN},
    )


def match_columns(path: Path, schema: Schema, needs_label: bool) -> tuple[list[str], bool]:
    """Return the names of the file's columns, and whether its first row is a header.

    Raises:
        UserError: there is no such file, or its columns are not the known ones.
    """
    layout, features = schema.layout, [feature.name for feature in schema.features]
    needed = dict.fromkeys([*features, schema.label] if needs_label else features)
    row = first_row(path, layout)
    # What has no name is named by its position, as prepare does, where it is needed.
    names = [name or str(at) * (str(at) in needed) for at, name in enumerate(row)]
    # Without a header columns are named by their positions, and any row may hold those.
    is_positional = are_positions(schema.columns) and not layout.header
    absent = [name for name in needed if name not in names]
    if not absent and not is_positional:
        if twice := [name for name in needed if names.count(name) > 1]:
            raise UserError(f"{path}: row 1: more than one column has the name {quoted(twice[0])}")
        return names, True
    known = {len(schema.columns): schema.columns}
    if not needs_label:
        known.setdefault(len(features), features)
    columns = [] if layout.header else known.get(len(row), [])
    if are_positions(row) and not is_positional:
        raise UserError(f"{path}: row 1: found positions, expected {listed(absent)}")
    positions = {str(at) for at in range(len(schema.columns))}
    in_any_order = len(row) > 2 and len({*row} & positions) == len(row)  # as pandas may write them
    if columns and (in_any_order or are_positions(row)):
        print(f"{path}: row 1: read as a row; if it is a header, remove it", file=sys.stderr)
    elif not is_positional and names_columns(row, needed) and not has_numbers(row, columns, schema):
        raise UserError(f"{path}: row 1: has no column {quoted(absent[0])}")
    if not columns:
        found = "no header" if layout.header else counted(len(row), "column")
        hint = f"; is {layout.delimiter!r} its delimiter?" if len(row) == 1 else ""
        counts = " or ".join(map(str, sorted(known)))
        expected = counts if is_positional else listed(absent)
        raise UserError(f"{path}: row 1: found {found}, expected {expected}{hint}")
    if not needs_label and schema.label in columns:
        require_known_classes(path, schema)
    return columns, False


def names_columns(row: Iterable[str], needed: Iterable[str]) -> bool:
    """Return whether a cell is the name of a column, but for its case."""
    return not {name.casefold() for name in row}.isdisjoint(name.casefold() for name in needed)


def has_numbers(row: list[str], columns: list[str], schema: Schema) -> bool:
    """Return whether a row has a number in one of the columns of numbers, as no header has."""
    notations = {feature.name: feature.notation for feature in schema.numbers}
    return any(
        name in notations and notations[name].number(cell) is not None
        for name, cell in zip(columns, row, strict=False)
    )


def require_known_classes(path: Path, schema: Schema) -> None:
    """Raise `UserError` unless the first rows have a known class, or none, where the label is.

    If not, the label is missing and some other column is in front: all cells are one place off.
    """
    place, layout = schema.columns.index(schema.label), schema.layout
    rows = list(islice(rows_below_header(path, layout), SAMPLE_ROWS))
    first = [row[0].strip() for _, row in rows]
    if len(rows) > 1 and any(first == [str(at + n) for n in range(len(rows))] for at in (0, 1)):
        print(f"{path}: column 1 counts the rows; if it is an index, leave it out", file=sys.stderr)
    for line, row in rows:
        for cell in map(str.strip, row[place : place + 1]):
            if cell not in schema.classes and not layout.is_missing(cell):
                found = unknown_value(cell, schema.classes)
                raise UserError(f"{path}: row {line}: column {shown(schema.label)}: {found}")


def read_features(table: Table, chunk: Chunk, schema: Schema) -> Rows:
    """Return the features of a chunk of a table of new rows.

    Raises:
        UserError: a value is missing that is required, or a category is unknown that must not be.
    """
    codes = np.empty((len(chunk), len(schema.texts)), np.int32)
    required = set(table.required)
    for place, (text, vocabulary) in enumerate(zip(schema.texts, schema.vocabularies, strict=True)):
        codes[:, place] = vocabulary.codes(chunk.texts[text.name])
        if text.name in required and (codes[:, place] == MISSING).any():
            table.explain()
        if schema.unknown == "error":
            table.refuse_unknown(chunk, text.name, codes[:, place] == UNKNOWN, text.categories)
    return Rows(chunk.numbers, codes)
