"""How a table is written down: what stands between cells, and what a cell means."""

import math
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

FLOAT32_LIMIT = 2.0**128 - 2.0**103  # from here on, float32 rounds to infinity
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


class Layout(BaseModel):
    """What is needed to read a CSV file; a part of schema.json."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    delimiter: str
    encoding: str
    header: bool  # whether the first row names the columns
    na_values: list[str]  # what stands in a cell that has no value

    def is_missing(self, cell: str) -> bool:
        return cell.strip() in self.na_values


def is_number(cell: str) -> bool:
    """Whether the text is a finite number that float32 can hold."""
    try:
        return abs(float(cell)) < FLOAT32_LIMIT and "_" not in cell
    except ValueError:
        return False


def is_meant_as_number(cell: str) -> bool:
    """Whether the text is a number, though perhaps an infinite or too large one."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def has_decimal_comma(cell: str) -> bool:
    return bool(DECIMAL_COMMA.fullmatch(cell.strip()))


def why_no_number(cell: str) -> str:
    """Say what was found in a cell that is no number, and what was expected."""
    if has_decimal_comma(cell):
        return f"found {cell!r}, expected a number with a decimal point"
    try:
        infinite = (math.isinf(float(cell)) and "inf" in cell.lower()) or math.isnan(float(cell))
    except ValueError:
        infinite = True
    return f"found {cell!r}, expected a number" + ("" if infinite else " that float32 can hold")


def unknown_value(cell: str, known: Sequence[str]) -> str:
    """Say that a value is not among those that were learned from."""
    listed = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
    return f"found {cell!r}, which the model was not trained on (known: {listed})"
