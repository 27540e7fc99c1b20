"""Which columns the network is to read, which of them hold numbers, and which is the label."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from classifier.base.errors import UserError, did_you_mean, listed, quoted, shown
from classifier.params import Column, Prepare
from classifier.table.cells import Layout, are_positions, counted, is_meant_as_number
from classifier.table.csv_text import first_row, rows_below_header
from classifier.table.notation import PLAIN, Amounts, Dates, Notation, unit_of
from classifier.table.opening import SAMPLE_ROWS, required_columns
from classifier.table.reader import Table, wrong_width

PATTERN = re.compile("/.+/")
IS_HEADER = "is a header, set prepare.header: true"
ADVICE = (
    "; if it means no value, see prepare.na_values; if the column is text, prepare.text; "
    "if dates or numbers are written like this, prepare.dates or prepare.numbers"
)


@dataclass(frozen=True)
class Columns:
    """A table whose columns are told apart: the features, in their order, and the label.

    told: the features that the params say are text; group: the column whose values say which rows
    belong together, if any; time: that by which rows follow each other.
    """

    table: Table
    features: list[str]
    label: str
    told: set[str]
    group: str | None = None
    time: str | None = None

    @property
    def texts(self) -> list[str]:
        """The features that are text, in their order; the others are the table's numbers."""
        numbers = set(self.table.numbers)
        return [name for name in self.features if name not in numbers]


def choose_columns(path: Path, settings: Prepare) -> Columns:
    """Return the columns that the params name, numbers and text told apart.

    Raises:
        UserError: there is no table, or it does not have the columns that the params name.
    """
    layout = Layout(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        header=settings.header is True,
        na_values=[value.strip() for value in settings.na_values],
    )
    names = column_names(path, layout, settings.header)
    (label,) = find_columns(names, [settings.label], "prepare.label")
    if isinstance(settings.header, list) and first_row(path, layout)[names.index(label)] == label:
        raise UserError(f"{path}: row 1: {IS_HEADER}")
    group = splitting_column(names, settings.group, label, "prepare.group")
    time = splitting_column(names, settings.time, label, "prepare.time")
    features = feature_names(names, label, settings, [group, time])
    if group in features:
        raise UserError("prepare.features: includes the column in prepare.group")
    texts = set(find_columns(names, settings.text, "prepare.text"))
    if time in texts:
        raise UserError(
            "prepare.text: includes the column in prepare.time, whose values are numbers"
        )
    as_text = {label: "the label", group: "the column in prepare.group"}
    notations = told_notations(names, as_text, [*features, time], texts, settings)
    notations |= in_one_unit(path, layout, names, notations)
    if time:
        notations.setdefault(time, PLAIN)
    plain = {*numbers_among(path, layout, names, features)} - texts
    numbers = [name for name in features if name in plain or name in notations]
    others = [name for name in (label, group, time) if name is not None]
    required = required_columns(settings.missing, features, others)
    table = Table(path, layout, names, numbers, required, ADVICE, notations)
    return Columns(table, features, label, texts, group, time)


def splitting_column(names: list[str], wanted: Column | None, label: str, param: str) -> str | None:
    """Return the column, if any, by which rows are split; raise `UserError` if it cannot be."""
    if wanted is None:
        return None
    (name,) = find_columns(names, [wanted], param)
    if name == label:
        raise UserError(f"{param}: is the label")
    return name


def told_notations(
    names: list[str],
    as_text: Mapping[str | None, str],
    read: Sequence[str | None],
    texts: set[str],
    settings: Prepare,
) -> dict[str, Notation]:
    """Return how the numbers of columns are written where the params say so.

    as_text: what the columns are of which no number is read; read: those that are.

    Raises:
        UserError: there is no such feature, or the params say that it is something else too.
    """
    found: dict[str, Notation] = {}
    dates = {column: Dates.of(entry) for column, entry in settings.dates.items()}
    amounts = {column: Amounts(written) for column, written in settings.numbers.items()}
    for param, told in (("prepare.dates", dates), ("prepare.numbers", amounts)):
        for name, notation in zip(find_columns(names, [*told], param), told.values(), strict=True):
            if name in as_text:
                raise UserError(f"{param}: includes {as_text[name]}")
            if name in found or name in texts:
                raise UserError(f"{param}: {shown(name)} is declared twice")
            found[name] = notation
    return {name: notation for name, notation in found.items() if name in read}


def in_one_unit(
    path: Path, layout: Layout, names: list[str], notations: dict[str, Notation]
) -> dict[str, Notation]:
    """Return how amounts are written, each in the first unit that its column has."""
    amounts = {name: one for name, one in notations.items() if isinstance(one, Amounts)}
    rows = [row for _, row in islice(rows_below_header(path, layout), SAMPLE_ROWS * bool(amounts))]
    cells = {
        name: [cell for row in rows for cell in row[at : at + 1] if not layout.is_missing(cell)]
        for name in amounts
        for at in [names.index(name)]
    }
    return {name: replace(one, unit=unit_of(cells[name])) for name, one in amounts.items()}


