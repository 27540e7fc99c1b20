"""The best of many trials where labels are noise: what it is worth, and what it is called."""

import numpy as np
import pytest

from classifier.commands.sweep.selection import worth_of_best
from classifier.scoring.intervals import difference_interval, spread

TRIALS, REPEATS, ROWS, FOLDS = 100, 10, 150, 10


def noise(rng: np.random.Generator) -> np.ndarray:
    """Return which answers are right, (trials, repeats, rows): none of the trials knows anything.

    A trial has its own idea of a row, which its models have more or less.
    """
    ideas = rng.random((TRIALS, 1, ROWS)) < 0.5
    follows = rng.random((TRIALS, REPEATS, ROWS)) < 0.8
    return np.where(follows, ideas, ~ideas).astype(float)


def test_the_best_of_noise_is_worth_as_much_as_chance():
    rng = np.random.default_rng(0)
    naive, corrected = [], []
    for _ in range(40):
        scores = noise(rng).mean(axis=1)
        naive.append(scores.mean(axis=1).max())
        corrected.append(worth_of_best(scores))
    assert np.mean(naive) > 0.55, "chosen by these rows, it looks much better"
    assert np.mean(corrected) == pytest.approx(0.5, abs=0.01)


def test_a_best_that_is_better_keeps_its_worth():
    rng = np.random.default_rng(0)
    scores = noise(rng).mean(axis=1)
    scores[7] = rng.random(ROWS) < 0.9
    assert worth_of_best(scores) == pytest.approx(scores[7].mean(), abs=0.005)


def test_the_best_of_noise_is_seldom_called_better_than_the_default():
    rng = np.random.default_rng(0)
    models = rng.integers(FOLDS, size=(REPEATS, ROWS)) + FOLDS * np.arange(REPEATS)[:, None]
    found = {1: 0, TRIALS: 0}
    for _ in range(200):
        right = noise(rng)
        best = right[1:].mean(axis=(1, 2)).argmax() + 1
        for comparisons in found:
            interval = difference_interval(
                spread(right[best] - right[0], models), comparisons=comparisons
            )
            found[comparisons] += interval.low > 0
    assert found[1] / 200 > 0.3
    assert found[TRIALS] / 200 <= 0.06
