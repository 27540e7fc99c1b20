"""What each row got from models that were not trained on it, and how it scores."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.files import quoting, replaced_file
from classifier.scoring.intervals import Numbers, Spread, difference_interval, spread
from classifier.scoring.scores import Scores, largest_difference, macro_f1

HEAD = ["repeat", "fold", "row", "actual", "predicted", "loss"]
UNIT = "unit"  # follows where rows are not independent
OTHERS = 4  # rows, of which a model that gets most of them right hardly misses all
BLOCK_ROWS = 100_000  # that are written at a time


@dataclass(frozen=True)
class OutOfFold:
    """The answer for each row in each repeat, of the model that was tested on its fold.

    actual: (rows,), the class of each row; predicted, losses, models: (repeats, rows), the class
    that was answered, the cross-entropy of the answer, and the number of the model, which are
    counted from 0: those of the first repeat, fold by fold, then those of the second; numbers:
    (rows,), those of the rows in their data set, counted from 0; units: (rows,), what varies as a
    whole, counted from 0, where that is not each row by itself.
    """

    actual: Numbers
    predicted: Numbers
    losses: Scores
    models: Numbers
    numbers: Numbers
    units: Numbers | None = None

    @cached_property
    def is_right(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.predicted == self.actual)

    @property
    def tells_models_apart(self) -> bool:
        """Whether models are tested on more than one row each, or group of rows."""
        units = len(self.numbers) if self.units is None else int(self.units.max()) + 1
        return len(self.models) * units > int(self.models.max()) + 1

    @cached_property
    def classes(self) -> int:
        return int(max(self.actual.max(), self.predicted.max())) + 1

    def tallies(self, groups: Numbers, count: int) -> npt.NDArray[np.intp]:
        """Return right, actual and predicted rows by class and group, (3, classes, groups).

        groups: (repeats, rows), the group that each answer belongs to.
        """
        actual = np.broadcast_to(self.actual, self.predicted.shape)
        wrong = self.classes  # where those are counted that are not right
        classes = [np.where(self.is_right, actual, wrong), actual, self.predicted]
        size = (self.classes + 1) * count
        counts = [
            np.bincount((each * count + groups).ravel(), minlength=size)[: wrong * count]
            for each in classes
        ]
        return np.stack(counts).reshape(3, self.classes, count)

    def spread(self, metric: str) -> Spread:
        """Return the metric over all answers, and its variance by rows and by models."""
        found = spread(self.scores(metric), self.models, self.units)
        if metric != "macro_f1":
            return found
        return replace(found, by_rows=max(found.by_rows, self._least_variance_of_macro_f1()))

    def scores(self, metric: str) -> Scores:
        """Return what each answer contributes, (repeats, rows), of which the mean is the metric."""
        if metric == "loss":
            return self.losses
        if metric == "accuracy":
            return self.is_right.astype(float)
        if metric == "balanced_accuracy":
            rows = np.bincount(self.actual)
            weights = len(self.actual) / (rows > 0).sum() / rows[self.actual]
            return np.asarray(self.is_right * weights)
        return self._influence_on_macro_f1()

    def _influence_on_macro_f1(self) -> Scores:
        """Return macro F1 and how far each answer moves it, by the delta method.

        F1 of class c is 2 H / (A + P), of hits, actual and predicted rows; its derivative by the
        weight of an answer is (2 hit - F1 (is c + is predicted c)) / (A + P).
        """
        hits, actual, predicted = self.tallies(np.zeros_like(self.models), 1)[..., 0]
        total = np.maximum(actual + predicted, 1)
        f1, occurs = 2 * hits / total, actual + predicted > 0
        scale = self.predicted.size / occurs.sum()
        moved = 2 * self.is_right / total[self.actual] - (f1 / total)[self.actual]
        moved = moved - (f1 / total)[self.predicted]
        return np.asarray(f1.sum() / occurs.sum() + scale * moved)

    def _least_variance_of_macro_f1(self) -> float:
        """Return the variance of macro F1 by chance if Laplace's rule gave the recall of classes.

        Of a few rows that are all right, or all wrong, the influences hardly vary. A right answer
        more adds 2 / (A + P) to the F1 of its class; of n rows, h of them right, p (1 - p) n is the
        variance of h, p = (h + 1) / (n + 2).
        """
        rows, gains = np.bincount(self.actual), self.gains_in_macro_f1()
        right = np.bincount(self.actual, self.is_right.mean(axis=0))
        recall: Scores = (right + 1) / (rows + 2)
        return float((rows * recall * (1 - recall) * gains**2).sum())

    def gains_in_macro_f1(self) -> Scores:
        """Return how much macro F1 gains by another right row of each actual class, (classes,)."""
        _, actual, predicted = self.tallies(np.zeros_like(self.models), 1)[..., 0]
        total = actual + predicted
        gains: Scores = 2 * len(self.models) / np.maximum(total, 1) / (total > 0).sum()
        return gains[: self.actual.max() + 1]

    def by_model(self) -> dict[str, Scores]:
        """Return accuracy, loss and macro F1 of each model on its fold, (models,)."""
        rows = np.bincount(self.models.ravel())
        hits, actual, predicted = self.tallies(self.models, len(rows))
        return {
            "accuracy": hits.sum(axis=0) / rows,
            "loss": np.bincount(self.models.ravel(), self.losses.ravel()) / rows,
            "macro_f1": macro_f1(hits, actual, predicted),
        }


def count_one_answer(found: OutOfFold) -> dict[str, int]:
    """Return how many models answer one class for all rows of their fold, if any fold tells.

    One tells if of so many rows some would get another answer from any model that has learned
    something: OTHERS or more that are not of the fold's most frequent class.
    """
    _, actual, predicted = found.tallies(found.models, int(found.models.max()) + 1)
    tells = actual.sum(axis=0) - actual.max(axis=0) >= OTHERS
    is_one = (predicted > 0).sum(axis=0) == 1
    return {"models_of_one_answer": int((tells & is_one).sum())} if tells.any() else {}


def difference(found: OutOfFold, baseline: OutOfFold, metric: str) -> dict[str, float]:
    """Return what a baseline scores on the same folds, and how much more this does."""
    other = baseline.scores(metric)
    more = spread(found.scores(metric) - other, found.models, found.units)
    more = as_rare_classes_have_it(more, metric, found, baseline)
    interval = difference_interval(more, largest_difference(metric))
    return {"mean": float(other.mean()), "difference": interval.mean} | interval.ends


def as_rare_classes_have_it(found: Spread, metric: str, new: OutOfFold, old: OutOfFold) -> Spread:
    """Return the spread of a difference on the same rows, not less than a few of them can tell.

    Where one side is right on all of a few rows and the other on none, the influences on macro F1
    hardly vary. So each class has a row more, in the manner of Jeffreys' prior: a quarter of one
    that one side alone is right on, a quarter that the other is, half of one where they are alike.
    """
    if metric != "macro_f1":
        return found
    gains, losses = new.gains_in_macro_f1(), old.gains_in_macro_f1()
    more = gains[new.actual] * new.is_right.mean(axis=0)
    more -= losses[new.actual] * old.is_right.mean(axis=0)
    rows = np.bincount(new.actual)
    mean = (np.bincount(new.actual, more) + (gains - losses) / 4) / (rows + 1)
    square = (np.bincount(new.actual, more**2) + (gains**2 + losses**2) / 4) / (rows + 1)
    least = float((rows * (square - mean**2)).sum())
    return replace(found, by_rows=max(found.by_rows, least))


def write_out_of_fold(
    found: OutOfFold,
    probabilities: npt.NDArray[np.float32] | None,
    classes: list[str],
    path: Path,
) -> None:
    """Write a line for each answer, repeat by repeat, in the order of the rows.

    probabilities: (repeats, rows, classes), to be written too if there are any.
    """
    names, folds = np.array(classes, dtype=object), int(found.models[0].max()) + 1
    with replaced_file(path) as temporary, temporary.open("w", newline="") as file:
        for repeat, block in blocks(*found.predicted.shape):
            columns = {
                "repeat": repeat + 1,
                "fold": found.models[repeat, block] - repeat * folds + 1,
                "row": found.numbers[block] + 1,
                "actual": names[found.actual[block]],
                "predicted": names[found.predicted[repeat, block]],
                "loss": found.losses[repeat, block].round(6),
            }
            if found.units is not None:
                columns[UNIT] = found.units[block] + 1
            table = pd.DataFrame(columns)
            if probabilities is not None:
                more = probabilities[repeat, block].astype(float).round(6)
                named = pd.DataFrame(more, columns=[f"probability_{name}" for name in classes])
                table = pd.concat([table, named], axis="columns")
            is_first = not repeat and not block.start
            table.to_csv(file, index=False, header=is_first, quoting=quoting(classes))


def blocks(repeats: int, rows: int) -> Iterator[tuple[int, slice]]:
    """Yield every repeat with slices over its rows."""
    for repeat in range(repeats):
        for start in range(0, rows, BLOCK_ROWS):
            yield repeat, slice(start, min(start + BLOCK_ROWS, rows))


def read_out_of_fold(path: Path | IO[bytes]) -> OutOfFold:
    """Return what `write_out_of_fold` wrote, its classes in the order of their first rows.

    Raises:
        ValueError: it is damaged.
    """
    texts = {"actual": str, "predicted": str}
    known = [*HEAD, UNIT]
    table = pd.read_csv(path, usecols=known.__contains__, dtype=texts, keep_default_na=False)
    if missing := {*HEAD} - {*table}:
        raise ValueError(f"has no {missing}")
    repeats = int(table["repeat"].max())
    shape = repeats, rows = repeats, len(table) // repeats
    numbers = table["row"].to_numpy(np.int32) - 1
    if len(table) != repeats * rows or (numbers.reshape(shape) != numbers[:rows]).any():
        raise ValueError("its repeats are not of the same rows")
    places, _ = pd.factorize(pd.concat([table["actual"], table["predicted"]]))
    models = (table["repeat"] - 1) * int(table["fold"].max()) + table["fold"] - 1
    return OutOfFold(
        actual=places[:rows].astype(np.int32),
        predicted=places[len(table) :].reshape(shape).astype(np.int32),
        losses=table["loss"].to_numpy(float).reshape(shape),
        models=models.to_numpy(np.int32).reshape(shape),
        numbers=numbers[:rows],
        units=table[UNIT].to_numpy(np.int32)[:rows] - 1 if UNIT in table else None,
    )
