"""What a classifier has to beat on the same folds: the most frequent class, whatever the row."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from classifier.scoring.out_of_fold import OutOfFold


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