def column_names(path: Path, layout: Layout, header: bool | list[str]) -> list[str]:
    """Return the names of the columns: as given, from the first row, or else their positions."""
    row = first_row(path, layout)
    names = header if isinstance(header, list) else row if header else [""] * len(row)
    if len(names) != len(row):
        found = counted(len(row), "column")
        raise UserError(f"{path}: row 1: has {found}, prepare.header names {len(names)}")
    if isinstance(header, list) and (same_names(row, header) or are_positions(row)):
        raise UserError(f"{path}: row 1: {IS_HEADER}")
    named = [name or str(position) for position, name in enumerate(names)]
    for name, uses in Counter(named).items():
        if uses > 1:
            raise UserError(f"{path}: row 1: {uses} columns have the name {quoted(name)}")
    return named


def same_names(some: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether they are the same but for their order, case and white space around them."""
    first, second = (sorted(name.strip().casefold() for name in side) for side in (some, others))
    return first == second


def find_columns(names: list[str], wanted: Sequence[Column], param: str) -> list[str]:
    """Return the names of columns given by name or position.

    Raises:
        UserError: there is no such column, or a position is also the name of another column.
    """
    known: dict[Column, str] = {name: name for name in names}
    known |= {position: names[position] for position in range(-len(names), len(names))}
    numbers = {number for name in names if (number := number_read(name)) is not None}
    for column in wanted:
        if column not in known:
            hint = did_you_mean(str(column), names)
            hint = "; is prepare.delimiter right?" if len(names) == 1 else hint
            raise UserError(f"{param}: no column {quoted(column)} among {listed(names)}{hint}")
        if column in numbers and number_read(known[column]) != column:
            raise UserError(
                f"{param}: {column} is the position of {shown(known[column])}, but also the "
                "name of another column; to mean the name, put it in quotes"
            )
    return [known[column] for column in wanted]


def number_read(name: str) -> int | None:
    """Return the whole number that YAML makes of a name such as 7, 007, 7_ or 0x7, or None."""
    for base in (10, 0):
        with suppress(ValueError):
            return int(name.replace("_", ""), base)
    return None


def feature_names(
    names: list[str], label: str, settings: Prepare, splitting: Sequence[str | None]
) -> list[str]:
    if settings.features is None:
        features = [name for name in names if name != label and name not in splitting]
    else:
        features = find_columns(names, settings.features, "prepare.features")
    if label in features or len(set(features)) < len(features):
        raise UserError("prepare.features: includes the label, or a column twice")
    excluded = {*excluded_names(names, settings.exclude)}
    if label in excluded:
        raise UserError("prepare.exclude: includes the label")
    features = [name for name in features if name not in excluded]
    if not features:
        but = " and those in prepare.exclude" if excluded else ""
        raise UserError(
            f"prepare.features: there are no columns besides the label {shown(label)}{but}"
        )
    return features


def excluded_names(names: list[str], wanted: Sequence[Column]) -> Iterator[str]:
    """Yield the columns given by name, position or /regular expression/.

    Raises:
        UserError: there is no such column, or what is given means nothing.
    """
    for column in wanted:
        if isinstance(column, int) or column in names or not PATTERN.fullmatch(column):
            yield from find_columns(names, [column], "prepare.exclude")
            continue
        try:
            matching = [name for name in names if re.search(column[1:-1], name)]
        except re.error as error:
            raise UserError(f"prepare.exclude: {quoted(column)}: {error}") from error
        if not matching:
            raise UserError(f"prepare.exclude: {quoted(column)} matches none of {listed(names)}")
        yield from matching


def numbers_among(path: Path, layout: Layout, names: list[str], features: list[str]) -> list[str]:
    """Return the features that hold numbers: most of the values sampled are some.

    Raises:
        UserError: there are no rows, or a column has no value at all.
    """
    values, numbers = sampled_values(path, layout, names, features)
    if empty := [name for name in features if not values[name]]:
        which, it = (f"column {shown(empty[0])}: has", "it")
        if len(empty) > 1:
            which, it = f"columns {listed(empty)}: have", "them"
        raise UserError(f"{path}: {which} no values; prepare.exclude leaves {it} out")
    return [name for name in features if numbers[name] >= values[name] / 2]


def sampled_values(
    path: Path, layout: Layout, names: list[str], features: list[str]
) -> tuple[Counter[str], Counter[str]]:
    """Return how many values each feature has in the first rows, and how many of them are numbers.

    Further rows are read only for a column that has no value in these, up to its first one.
    """
    places = {name: place for place, name in enumerate(names)}
    left = {name: places[name] for name in features}
    values, numbers, read = Counter[str](), Counter[str](), 0
    for read, (line, row) in enumerate(rows_below_header(path, layout), 1):
        if wrong := wrong_width(row, names):
            raise UserError(f"{path}: row {line}: {wrong}")
        for name in [name for name, at in left.items() if not layout.is_missing(row[at])]:
            values[name] += 1
            numbers[name] += is_meant_as_number(row[left[name]])
        if read >= SAMPLE_ROWS:
            left = {name: at for name, at in left.items() if not values[name]}
        if not left:
            break
    if not read:
        raise UserError(f"{path}: has no rows")
    return values, numbers
