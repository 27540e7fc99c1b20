"""Error bars for cross-validated metrics.

The models of a cross-validation share most of their training rows, so the variance of their mean
is larger than that of as many independent ones. Nadeau and Bengio, "Inference for the
Generalization Error", Machine Learning 52 (2003), section 3, estimate it by
(1 / J + n_test / n_train) S² for J models, S² being their sample variance. For K folds
n_test / n_train is 1 / (K - 1) (Bouckaert and Frank, 2004, for repeated folds), and more where a
part of the other rows is kept aside for validation.
"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtrit

from classifier.scoring.scores import Scores

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95% confidence interval."""

    mean: float
    low: float
    high: float


def share_tested(folds: int, validation_fraction: float) -> float:
    """Return how many rows a model is tested on for each that it is trained on."""
    return 1 / (folds - 1) / (1 - validation_fraction)


def corrected_variance(values: Scores, share: float) -> float:
    """Return the variance of the mean of a metric over the models of a cross-validation.

    values: (models,); fewer than two have none and give NaN. share: see `share_tested`.
    """
    if len(values) < 2:
        return float("nan")
    return float(values.var(ddof=1)) * (1 / len(values) + share)


def mean_interval(values: Scores, share: float) -> Interval:
    """Return the mean of a metric, or of paired differences, over (models,), with its interval."""
    variance = corrected_variance(values, share)
    return _student_interval(float(values.mean()), variance, len(values) - 1)


def difference_interval(
    before: Scores, after: Scores, share_before: float, share_after: float
) -> Interval:
    """Return the difference of the means of two unpaired cross-validations, with its interval.

    Variances may differ: the degrees of freedom are those of Welch (1947) and Satterthwaite (1946).
    """
    variances = (
        corrected_variance(before, share_before),
        corrected_variance(after, share_after),
    )
    total, degrees = sum(variances), (len(before) - 1, len(after) - 1)
    parts = sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
    freedom = total**2 / parts if parts else float(sum(degrees))
    return _student_interval(float(after.mean() - before.mean()), total, freedom)


def _student_interval(mean: float, variance: float, freedom: float) -> Interval:
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * sqrt(variance)
    return Interval(mean, mean - half, mean + half)
