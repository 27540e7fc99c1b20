"""What each column of a table seems to hold, and why."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np

from classifier.base.csv_dialect import NumberFormat
from classifier.base.errors import UserError, listed, quoted, shown
from classifier.preparing.numbering import way_of_numbering
from classifier.preparing.oddities import WORDS_FOR_GAPS
from classifier.preparing.storing import MANY, OWN, words_for_gaps
from classifier.table.cells import Layout, is_number
from classifier.table.notation import Amounts, Dates, Notation

Kind = Literal["number", "category", "digits", "date", "amount", "left out", "label"]
DAYS = [
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%d-%b-%Y", "%d-%b-%y",
]  # fmt: skip
TIMES = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", "T%H:%M:%S%z", "T%H:%M:%S.%f"]
DIGITS = "%Y%m%d"  # is a date only where all digits are of these years
YEARS = ("1850", "2150")
SURE_GAPS = WORDS_FOR_GAPS - {"-", "--", ".", "none"}  # of a category too
LEADING_ZERO = re.compile(r"0\d+")
FEW_CLASSES, ROWS_OF_A_CLASS = 20, 4


class Meaning(NamedTuple):
    """What a column holds, how it is written where that has to be said, and why one thinks so."""

    kind: Kind
    why: str
    written: str = ""


@dataclass(frozen=True)
class Column:
    """A column, what it seems to mean, and what else of it the params have to say.

    values: how often each occurs; gaps: cells without one; words: what stands for a gap here.
    """

    name: str
    meaning: Meaning
    values: Counter[str]
    gaps: int
    words: list[str]


def look_at(name: str, cells: Sequence[str], layout: Layout, most: int) -> Column:
    """Return what a column of a table holds; most: values that a category may have."""
    known = [cell.strip() for cell in cells if not layout.is_missing(cell)]
    for words in ways_to_write_gaps(known):
        rest = [cell for cell in known if cell not in words]
        if meaning := of_numbers(rest):
            break
    else:
        words = {cell for cell in known if cell.casefold() in SURE_GAPS}
        rest = [cell for cell in known if cell not in words]
        meaning = of_text(Counter(rest), len(rest), most)
    return Column(name, meaning, Counter(rest), len(cells) - len(rest), sorted(words))


def ways_to_write_gaps(known: Sequence[str]) -> Iterable[set[str]]:
    """Yield sets of words that may stand for gaps among numbers: none, the usual, any few."""
    values = dict.fromkeys(known)
    yield set()
    yield {value for value in values if value.casefold() in WORDS_FOR_GAPS}
    yield {*words_for_gaps(values)}


def of_numbers(cells: Sequence[str]) -> Meaning | None:
    """Return what a column of numbers, dates or amounts means, None if it is none of these."""
    values = [*dict.fromkeys(cells)]
    if not values:
        return None
    if all(map(is_number, values)):
        return of_plain_numbers(cells, values)
    formats = [day + time for day, time in product(DAYS, TIMES)]
    dates = readings(values, {written: Dates(written) for written in formats})
    amounts = readings(values, {written: Amounts(written) for written in get_args(NumberFormat)})
    if len(dates) == 1 or len(amounts) == 1:
        (written,) = dates if len(dates) == 1 else amounts
        return Meaning("date" if dates else "amount", f"as {quoted(values[0])}", written)
    if dates or amounts:
        either = " or ".join(map(quoted, dates or amounts))
        param = "prepare.dates" if dates else "prepare.numbers"
        why = f"{quoted(values[0])} may be written as {either}: say which in {param}"
        return Meaning("left out", why)
    return None


def readings(values: Sequence[str], notations: dict[str, Notation]) -> list[str]:
    """Return the notations in which all values are numbers, the first of those that agree."""
    found: dict[tuple[float | None, ...], str] = {}
    for written, notation in notations.items():
        if notation.number(values[0]) is not None:
            numbers = tuple(map(notation.number, values))
            if None not in numbers:
                found.setdefault(numbers, written)
    return [*found.values()]


def of_plain_numbers(cells: Sequence[str], values: Sequence[str]) -> Meaning:
    if len(values) == 1:
        return Meaning("left out", f"{quoted(values[0])} in every row")
    zeros = [value for value in values if LEADING_ZERO.fullmatch(value)]
    if zeros:
        return Meaning("digits", f"leading zeros, as in {quoted(zeros[0])}: names, not numbers")
    is_year_first = all(re.fullmatch(r"\d{8}", v) and YEARS[0] <= v[:4] <= YEARS[1] for v in values)
    if is_year_first and readings(values, {DIGITS: Dates(DIGITS)}):
        return Meaning("date", f"as {quoted(values[0])}", DIGITS)
    if way := way_of_numbering(np.array(cells, float)):
        return Meaning("left out", f"{way}: a row's number?")
    return Meaning("number", "numbers" if len(values) > 2 else f"numbers, {' and '.join(values)}")


def of_text(values: Counter[str], rows: int, most: int) -> Meaning:
    count = len(values)
    if count == 0:
        return Meaning("left out", "no values")
    if count == 1:
        return Meaning("left out", f"{quoted(next(iter(values)))} in every row")
    if count > most:
        return Meaning("left out", f"more than {most:,} different values")
    if rows >= MANY and count >= OWN * rows:
        return Meaning("left out", f"{count:,} different values in {rows:,} rows: names of rows?")
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
            raise UserError("no column has few values; name the one to predict with --label")
        chosen, why = fitting[-1], "the last column of few values; --label names another"
    elif wanted not in names:
        raise UserError(f"--label: no column {quoted(wanted)} among {listed(names)}")
    else:
        chosen, why = wanted, "as --label says"
    (label,) = [column for column in columns if column.name == chosen]
    if len(label.values) < 2:
        raise UserError(f"--label: column {shown(chosen)} has fewer than two different values")
    meaning = Meaning("label", f"{len(label.values):,} classes: {listed([*label.values])}; {why}")
    return [replace(column, meaning=meaning) if column is label else column for column in columns]


def may_be_label(column: Column, rows: int) -> bool:
    """Return whether a column has few values, each in some rows."""
    most = min(FEW_CLASSES, rows // ROWS_OF_A_CLASS)
    is_plain = column.meaning.kind in ("number", "category", "digits")
    return is_plain and 2 <= len(column.values) <= most
