"""How a table is written down: what stands between cells, and what a cell means."""

import math
import re
from collections.abc import Sequence
from decimal import Context
from functools import cached_property
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from classifier.base.csv_dialect import Delimiter, Encoding
from classifier.base.errors import listed, quoted

SAME = 1e-14  # of a number, by which two of its readings may differ
FLOAT32_LIMIT = 2.0**128 - 2.0**103  # from here on, float32 rounds to infinity
# What the parser of pandas reads as a finite number, and nothing that Python alone would read.
NUMBER = re.compile(r"[ \t-\r]*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t-\r]*", re.ASCII)
NOT_FINITE = re.compile(r"[-+]?(inf|infinity|nan)", re.IGNORECASE)
# Numbers as people write them: 2,5 and 1 234.5 and 6,44E-04, $5 and 12%, 0x1f.
WRITTEN = re.compile(
    r"[-+]?[$€£¥]?[ ]?[-+]?"
    r"((?=[\d.]*,)[\d.,]*\d|\d{1,3}([ '\u2019_]\d{3})+([.,]\d+)?|\d{1,3}(\.\d{3}){2,}"
    r"|\d+\.?\d*|\.\d+)"
    r"(e[-+]?\d+)?[ ]?[%$€£¥]?"
    r"|0x[\da-f]+",
    re.ASCII | re.IGNORECASE,
)
# Quotes and dashes that word processors and spreadsheets write, as a keyboard has them.
TYPED = str.maketrans(
    "\u2018\u2019\u201c\u201d\u2010\u2011\u2012\u2013\u2014\u2212", "''\"\"------"
)
MOST_DIGITS = 1_000  # of a number; 0e830400451993494058024219903391 is a hash

NA_VALUES = ["", "?", "NA", "NaN", "nan", "null"]  # those that params.yaml ships with
# What else may stand for no value, in any case; all but the last line does for pandas.
WORDS_FOR_GAPS = {
    "", "n/a", "na", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "none", "null",
    "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
    "\\n", "(null)", "[null]", "<null>", "nat", "n.a.",  # of databases, pandas, people
    "#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!",  # of spreadsheets
    "-", "--", ".",
}  # fmt: skip


class Layout(BaseModel):
    """What is needed to read a CSV file; a part of schema.json."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    delimiter: Delimiter
    encoding: Encoding
    header: bool  # whether the first row names the columns
    na_values: list[str]  # what stands in a cell that has no value

    @cached_property
    def na_texts(self) -> list[str]:
        """What pandas may look for: of 1_0 or inf it would make a number, and that a gap."""
        return [value for value in self.na_values if is_number(value) or not is_float(value)]

    @cached_property
    def na_numbers(self) -> list[float]:
        """What stands in a column of numbers for no value: -999.0 does if -999 does."""
        return [float(value) for value in self.na_values if is_number(value)]

    def is_missing(self, cell: str) -> bool:
        return cell.strip() in self.na_values

    def is_missing_number(self, cell: str) -> bool:
        """Whether a cell in a column of numbers is missing."""
        return self.is_missing(cell) or (
            is_number(cell) and bool(self.are_missing(np.float64(cell)))
        )

    def are_missing(self, numbers: npt.NDArray[np.float64] | np.float64) -> npt.NDArray[np.bool_]:
        """Return which numbers stand for no value, but for the last bits that parsers differ in."""
        gaps = np.zeros(np.shape(numbers), bool)
        for value in self.na_numbers:
            gaps |= np.abs(numbers - value) <= SAME * abs(value)
        return gaps


def as_read(value: str) -> str:
    """Return what people read: the number, or the letters without case, width, space and marks."""
    exact = Context(prec=len(value) + 1, traps=[])  # of long ids, float makes one
    number = exact.create_decimal(value.strip() if is_number(value) else "nan")
    if number.is_finite() and abs(number.adjusted()) < MOST_DIGITS:
        return str(number.normalize(exact))
    folded = normalize("NFKC", normalize("NFKC", value).casefold()).translate(TYPED)
    return "".join(c for c in folded if c.isprintable() and not c.isspace())


def are_positions(names: Sequence[str]) -> bool:
    """Whether columns are named 0, 1, ..., n, as prepare and pandas name those without names."""
    return [*names] == [str(at) for at in range(len(names))]


def is_number(cell: str) -> bool:
    """Whether the text is a finite number that float32 can hold."""
    return bool(NUMBER.fullmatch(cell)) and abs(float(cell)) < FLOAT32_LIMIT


def is_float(cell: str) -> bool:
    """Whether Python makes a number of the text, which may be infinite."""
    try:
        return not math.isnan(float(cell))
    except ValueError:
        return False


def is_meant_as_number(cell: str) -> bool:
    """Whether the text is a number, though perhaps one that `why_no_number` speaks of."""
    return is_written_number(cell) or bool(NOT_FINITE.fullmatch(cell.strip()))


def is_written_number(cell: str) -> bool:
    """Whether people read the text as one finite number, in full-width digits and all."""
    plain = normalize("NFKC", cell.strip()).replace("\u2212", "-")
    return bool(WRITTEN.fullmatch(plain))


def why_no_number(cell: str) -> str:
    """Say what was found in a cell that is not a number, and what was expected."""
    expected = "a number"
    if NUMBER.fullmatch(cell):
        expected += " that float32 can hold"
    elif is_written_number(cell):
        expected += " written like -1234.5 or 6.4e-05"
    return f"found {quoted(cell)}, expected {expected}"


def missing_value(cell: str) -> str:
    """Say that a cell is a gap."""
    return f"has no value (found {quoted(cell)})"


def unknown_value(cell: str, known: Sequence[str]) -> str:
    """Say that a value is not among those that were learned from."""
    what = f"found {quoted(cell)}, which the model was not trained on (known: {listed(known)})"
    return what + gap_advice(cell)


def gap_advice(cell: str) -> str:
    """Say of a word that may stand for no value what makes it do so; nothing of another."""
    is_word = cell.strip().casefold() in WORDS_FOR_GAPS
    return "; if it means no value, see prepare.na_values" * is_word


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
