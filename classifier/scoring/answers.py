"""How good the answers for rows left out are: which classes are mixed up, and how sure they are."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.scoring.out_of_fold import OutOfFold
from classifier.scoring.scores import scores_by_class

BINS = 10  # of confidence, of equal width
WRONG_ROWS = 10
CONFUSION_COLUMNS = ["actual", "predicted", "answers", "share"]
RELIABILITY_COLUMNS = ["confidence", "accuracy", "answers"]

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """What models answered for rows that were left out, and how probable they thought it.

    found: the classes; probabilities: (repeats, rows, classes); classes: their names.
    """

    found: OutOfFold
    probabilities: Probabilities
    classes: list[str]

    def scores(self) -> dict[str, float]:
        """Return what is worth knowing of all answers, over every repeat.

        No `roc_auc` where all rows are of one class: there is no rest to tell it from.
        """
        recalls = [one["recall"] for one in self.per_class.values() if one["rows"]]
        of_pairs = {}
        if len(recalls) > 1:
            of_pairs = {"roc_auc": roc_auc(self.probabilities, self.found.actual)}
        return {
            "balanced_accuracy": float(np.mean(recalls)),
            **of_pairs,
            "brier": brier(self.probabilities, self.found.actual),
            "confidence": float(self.confidence.mean(dtype=float)),
            "calibration_error": calibration_error(self.reliability),
        }

    @cached_property
    def confidence(self) -> Probabilities:
        """Return the probability of each answer, (repeats, rows)."""
        predicted = self.found.predicted[..., None]
        chosen: Probabilities = np.take_along_axis(self.probabilities, predicted, axis=-1)[..., 0]
        return chosen

    @cached_property
    def confusion(self) -> npt.NDArray[np.intp]:
        """Return how many answers for rows of class a were p, (classes, classes), [a, p]."""
        count = len(self.classes)
        pairs = self.found.actual * count + self.found.predicted
        return np.bincount(pairs.ravel(), minlength=count**2).reshape(count, count)

    def mixed_up(self) -> pd.DataFrame:
        """Return how many answers there are of each pair of classes, and their share of the first.

        actual, predicted, answers, share; only pairs that have answers.
        """
        confusion = self.confusion
        actual, predicted = np.nonzero(confusion)
        names, answers = np.array(self.classes, dtype=object), confusion[actual, predicted]
        shares = answers / confusion.sum(axis=1)[actual]
        columns = (names[actual], names[predicted], answers, shares)
        return pd.DataFrame(dict(zip(CONFUSION_COLUMNS, columns, strict=True)))

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Return what `reliability` does, of all answers."""
        return reliability(self.confidence, self.found.is_right)

    @cached_property
    def per_class(self) -> dict[str, dict[str, Any]]:
        """Return precision, recall and F1 of each class, and how many rows are of it."""
        repeats = len(self.found.predicted)
        scores = scores_by_class(self.confusion, self.classes)
        return {name: one | {"rows": one["rows"] // repeats} for name, one in scores.items()}

    def confidently_wrong(self) -> dict[str, dict[str, Any]]:
        """Return the rows that are wrong by the mean of all repeats and thought most probable.

        By their numbers, counted from 1.
        """
        means = self.probabilities.mean(axis=0, dtype=float)
        predicted, actual = means.argmax(axis=1), self.found.actual
        sure = np.where(predicted == actual, 0, means.max(axis=1))
        rows = np.argsort(-sure, kind="stable")[:WRONG_ROWS]
        return {
            str(self.found.numbers[row] + 1): {
                "actual": self.classes[actual[row]],
                "predicted": self.classes[predicted[row]],
                "probability": float(sure[row]),
            }
            for row in rows[sure[rows] > 0].tolist()
        }


def brier(probabilities: Probabilities, actual: npt.NDArray[np.integer[Any]]) -> float:
    """Return the mean squared distance from the truth, summed over the classes.

    Of Brier, "Verification of forecasts expressed in terms of probability" (1950): from 0 to 2.
    """
    of_actual = np.take_along_axis(probabilities, actual[None, :, None], axis=-1)[..., 0]
    squares = np.einsum("rnc,rnc->rn", probabilities, probabilities, dtype=float)
    return float((squares - 2 * of_actual.astype(float) + 1).mean())


def roc_auc(probabilities: Probabilities, actual: npt.NDArray[np.integer[Any]]) -> float:
    """Return the mean area under the ROC curve, each class against the rest, in each repeat.

    It is the share of pairs of rows, one of the class and one of the rest, of which the first has
    the larger probability; equal ones count half (Mann and Whitney, 1947).
    """
    areas = [
        area(of_repeat[:, place], actual == place)
        for of_repeat in probabilities
        for place in np.unique(actual).tolist()
    ]
    return float(np.mean(areas))


def area(scores: Probabilities, is_class: npt.NDArray[np.bool_]) -> float:
    inside, others = scores[is_class], np.sort(scores[~is_class])
    smaller, not_larger = (np.searchsorted(others, inside, side) for side in ("left", "right"))
    return float((smaller.sum() + not_larger.sum()) / 2 / (len(inside) * len(others)))


def reliability(confidence: Probabilities, is_right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return, for each bin of confidence that has answers, their mean confidence and accuracy."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1).ravel()
    answers = np.bincount(bins, minlength=BINS)
    sums = [np.bincount(bins, each.ravel(), minlength=BINS) for each in (confidence, is_right)]
    some = answers > 0
    columns = [*(each[some] / answers[some] for each in sums), answers[some]]
    return pd.DataFrame(dict(zip(RELIABILITY_COLUMNS, columns, strict=True)))


def calibration_error(bins: pd.DataFrame) -> float:
    """Return how far confidence is from accuracy, on average over the answers.

    Of Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning" (2015).
    """
    gaps = (bins["confidence"] - bins["accuracy"]).abs()
    return float((gaps * bins["answers"]).sum() / bins["answers"].sum())
