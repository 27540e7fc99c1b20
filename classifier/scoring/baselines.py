"""What a classifier has to beat on the same folds: the most frequent class, whatever the row."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from classifier.scoring.out_of_fold import OutOfFold

ROWS_OF_FOLD = 10  # from which on the accuracy of a model on its fold says something


def majority(found: OutOfFold, known: npt.NDArray[np.intp]) -> OutOfFold:
    """Return the answers of models that know how frequent the classes of their rows are.

    A class has the probability of Laplace's rule of succession, (rows + 1) / (all rows + classes).

    found: what others answer for the same rows; known: how many rows of each class each model
    knows, (models, classes).
    """
    losses = -np.log((known + 1) / (known + 1).sum(axis=1, keepdims=True))
    return replace(
        found,
        predicted=known.argmax(axis=1).astype(np.int32)[found.models],
        losses=losses[found.models, found.actual],
    )


def count_no_better(found: OutOfFold, baseline: OutOfFold) -> int:
    """Return how many models are no better than a baseline on their own fold.

    That is, neither by accuracy nor by balanced accuracy. A fold of a few rows, or of one class,
    tells nothing.
    """
    rows = np.bincount(found.models.ravel())
    _, actual, _ = found.tallies(found.models, len(rows))
    tells = (rows >= ROWS_OF_FOLD) & ((actual > 0).sum(axis=0) > 1)
    model, constant = (accuracies(each, len(rows)) for each in (found, baseline))
    return int((tells & (model <= constant).all(axis=0)).sum())


def accuracies(found: OutOfFold, models: int) -> npt.NDArray[np.float64]:
    """Return accuracy and balanced accuracy of each model on its fold, (2, models)."""
    hits, actual, _ = found.tallies(found.models, models)
    recalls = hits / np.maximum(actual, 1)
    return np.stack(
        [hits.sum(axis=0) / actual.sum(axis=0), recalls.sum(axis=0) / (actual > 0).sum(axis=0)]
    )
