"""What a cell of a table means."""

import math

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


def is_number(cell: str) -> bool:
    """Whether the text is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
