"""What the best of many is worth: the score that it was chosen by flatters it."""

import numpy as np
import numpy.typing as npt

from classifier.scoring.scores import Scores

DRAWS = 400


def worth_of_best(scores: Scores, units: npt.NDArray[np.integer] | None = None) -> float:
    """Return what the best of many scores on rows that it was not chosen by.

    Rows are drawn with replacement, the best on those is chosen, and scored on the rows that were
    not drawn; the mean over DRAWS. Of Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the
    out-of-sample predictions for efficient and accurate cross-validation", Machine Learning 107
    (2018).

    scores: (trials, rows), what each row got of each, the higher the better; units: (rows,), the
    group of each row, counted from 0, if rows are drawn in groups.
    """
    units = np.arange(scores.shape[1]) if units is None else units
    rng, count = np.random.default_rng(0), int(units.max()) + 1
    found = []
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[units]
        best = int((scores @ times).argmax())
        found.append(scores[best, times == 0].mean() if (times == 0).any() else np.nan)
    return float(np.nanmean(found))
