"""Dates, and numbers as people write them: which number a cell stands for."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Self, cast

import numpy as np

from classifier.base.csv_dialect import NumberFormat
from classifier.base.errors import quoted
from classifier.table.calendar import DatePart
from classifier.table.cells import FLOAT32_LIMIT, Layout, is_number, why_no_number

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLE = datetime(2001, 2, 28, 13, 45, 30, tzinfo=UTC)
DAY = 86_400  # seconds
SPACES = "[ \u00a0\u2009\u202f]"
CODES = (
    "AED|ARS|AUD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|MYR|"
    "NOK|NZD|PHP|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
CURRENCY = rf"(?:[$€£¥₹₩₽]|{CODES})"
UNIT = re.compile(f"{CURRENCY}|%")
ZONE = re.compile(r"Z|[+-]\d{2}:?\d{2}(?::?\d{2})?")
END_OF_FRACTION = re.compile(r"(?<=\.)(\d*?)0+(?!\d)")


class Notation(ABC):
    """How the numbers of a column are written."""

    @abstractmethod
    def number(self, cell: str) -> float | None:
        """Return the number that a cell stands for, None where it is none."""

    @abstractmethod
    def why_not(self, cell: str) -> str:
        """Say what was found in a cell that stands for no number, and what was expected."""

    def text(self, number: float) -> str:
        """Return a number as people read it."""
        return f"{number:.7g}"

    def is_missing(self, cell: str, layout: Layout) -> bool:
        return layout.is_missing(cell)

    def value(self, cell: str, layout: Layout) -> float | None:
        """Return the number that a cell stands for, NaN for a gap, None where it is neither."""
        return np.nan if self.is_missing(cell, layout) else self.number(cell)


class Plain(Notation):
    """As float reads them."""

    def number(self, cell: str) -> float | None:
        return float(cell) if is_number(cell) else None

    def why_not(self, cell: str) -> str:
        return why_no_number(cell)

    def is_missing(self, cell: str, layout: Layout) -> bool:
        return layout.is_missing_number(cell)


PLAIN = Plain()


@dataclass(frozen=True)
class Dates(Notation):
    """Dates, or points in time, as `datetime.strptime` reads them."""

    written: str  # as %Y-%m-%d
    parts: tuple[DatePart, ...] = ()  # that are inputs too

    @classmethod
    def of(cls, entry: "str | list[str]") -> Self:
        """Return the dates that an entry of prepare.dates tells of."""
        written, *parts = [entry] if isinstance(entry, str) else entry
        return cls(written, tuple(cast(list[DatePart], parts)))

    def number(self, cell: str) -> float | None:
        """Return how many days after 1970-01-01 00:00 UTC it is, None where it is no date."""
        text = cell.strip()
        try:
            found = datetime.strptime(text, self.written)
        except ValueError:
            return None
        again = found.strftime(self.written)
        if again != text and self.but_form(again) != self.but_form(text):
            return None  # of 201011, strptime makes 2010-01-01, and it passes over a wrong weekday
        return (
            (found if found.tzinfo else found.replace(tzinfo=UTC)) - EPOCH
        ).total_seconds() / DAY

    def but_form(self, time: str) -> str:
        """Return a written time without what may be written in several ways: zeros, case, zone."""
        if "%z" in self.written:
            time = ZONE.sub("", time)
        if "%f" in self.written:
            time = END_OF_FRACTION.sub(r"\1", time)
        return re.sub(r"(?<!\d)0+(?=\d)", "", " ".join(time.split())).casefold()

    def text(self, number: float) -> str:
        try:
            return (EPOCH + timedelta(days=number)).strftime(self.written)
        except OverflowError:  # float32 has made the year 10000 of the end of 9999
            return super().text(number)

    def why_not(self, cell: str) -> str:
        example = EXAMPLE.strftime(self.written)
        return f"found {quoted(cell)}, expected a date written like {example} ({self.written})"


@dataclass(frozen=True)
class Amounts(Notation):
    """Numbers with separators, all in one unit: a currency, percent, or none.

    A currency may be left out. unit: None if it may be any.
    """

    written: NumberFormat
    unit: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        thousands, decimal = self.written[1], self.written[-2]
        between = {"2": "", " ": SPACES, "'": "['\u2019]"}.get(thousands, re.escape(thousands))
        grouped = rf"[1-9]\d{{0,2}}(?:{between}\d{{3}})+|" if between else ""
        point = re.escape(decimal)
        sign = f"[-+\u2212]?{SPACES}?(?:{CURRENCY}{SPACES}?)?[-+\u2212]?{SPACES}?"
        unit = f"(?:{SPACES}?(?:%|{CURRENCY}))?"
        return re.compile(
            rf"(?P<sign>{sign})(?:(?P<whole>{grouped}\d+)|(?={point}\d))"
            rf"(?:{point}(?P<part>\d+))?(?P<power>[eE][-+]?\d+)?{unit}",
            re.ASCII,
        )

    def number(self, cell: str) -> float | None:
        """Return the number, that in parentheses negative; None where it is none."""
        text = cell.strip()
        is_negative = text[:1] == "(" and text[-1:] == ")"
        found = self.pattern.fullmatch(text[1:-1] if is_negative else text)
        if not found or sum(map(found["sign"].count, "-+\u2212")) + is_negative > 1:
            return None
        whole = found["whole"] or "0"
        if not self.is_in_unit(text) or (found["power"] and not whole.isdigit()):
            return None  # nobody separates thousands before a power of ten
        is_negative = is_negative or "-" in found["sign"] or "\u2212" in found["sign"]
        digits = re.sub("[^0-9]", "", whole)
        size = float(f"{digits}.{found['part'] or 0}{found['power'] or ''}")
        return None if size >= FLOAT32_LIMIT else -size if is_negative else size

    def text(self, number: float) -> str:
        return super().text(number).replace(".", self.written[-2])

    def is_in_unit(self, cell: str) -> bool:
        """Return whether an amount has no other unit than this, and a percent sign if it must."""
        units = units_of(cell)
        if self.unit is None:
            return len(units) <= 1
        return units == [self.unit] or (not units and self.unit != "%")

    def why_not(self, cell: str) -> str:
        unit = {None: "", "": " without a unit", "%": " with %"}.get(self.unit, f" in {self.unit}")
        return f"found {quoted(cell)}, expected a number written like {self.written}{unit}"

    def is_missing(self, cell: str, layout: Layout) -> bool:
        if layout.is_missing(cell):
            return True
        number = self.number(cell) if layout.na_numbers else None
        return number is not None and bool(layout.are_missing(np.float64(number)))


def units_of(cell: str) -> list[str]:
    """Return the currencies that stand in an amount, and the percent sign."""
    return [*dict.fromkeys(UNIT.findall(cell))]


def unit_of(cells: Iterable[str]) -> str:
    """Return the first unit in amounts, an empty text if none has one."""
    return next((unit for cell in cells for unit in units_of(cell)), "")
