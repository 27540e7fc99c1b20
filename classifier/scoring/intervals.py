"""Error bars from what each row got, in each repeat, from a model not trained on it.

A cross-validation that was repeated has tested every row once in each repeat, each time by another
model. So its mean varies with the rows that happened to be drawn and with the models that happened
to come of them, and the two variances add up: a two-way layout of random rows and random models, as
in Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from classifier.scoring.scores import Scores

LEVEL = 0.95
LEAST = 1.0  # degrees of freedom, also where one group has most of the rows
FARTHEST = 100.0  # logarithm of the factor between a loss and the end of its interval

Numbers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95% confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def ends(self) -> dict[str, float]:
        """Both ends, under their names in metrics files."""
        return {"ci95_low": self.low, "ci95_high": self.high}


@dataclass(frozen=True)
class Spread:
    """The mean of what rows got, and how its variance comes about.

    by_rows, by_models: parts of the variance of the mean; rows, models: how many of each there are;
    doubt: the standard error of by_models where models do not differ, large where they are few;
    units: how many there are of what varies by itself: groups of rows, or else (0) rows. Groups of
    different sizes count as so many of one size as would weigh as much (Kish, Survey Sampling,
    1965); by_kurtosis: the degrees of freedom of by_rows where a few rows are most of it.
    """

    mean: float
    by_rows: float
    by_models: float
    rows: int
    models: int
    doubt: float = 0.0
    units: float = 0
    by_kurtosis: float = inf

    @property
    def independent(self) -> float:
        """How many rows, or groups of them, vary by themselves."""
        return self.units or self.rows

    @property
    def likely_by_models(self) -> float:
        """The part by models, which is not taken to be less than is known of it."""
        return max(self.by_models, self.doubt)

    @property
    def variance(self) -> float:
        return self.by_rows + self.likely_by_models

    def by_models_of(self, one: bool) -> float:
        """Return the part by models, or that for one of them in place of their mean.

        To that of one, half a standard error is added. What is known of it errs by a good part of
        it, and an interval that is too short misses more often than one that is as much too long
        holds.
        """
        return self.models * (self.by_models + self.doubt / 2) if one else self.likely_by_models

    def quantile(self, level: float = LEVEL, most: float = inf) -> float:
        """Return the two-sided quantile of Student's t at this level.

        Degrees of freedom are those of Satterthwaite (1946), and not more than those of the rows.
        most: of these.
        """
        degrees = max(min(self.independent - 1, most), LEAST)
        if self.likely_by_models and self.models > 1 and self.independent > 1:
            parts = self.by_rows**2 / degrees + self.likely_by_models**2 / (self.models - 1)
            degrees = min(degrees, self.variance**2 / parts)
        return float(stdtrit(degrees, (1 + level) / 2))


def spread(scores: Scores, models: Numbers, units: Numbers | None = None) -> Spread:
    """Return the mean of scores and its variance by rows and by models.

    scores: (repeats, rows), what each row got in each repeat; models: (repeats, rows), the number
    of the model that gave it, counted from 0; units: (rows,), the group that each row belongs to,
    counted from 0, if any: rows of one share a model in each repeat, and are not independent.
    """
    rows, mean = scores.shape[1], float(scores.mean())
    errors, weights = (scores - mean) / scores.size, weights_of(units, rows)
    if units is not None:
        errors, models = by_unit(errors, models, units)
    sums = np.bincount(models.ravel(), errors.ravel())
    of_answers = float((errors**2).sum())
    of_rows = errors.sum(axis=0)
    return Spread(
        mean=mean,
        by_rows=variance_of_sum(of_rows, weights),
        by_models=max(0.0, float((sums**2).sum()) - of_answers),
        rows=rows,
        models=len(sums),
        doubt=sqrt(2 / len(sums)) * of_answers,
        units=0 if units is None else effective(weights),
        by_kurtosis=degrees_by_kurtosis(of_rows),
    )


def degrees_by_kurtosis(errors: Scores) -> float:
    """Return the degrees of freedom of a variance: 2 n / (k - 1) of n errors of the kurtosis k.

    So that 2 / degrees is the square of its relative error, as it is of the normal distribution, of
    which k is 3 and the degrees are n.
    """
    square = float((errors**2).sum())
    kurtosis = len(errors) * float((errors**4).sum()) / square**2 if square else 1.0
    return 2 * len(errors) / (kurtosis - 1) if kurtosis > 1 else inf


def by_unit(errors: Scores, models: Numbers, units: Numbers) -> tuple[Scores, Numbers]:
    """Return the sum of the errors of each unit, and its model, in each repeat."""
    sums: Scores = np.stack([np.bincount(units, each) for each in errors])
    of_units = np.empty(sums.shape, models.dtype)
    of_units[:, units] = models
    return sums, of_units


def weights_of(units: Numbers | None, rows: int) -> Scores:
    """Return the share of the rows that each unit has, (units,), each row if there are none."""
    return np.full(rows, 1 / rows) if units is None else np.bincount(units) / rows


def effective(weights: Scores) -> float:
    """Return how many units of one size weigh as much as those of these weights."""
    return float(1 / (weights**2).sum())


def variance_of_sum(errors: Scores, weights: Scores) -> float:
    """Return the variance of the sum of independent errors whose mean is 0, NaN of one.

    That of the jackknife: the mean without a unit is farther from it than from the mean with it,
    the more so the more it weighs. Of equal weights, it is n / (n - 1) Σ e².
    """
    count = np.count_nonzero(weights)
    if count < 2:
        return np.nan
    return float((count - 1) / count * ((errors / (1 - weights)) ** 2).sum())


def share_interval(found: Spread, of_one: bool = False) -> Interval:
    """Return the interval of a share of rows, such as accuracy: never outside of 0 to 1.

    That of Wilson (1927), of as many rows as would have the variance by chance alone. of_one: for
    one of the models in place of their mean.
    """
    share = min(max(found.mean, 0.0), 1.0)
    by_chance = share * (1 - share) / found.rows
    variance = max(found.by_rows, by_chance) + found.by_models_of(of_one)
    return wilson(
        share, share * (1 - share) / variance if variance else found.independent, found.quantile()
    )


def wilson(share: float, rows: float, quantile: float) -> Interval:
    """Return the score interval of Wilson (1927) for a share of rows."""
    square = quantile**2 / rows
    middle = (share + square / 2) / (1 + square)
    half = quantile / (1 + square) * sqrt(share * (1 - share) / rows + square / (4 * rows))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def f1_interval(found: Spread, of_one: bool = False) -> Interval:
    """Return the interval of macro F1, that of Student's t, cut off at 0 and 1.

    Not Wilson's: where a class is rare, F1 is a mean over classes far from that of a share of rows.
    """
    half = found.quantile() * sqrt(found.by_rows + found.by_models_of(of_one))
    return Interval(found.mean, max(0.0, found.mean - half), min(1.0, found.mean + half))


def loss_interval(found: Spread, of_one: bool = False) -> Interval:
    """Return the interval of a mean loss, on the log scale: never below 0.

    The loss of a few rows is often most of the mean, and then little is known of its variance.
    """
    deviation = sqrt(found.by_rows + found.by_models_of(of_one))
    quantile = found.quantile(most=found.by_kurtosis)
    distance = quantile * deviation / found.mean if found.mean else 0.0
    factor = exp(min(distance, FARTHEST))
    return Interval(found.mean, found.mean / factor, found.mean * factor)


def difference_interval(found: Spread, largest: float = inf, comparisons: int = 1) -> Interval:
    """Return the interval of a mean difference, that of Student's t.

    largest: that there can be; comparisons: from how many it was chosen, so that it is as much
    wider as Bonferroni has it.
    """
    half = found.quantile(1 - (1 - LEVEL) / comparisons) * sqrt(found.variance)
    return Interval(found.mean, max(-largest, found.mean - half), min(largest, found.mean + half))


def of_the_same_rows(
    differences: Scores, old: Spread, new: Spread, units: Numbers | None = None
) -> Spread:
    """Return the spread of a difference where the models of both differ.

    differences: (rows,); units: as in `spread`.
    """
    rows, mean = len(differences), float(differences.mean())
    errors, weights = (differences - mean) / rows, weights_of(units, rows)
    if units is not None:
        errors = np.bincount(units, errors).astype(float)
    return Spread(
        mean=mean,
        by_rows=variance_of_sum(errors, weights),
        by_models=old.likely_by_models + new.likely_by_models,
        rows=rows,
        models=min(old.models, new.models),
        units=0 if units is None else effective(weights),
    )


def of_other_rows(old: Spread, new: Spread) -> Spread:
    """Return the spread of a difference where rows and models differ."""
    return Spread(
        mean=new.mean - old.mean,
        by_rows=old.by_rows + new.by_rows,
        by_models=old.likely_by_models + new.likely_by_models,
        rows=min(old.rows, new.rows),
        models=min(old.models, new.models),
        units=min(old.independent, new.independent),
    )


INTERVALS: dict[str, Callable[[Spread, bool], Interval]] = {
    "accuracy": share_interval,
    "loss": loss_interval,
    "macro_f1": f1_interval,
}
