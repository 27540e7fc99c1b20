"""A table that is new here: its shape, its columns, and the settings that fit it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tabulate import tabulate

from classifier.base.errors import UserError, quoted, shown
from classifier.commands.init.columns import Column, look_at, with_label, without_clash
from classifier.commands.init.recipe import cross_validation_for, recipe_for
from classifier.commands.init.shape import layout_of
from classifier.table.cells import Layout, counted
from classifier.table.csv_text import first_row, rows_below_header
from classifier.table.reader import wrong_width

CELLS = 5_000_000  # of the first rows that are looked at
MOST_CATEGORIES = 1_000  # as prepare.max_categories


@dataclass(frozen=True)
class Look:
    """What was seen of a table: how it is written, how many rows it has, what its columns hold.

    looked_at: the first rows, by which the columns are judged.
    """

    layout: Layout
    rows: int
    looked_at: int
    columns: list[Column]

    def of_kind(self, *kinds: str) -> list[Column]:
        return [column for column in self.columns if column.meaning.kind in kinds]

    def key(self, column: Column) -> str | int:
        """Return what params call a column: its name, or its position where there are no names."""
        return column.name if self.layout.header else self.columns.index(column)

    @property
    def features(self) -> list[Column]:
        return self.of_kind("number", "date", "amount", "category", "digits")

    @property
    def inputs(self) -> int:
        texts = self.of_kind("category", "digits")
        return len(self.features) - len(texts) + sum(len(text.values) for text in texts)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the params that follow, by section."""
        (label,) = self.of_kind("label")
        words = {word: None for column in self.features for word in column.words}
        prepare = {
            "delimiter": self.layout.delimiter,
            "encoding": self.layout.encoding,
            "header": self.layout.header,
            "label": self.key(label),
            "features": None,
            "exclude": [self.key(column) for column in self.of_kind("left out")],
            "text": [self.key(column) for column in self.of_kind("digits")],
            "dates": {self.key(each): each.meaning.written for each in self.of_kind("date")},
            "numbers": {self.key(each): each.meaning.written for each in self.of_kind("amount")},
            "group": None,
            "time": None,
            "na_values": [*self.layout.na_values, *words],
            "missing": "impute" if any(column.gaps for column in self.features) else "error",
            "unknown": "ignore",
            "max_categories": MOST_CATEGORIES,
            "test_size": 0.0,
        }
        train = recipe_for(self.rows, self.inputs)
        crossval = cross_validation_for(self.rows, self.inputs)
        return {"prepare": prepare, "crossval": crossval, "train": train}

    def lines(self) -> Iterator[str]:
        """Yield what was seen, the columns first."""
        table = [
            [shown(each.name), each.meaning.kind, each.meaning.why + gaps(each)]
            for each in self.columns
        ]
        if self.looked_at < self.rows:
            yield f"the first {self.looked_at:,} rows, by which the columns are judged:"
        yield tabulate(table, tablefmt="plain", disable_numparse=True)
        layout, (label,) = self.layout, self.of_kind("label")
        header = "a header" if layout.header else "no header"
        yield (
            f"{self.rows:,} rows, {header}, {layout.encoding}, {layout.delimiter!r} between cells: "
            f"{shown(label.name)} from {counted(len(self.features), 'column')}, "
            f"{counted(self.inputs, 'input')}"
        )


def gaps(column: Column) -> str:
    words = [*(mark for mark in column.marks if mark), *column.words]
    such = f", such as {', '.join(words)}" * bool(words)
    return f"; {column.gaps:,} without a value{such}" * bool(column.gaps)


def look_at_table(path: Path, label: str | None, layout: Layout | None = None) -> Look:
    """Return what is seen of a table; layout: how it is written, where that is known.

    Raises:
        UserError: it is none, it has no column to predict, or none to predict it from.
    """
    layout = layout or layout_of(path)
    first = first_row(path, layout)
    names = [(name * layout.header) or str(at) for at, name in enumerate(first)]
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path}: row 1: more than one column has the name {quoted(twice)}")
    cells: list[list[str]] = []
    rows = rows_below_header(path, layout)
    for line, row in islice(rows, max(1, CELLS // len(names))):
        if wrong := wrong_width(row, names):
            raise UserError(f"{path}: row {line}: {wrong}")
        cells.append(row)
    columns = [
        look_at(name, column, layout, MOST_CATEGORIES)
        for name, column in zip(names, zip(*cells, strict=True), strict=True)
    ]
    count = len(cells) + sum(1 for _ in rows)
    columns = with_label(columns, label, len(cells))
    found = Look(layout, count, len(cells), [without_clash(column, columns) for column in columns])
    (chosen,) = found.of_kind("label")
    if chosen.gaps:
        raise UserError(
            f"{path}: column {shown(chosen.name)}, the label, has no value in {chosen.gaps:,} "
            "rows; remove those, or name another column with --label"
        )
    if not found.features:
        raise UserError(f"{path}: there is nothing to predict {shown(chosen.name)} from")
    return found
