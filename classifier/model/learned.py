"""What a network has learned from the rows that it was trained on, besides its weights."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Learned:
    """What fills a gap in each input, and what each is scaled by; None where that is not done.

    All are (inputs,) float32, in the order of `Schema.input_names()`. A gap is NaN; a gap in text
    is NaN in all inputs of its column, and is filled with 1 for one category and 0 for the others.
    An input x then is (x - mean) / std.
    """

    fill: npt.NDArray[np.float32] | None = None
    mean: npt.NDArray[np.float32] | None = None
    std: npt.NDArray[np.float32] | None = None
