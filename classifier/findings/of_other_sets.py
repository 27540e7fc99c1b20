"""What rows that were not trained on say against a classifier: rows held out, and test sets."""

from collections.abc import Iterator, Mapping
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.errors import shown
from classifier.findings.finding import Finding
from classifier.scoring.scores import Counts, Scores

GAP = 0.1  # of accuracy that is no accident
QUANTILE = NormalDist().inv_cdf(0.975)  # of an interval of 95%


def of_drop(
    name: str, confusion: Counts, train: Mapping[str, Any], crossval: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield whether a model does much worse on other rows than it was said to.

    confusion: (classes, classes), the other rows by actual and predicted class; train: its metrics
    on its training data; crossval: what is known of rows left out, if anything.
    """
    expected = low = train["accuracy"]
    where = "on its training data"
    advice = "unless the rows differ, it overfits: try fewer train.epochs or train.patience"
    if crossval["models"]:
        expected, low = crossval["accuracy"]["mean"], crossval["accuracy"]["ci95_low"]
        where = "on rows left out in cross-validation"
        advice = "are its columns and classes those of the training data?"
    accuracy = accuracy_of(confusion)
    if accuracy + half_interval(confusion) < low and expected - accuracy > GAP:
        seen = f"it does worse on {shown(name)}: accuracy {accuracy:.3f}, {expected:.3f} {where}"
        yield Finding("warning", "model", seen, advice)


def of_one_answer(name: str, confusion: Counts) -> Iterator[Finding]:
    """Yield whether one answer for all of these rows would do as well: no folds tell it.

    confusion: (classes, classes), rows by actual and predicted class.
    """
    rows = confusion.sum(axis=1)
    if rows.max() == rows.sum():  # one answer is right for all
        return
    accuracy, constant = accuracy_of(confusion), rows.max() / rows.sum()
    if accuracy - half_interval(confusion) > constant:
        return
    figures = "always predicting the most frequent class: accuracy "
    figures += f"{accuracy:.3f} on {shown(name)}, against {constant:.3f}"
    occur = rows > 0
    weights = occur * rows.sum() / occur.sum() / np.maximum(rows, 1)  # of balanced accuracy
    balanced = float((confusion.diagonal() * weights).sum() / rows.sum())
    if balanced - half_interval(confusion, weights) > 1 / occur.sum():
        seen = f"by accuracy alone, it is not clearly better than {figures}"
        yield Finding("warning", "model", seen, "look at balanced accuracy and at each class")
    else:
        seen = f"it is not clearly better than {figures}"
        advice = "the features may say nothing about the class, or the rows are too few to tell"
        yield Finding("problem", "model", seen, advice)


def accuracy_of(confusion: Counts) -> float:
    return float(confusion.trace() / confusion.sum())


def half_interval(confusion: Counts, weights: npt.NDArray[np.float64] | None = None) -> float:
    """Return half of the 95% interval of the mean weight of right answers: of accuracy, where 1.

    Of n rows of a class, h of them right, the variance is n w² p (1 - p), p = (h + 1) / (n + 2):
    Laplace's rule of succession, so that it is not 0 where all or none are right.

    weights: (classes,), what a right answer counts.
    """
    rows, hits = confusion.sum(axis=1), confusion.diagonal()
    share: Scores = (hits + 1) / (rows + 2)
    variances = rows * share * (1 - share) * (1 if weights is None else weights**2)
    return float(QUANTILE * sqrt(variances.sum()) / rows.sum())
