"""What a classifier has to beat on the same rows: their most frequent class, whatever the row."""

from dataclasses import replace

import numpy as np

from classifier.scoring.out_of_fold import OutOfFold


def majority(found: OutOfFold, classes: int) -> OutOfFold:
    """Return the answers of who knows how frequent the classes of the rows left out are.

    A class has the probability of Laplace's rule of succession, (rows + 1) / (all rows + classes).
    Not of those that each model knows: without the rows of a fold another class may be the most
    frequent, and in time it may have been; a constant that is hardly ever right is easy to beat.

    found: what others answer for the same rows; classes: how many there are in the table.
    """
    known = np.bincount(found.actual, minlength=classes)
    losses = -np.log((known + 1) / (known + 1).sum())
    return replace(
        found,
        predicted=np.full_like(found.predicted, known.argmax()),
        losses=np.broadcast_to(losses[found.actual], found.losses.shape),
    )
