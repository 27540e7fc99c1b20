"""What each column of a table seems to hold, and why."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np

from classifier.base.csv_dialect import NumberFormat
from classifier.base.errors import UserError, did_you_mean, listed, quoted, shown
from classifier.preparing.numbering import ORDERS, way_of_numbering
from classifier.preparing.storing import name_the_rows, words_for_gaps
from classifier.table.cells import (
    NOT_FINITE,
    WORDS_FOR_GAPS,
    Layout,
    is_meant_as_number,
    is_number,
)
from classifier.table.notation import Amounts, Dates, unit_of

Kind = Literal["number", "category", "digits", "date", "amount", "left out", "label"]
DAYS = [
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y",
]  # fmt: skip
SHORT = [day.replace("%Y", "%y") for day in DAYS]  # of which nobody knows the century
TIMES = [
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S%z", " %H:%M:%S.%f",
    "T%H:%M:%S", "T%H:%M:%S%z", "T%H:%M:%S.%f",
]  # fmt: skip
DIGITS = "%Y%m%d"  # is a date only where all digits are of these years
YEARS = ("1850", "2150")
MISSING = WORDS_FOR_GAPS | {"unknown", "missing", "unk", "not available", "no data", "tbd"}
SURE_GAPS = WORDS_FOR_GAPS - {"-", "--", ".", "none"}  # of a category too
LEADING_ZERO = re.compile(r"0\d+")
FEW_CLASSES, ROWS_OF_A_CLASS = 20, 4


class Meaning(NamedTuple):
    """What a column holds, why, and how it is written if the params have to say so."""

    kind: Kind
    why: str
    written: str = ""


@dataclass(frozen=True)
class Column:
    """A column, what it seems to mean, and what else of it the params have to say.

    values: how often each occurs; words: those that stand for a gap here, and how often; marks:
    those that do in any table, the empty cell among them.
    """

    name: str
    meaning: Meaning
    values: Counter[str]
    words: Counter[str]
    marks: Counter[str]

    @property
    def gaps(self) -> int:
        return self.marks.total() + self.words.total()

    @property
    def is_used(self) -> bool:
        return self.meaning.kind != "left out"


def without_clash(column: Column, columns: Sequence[Column]) -> Column:
    """Return the column, left out if what stands for a gap in it is a value of another."""
    others = [each for each in columns if each is not column and each.is_used]
    clashes = [(word, each) for word in column.words for each in others if word in each.values]
    if not clashes or not column.is_used:
        return column
    word, other = clashes[0]
    why = f"{quoted(word)} means no value here, but one of {shown(other.name)}: rename one of them"
    return replace(column, meaning=Meaning("left out", why))


def look_at(name: str, cells: Sequence[str], layout: Layout, most: int) -> Column:
    """Return what a column of a table holds; most: values that a category may have."""
    known = [cell.strip() for cell in cells if not layout.is_missing(cell)]
    for words in ways_to_write_gaps(known):
        rest = [cell for cell in known if cell not in words]
        if meaning := of_numbers(rest, most):
            break
    else:
        words = {cell for cell in known if cell.casefold() in SURE_GAPS}
        rest = [cell for cell in known if cell not in words]
        meaning = of_text(Counter(rest), len(rest), most)
    if len({*rest}) == 1:
        meaning = Meaning("left out", f"the only value is {quoted(rest[0])}")
    gaps = Counter(cell for cell in known if cell in words)
    marks = Counter(cell.strip() for cell in cells if layout.is_missing(cell))
    return Column(name, meaning, Counter(rest), gaps, marks)


def ways_to_write_gaps(known: Sequence[str]) -> Iterable[set[str]]:
    """Yield sets of words that may stand for gaps among numbers: none, the usual."""
    values = dict.fromkeys(known)
    yield set()
    yield {value for value in values if value.casefold() in MISSING}


def of_numbers(cells: Sequence[str], most: int) -> Meaning | None:
    """Return what a column of numbers, dates or amounts means, None if it is none of these."""
    values = [*dict.fromkeys(cells)]
    if not values:
        return None
    if all(map(is_number, values)):
        return of_plain_numbers(cells, values, most)
    endless = [value for value in values if not is_number(value)]
    if all(NOT_FINITE.fullmatch(value) for value in endless):
        why = f"numbers except for {listed(endless)}: if it means no value, see prepare.na_values"
        return Meaning("left out", why)
    if dates := fitting(values, [day + time for day, time in product(DAYS, TIMES)]):
        return of_dates(values, dates)
    if fitting(values, [day + time for day, time in product(SHORT, TIMES)]):
        why = f"{quoted(values[0])} has a year of two digits: write it with four"
        return Meaning("left out", why)
    return of_amounts(cells, values)


def fitting(values: Sequence[str], formats: Sequence[str]) -> list[str]:
    """Return the formats of dates that fit all values."""
    some = [each for each in formats if Dates(each).number(values[0]) is not None]
    return [each for each in some if all(Dates(each).number(v) is not None for v in values)]


def of_dates(values: Sequence[str], formats: Sequence[str]) -> Meaning:
    orders = {written.index("%d") < written.index("%m") for written in formats if "%m" in written}
    if len(orders) > 1:
        either = " or ".join(map(quoted, formats))
        why = f"{quoted(values[0])} may be written as {either}: say which in prepare.dates"
        return Meaning("left out", why)
    return Meaning("date", f"as {quoted(values[0])}", formats[0])


def of_amounts(cells: Sequence[str], values: Sequence[str]) -> Meaning | None:
    found = readings(values)
    unit = unit_of(values)
    if not found:
        return None
    if len(found) > 1:
        either = " or ".join(map(quoted, found))
        why = f"{quoted(values[0])} may be written as {either}: say which in prepare.numbers"
        return Meaning("left out", why)
    numbers = [Amounts(found[0]).number(value) for value in cells]
    if way := way_of_numbering(np.array(numbers, float)):
        return Meaning("left out", f"{way}, as {quoted(values[0])}: a row number?")
    in_unit = Amounts(found[0], unit).is_in_unit
    if others := [value for value in values if not in_unit(value)]:
        one = next(filter(in_unit, values))
        return Meaning("left out", f"amounts in several units: {quoted(one)}, {quoted(others[0])}")
    return Meaning("amount", f"as {quoted(values[0])}", found[0])


def readings(values: Sequence[str]) -> list[NumberFormat]:
    """Return the ways to write numbers in which all values are some, one of those that agree."""
    found: dict[tuple[float | None, ...], NumberFormat] = {}
    for written in get_args(NumberFormat):
        numbers = tuple(map(Amounts(written).number, values))
        if None not in numbers:
            found.setdefault(numbers, written)
    return [*found.values()]


def of_plain_numbers(cells: Sequence[str], values: Sequence[str], most: int) -> Meaning:
    zeros = [value for value in values if LEADING_ZERO.fullmatch(value)]
    if zeros and len(values) > most:
        return Meaning("left out", f"leading zeros, and more than {most:,} different values")
    if zeros:
        return Meaning("digits", f"leading zeros, as in {quoted(zeros[0])}: names, not numbers")
    is_year_first = all(re.fullmatch(r"\d{8}", v) and YEARS[0] <= v[:4] <= YEARS[1] for v in values)
    if is_year_first and fitting(values, [DIGITS]):
        return Meaning("date", f"as {quoted(values[0])}", DIGITS)
    if way := way_of_numbering(np.array(cells, float)):
        or_time = ", or a time for prepare.time?" if way in ORDERS else "?"
        return Meaning("left out", f"{way}: a row number{or_time}")
    return Meaning("number", "numbers" if len(values) > 2 else f"numbers, {' and '.join(values)}")


def of_text(values: Counter[str], rows: int, most: int) -> Meaning:
    count = len(values)
    if count == 0:
        return Meaning("left out", "no values")
    words = [value for value in values if not is_meant_as_number(value)]
    if words_for_gaps(values) and count > FEW_CLASSES:
        named = ", ".join(map(quoted, words))
        return Meaning("left out", f"numbers except for {named}: gaps? see prepare.na_values")
    if count > most:
        return Meaning("left out", f"more than {most:,} different values")
    if name_the_rows(values, rows):
        return Meaning("left out", f"{count:,} different values in {rows:,} rows: row names?")
    in_words = sum(values[word] for word in words)
    if in_words * 2 <= rows or words_for_gaps(values):  # prepare would take it for numbers
        but = f" except for {listed(words)}" * bool(words)
        return Meaning("digits", f"{count:,} values, numbers{but}: names?")
    return Meaning("category", f"{count:,} values: {listed([*values])}")


def with_label(columns: Sequence[Column], wanted: str | None, rows: int) -> list[Column]:
    """Return the columns, one of them as the label: the wanted one, or the last of few values.

    Raises:
        UserError: there is no such column, or none that may be a label.
    """
    names = [column.name for column in columns]
    if wanted is None:
        fitting = [column.name for column in columns if may_be_label(column, rows)]
        if not fitting:
            raise UserError("no column has few values; name the column to predict with --label")
        chosen, why = fitting[-1], "the last column with few values; --label chooses another"
    elif wanted not in names:
        hint = did_you_mean(wanted, names)
        raise UserError(f"--label: no column {quoted(wanted)} among {listed(names)}{hint}")
    else:
        chosen, why = wanted, "as --label says"
    (label,) = [column for column in columns if column.name == chosen]
    classes = label.values + label.words  # any word may be one
    if len(classes) < 2:
        raise UserError(f"--label: column {shown(chosen)} has fewer than two different values")
    meaning = Meaning("label", f"{len(classes):,} classes: {listed([*classes])}; {why}")
    as_label = Column(chosen, meaning, classes, Counter(), label.marks)
    return [as_label if column is label else column for column in columns]


def may_be_label(column: Column, rows: int) -> bool:
    """Return whether a column has few values, each in some rows."""
    most = min(FEW_CLASSES, rows // ROWS_OF_A_CLASS)
    return column.is_used and 2 <= len(column.values) <= most
