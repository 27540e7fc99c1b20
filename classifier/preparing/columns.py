"""Which columns the network is to read, which of them hold numbers, and which is the label."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from classifier.base.errors import UserError, listed, quoted, shown
from classifier.params import Column, Prepare
from classifier.table.csv_text import first_row, rows_below_header
from classifier.table.layout import Layout, counted, is_meant_as_number
from classifier.table.opening import required_columns
from classifier.table.reader import Table, check_width

SAMPLE_ROWS = 1_000  # that show which columns hold numbers
ADVICE = "; if it stands for no value, see prepare.na_values; if the column is text, prepare.text"


@dataclass(frozen=True)
class Columns:
    """A table whose columns are told apart: the features, in their order, and the label."""

    table: Table
    features: list[str]
    label: str

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
    features = feature_names(names, label, settings)
    texts = set(find_columns(names, settings.text, "prepare.text"))
    others = [name for name in features if name not in texts]
    numbers = numbers_among(path, layout, names, others)
    required = required_columns(settings.missing, features, label)
    return Columns(Table(path, layout, names, numbers, required, ADVICE), features, label)


def column_names(path: Path, layout: Layout, header: bool | list[str]) -> list[str]:
    """Return the names of the columns: as given, from the first row, or else their positions."""
    row = first_row(path, layout)
    names = header if isinstance(header, list) else row if header else [""] * len(row)
    if len(names) != len(row):
        found = counted(len(row), "column")
        raise UserError(f"{path}: row 1: has {found}, prepare.header names {len(names)}")
    if isinstance(header, list) and same_names(row, header):
        raise UserError(f"{path}: row 1: is a header, set prepare.header: true")
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
        UserError: there is no such column.
    """
    known: dict[Column, str] = {name: name for name in names}
    known |= {position: names[position] for position in range(-len(names), len(names))}
    for column in wanted:
        if column not in known:
            hint = "; is prepare.delimiter right?" if len(names) == 1 else ""
            raise UserError(f"{param}: no column {quoted(column)} among {listed(names)}{hint}")
    return [known[column] for column in wanted]


def feature_names(names: list[str], label: str, settings: Prepare) -> list[str]:
    if settings.features is None:
        features = [name for name in names if name != label]
    else:
        features = find_columns(names, settings.features, "prepare.features")
    if label in features or len(set(features)) < len(features):
        raise UserError("prepare.features: has the label, or a column twice")
    if not features:
        raise UserError(f"prepare.features: there is no column besides the label {shown(label)}")
    return features


@dataclass
class Sample:
    """What the first values of a column are."""

    values: int = 0
    numbers: int = 0
    different: set[str] = field(default_factory=set)  # two numbers at most
    words: set[str] = field(default_factory=set)  # two at most of what is no number

    def add(self, value: str) -> None:
        is_one = is_meant_as_number(value)
        self.values += 1
        self.numbers += is_one
        seen = self.different if is_one else self.words
        if len(seen) < 2:
            seen.add(value.strip())

    @property
    def holds_numbers(self) -> bool:
        return self.numbers >= self.values / 2

    @property
    def gap(self) -> str | None:
        """The one word between different numbers, which may well stand for no value."""
        is_alone = len(self.words) == 1 and len(self.different) > 1
        return next(iter(self.words)) if is_alone and not self.holds_numbers else None


def numbers_among(path: Path, layout: Layout, names: list[str], features: list[str]) -> list[str]:
    """Return the features that hold numbers: most of the values sampled are some.

    Raises:
        UserError: there are no rows, a column has no value at all, or may have but numbers.
    """
    samples = sampled(path, layout, names, features)
    for name, sample in samples.items():
        place = f"{path}: column {shown(name)}"
        if not sample.values:
            raise UserError(f"{place}: has no values")
        if sample.gap is not None:
            raise UserError(
                f"{place}: is numbers but for {quoted(sample.gap)}, which most rows have{ADVICE}"
            )
    return [name for name, sample in samples.items() if sample.holds_numbers]


def sampled(path: Path, layout: Layout, names: list[str], features: list[str]) -> dict[str, Sample]:
    """Return what each feature has in the first rows.

    Further rows are read only for a column that has no value in these, up to its first one.
    """
    places = {name: place for place, name in enumerate(names)}
    samples, read = {name: Sample() for name in features}, 0
    left = samples
    for read, (line, row) in enumerate(rows_below_header(path, layout), 1):
        check_width(path, line, row, names)
        for name, sample in left.items():
            if not layout.is_missing(value := row[places[name]]):
                sample.add(value)
        if read >= SAMPLE_ROWS:
            left = {name: sample for name, sample in left.items() if not sample.values}
        if not left:
            break
    if not read:
        raise UserError(f"{path}: has no rows")
    return samples
