"""Scores of a classifier from how many rows of each class it got right."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

# The metrics with an error bar, and what is better.
BETTER_WHEN = {"accuracy": "higher", "loss": "lower", "macro_f1": "higher"}
METRICS = list(BETTER_WHEN)
FEW_MODELS = 10  # of fewer, how much they differ is poorly known
BETTER_LOW = {"models_of_one_answer", "loss", "std", "std_on_fold", "brier", "calibration_error"}

Counts = npt.NDArray[np.integer[Any]]
Scores = npt.NDArray[np.float64]


def numbers_in(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a metrics file, each by all keys that lead to it, joined by dots.

    What stands in a list goes by its own class, in commits of old by its name.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers_in(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            own = inner.get("class", inner.get("name")) if isinstance(inner, dict) else None
            yield from numbers_in(key if own is None else f"{key}.{own}", inner)
    elif isinstance(value, int | float):
        yield key, value


def largest_difference(metric: str) -> float:
    """Return by how much a metric can differ at most: 1, as it is a share, but for the loss."""
    return inf if metric == "loss" else 1.0


def is_better_low(metric: str) -> bool:
    """Return whether a number that `numbers_in` names is the better the lower it is."""
    keys = metric.split(".")  # among which may be a class, or a data set, of any name
    has_names = keys[0] != "crossval" or keys[1] == "per_class"
    named = keys[-1:] if has_names else keys[1:]
    return not BETTER_LOW.isdisjoint(named)


def ratio(part: Counts, whole: Counts) -> Scores:
    """Return part / whole, and 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


def f1_scores(hits: Counts, actual: Counts, predicted: Counts) -> Scores:
    """Return the F1 of each class: the harmonic mean of precision and recall, simplified.

    hits: rows of the class that were predicted to be; actual, predicted: rows that are and rows
    that were predicted to be of the class. All have one shape, for example (classes,).
    """
    return ratio(2 * hits, actual + predicted)


def scores_by_class(confusion: Counts, classes: list[str]) -> dict[str, dict[str, Any]]:
    """Return precision, recall, F1 and rows of each class; 0 where nothing divides.

    confusion: (classes, classes), entry [a, p] counts rows of class a predicted to be p.
    """
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    columns = {
        "precision": ratio(hits, predicted).tolist(),
        "recall": ratio(hits, actual).tolist(),
        "f1": f1_scores(hits, actual, predicted).tolist(),
        "rows": actual.tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return {
        name: dict(zip(columns, row, strict=True)) for name, row in zip(classes, rows, strict=True)
    }


def macro_f1(hits: Counts, actual: Counts, predicted: Counts) -> Scores:
    """Return the mean F1 over the classes, axis 0, that occur as actual or as predicted ones."""
    occurs = actual + predicted > 0
    return np.asarray(f1_scores(hits, actual, predicted).sum(axis=0) / occurs.sum(axis=0))


@dataclass(frozen=True)
class Tally:
    """What networks came to on some rows; of many, each array has more axes.

    counts: (3, classes), rows of each class that were predicted to be, that are, and that were
    predicted; losses: the sums of cross-entropy.
    """

    counts: Counts
    losses: Scores

    def scores(self) -> dict[str, Scores]:
        """Return accuracy, loss and macro F1."""
        hits, actual, predicted = self.counts
        return {
            "accuracy": hits.sum(axis=0) / actual.sum(axis=0),
            "loss": self.losses / actual.sum(axis=0),
            "macro_f1": macro_f1(hits, actual, predicted),
        }

    def total(self) -> "Tally":
        """Return that of all rows, for networks along the first of the other axes."""
        return Tally(self.counts.sum(axis=2), self.losses.sum(axis=0))
