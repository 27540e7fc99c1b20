"""Month and weekday of a day as one-hot inputs, of which January and Monday are the first."""

from typing import Literal

import numpy as np
import numpy.typing as npt

DatePart = Literal["month", "weekday"]
WIDTHS: dict[DatePart, int] = {"month": 12, "weekday": 7}  # inputs of each


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
