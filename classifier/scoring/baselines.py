"""What a classifier has to beat on the same folds: the most frequent class, whatever the row."""

import numpy as np

from classifier.rows.dataset import Dataset
from classifier.scoring.out_of_fold import Numbers, OutOfFold


def majority(data: Dataset, models: Numbers) -> OutOfFold:
    """Return the answers of models that know how frequent the classes of their rows are.

    A class has the probability of Laplace's rule of succession, (rows + 1) / (all rows + classes).

    models: (repeats, rows), the number of the model that each row is tested by.
    """
    actual = data.labels.argmax(axis=1).astype(np.int32)
    counts = np.zeros((int(models.max()) + 1, data.labels.shape[1]), np.intp)
    np.add.at(counts, (models, actual), 1)  # rows of each class in each fold
    others = np.bincount(actual, minlength=counts.shape[1]) - counts + 1
    losses = -np.log(others / others.sum(axis=1, keepdims=True))
    return OutOfFold(
        actual=actual,
        predicted=others.argmax(axis=1).astype(np.int32)[models],
        losses=losses[models, actual],
        models=models,
    )
