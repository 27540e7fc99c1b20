"""Month and weekday of a day as one-hot inputs, of which January and Monday are the first."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

DatePart = Literal["month", "weekday"]
WIDTHS: dict[DatePart, int] = {"month": 12, "weekday": 7}  # inputs of each


def names_of(parts: Iterable[DatePart]) -> list[str]:
    """Return what each input of the parts is, as month=1."""
    return [f"{part}={place + 1}" for part in parts for place in range(WIDTHS[part])]


def inputs_of(days: npt.NDArray[np.float32], parts: Sequence[DatePart]) -> npt.NDArray[np.float32]:
    """Return the inputs of all the parts side by side, as `one_hot` returns those of one."""
    return np.hstack([one_hot(days, part) for part in parts])


def one_hot(days: npt.NDArray[np.float32], part: DatePart) -> npt.NDArray[np.float32]:
    """Return 1 for the month or weekday of each day and 0 for the others, all 0 where it is NaN.

    days: (rows,) float32, after 1970-01-01; the result is (rows, WIDTHS[part]).
    """
    is_known = ~np.isnan(days)
    whole = np.floor(np.where(is_known, days, 0)).astype(np.int64)
    if part == "month":
        place = whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    else:
        place = (whole + 3) % 7  # 1970-01-01 was a Thursday
    is_place = place[:, None] == np.arange(WIDTHS[part])
    return np.asarray(is_place & is_known[:, None], np.float32)
