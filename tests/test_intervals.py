"""Intervals: the formulas, worked otherwise; how often they hold, on tables that are drawn."""

import numpy as np
import pytest

from benchmarks.coverage import (
    FRESH_ROWS,
    World,
    coverage,
    detection,
    false_alarms,
    networks,
    stand_ins,
)
from classifier.base.progress import Progress
from classifier.scoring.intervals import (
    Spread,
    degrees_by_kurtosis,
    difference_interval,
    f1_interval,
    loss_interval,
    of_other_rows,
    of_the_same_rows,
    share_interval,
    spread,
    wilson,
)
from classifier.scoring.out_of_fold import OutOfFold, as_rare_classes_have_it
from classifier.scoring.scores import f1_scores, largest_difference

SILENT = Progress(disable=True)


@pytest.fixture
def found() -> OutOfFold:
    """What 30 rows of 3 classes got in 4 repeats of 5 folds, most of them right."""
    rng = np.random.default_rng(5)
    actual = np.repeat(np.arange(3), 10).astype(np.int32)
    wrong = rng.random((4, 30)) < 0.3
    predicted = np.where(wrong, rng.integers(3, size=(4, 30)), actual).astype(np.int32)
    folds = np.stack([rng.permutation(np.arange(30) % 5) for _ in range(4)])
    models = (folds + 5 * np.arange(4)[:, None]).astype(np.int32)
    return OutOfFold(
        actual, predicted, rng.exponential(size=(4, 30)), models, np.arange(30, dtype=np.int32)
    )


@pytest.mark.parametrize("metric", ["accuracy", "loss", "macro_f1"])
def test_the_variance_is_of_rows_and_of_models(found, metric):
    """Spelled out as loops, as docs/statistics.md has it."""
    scores = found.scores(metric)
    errors = scores - scores.mean()
    by_rows = sum(errors[:, row].sum() ** 2 for row in range(30)) / 120**2 * 30 / 29
    of_models = [errors[found.models == model].sum() ** 2 for model in range(20)]
    by_models = max(0, (sum(of_models) - (errors**2).sum()) / 120**2)
    result = spread(scores, found.models)
    assert (result.rows, result.models) == (30, 20)
    assert result.mean == pytest.approx(scores.mean())
    assert (result.by_rows, result.by_models) == pytest.approx((by_rows, by_models))


def test_a_few_rows_that_are_all_right_or_all_wrong_say_little_of_macro_f1():
    """Each class of n rows, h of them right, varies as if the recall were (h + 1) / (n + 2)."""
    actual = np.repeat([0, 1], [60, 3]).astype(np.int32)
    one_wrong = np.where(np.arange(63) == 0, 1, actual)
    for predicted, recalls in ((actual, (61 / 62, 4 / 5)), (actual * 0, (61 / 62, 1 / 5)),
                               (one_wrong, (60 / 62, 4 / 5))):  # fmt: skip
        answers = [predicted] * 2  # each repeat alike
        models = np.repeat([[0], [1]], 63, axis=1)
        found = OutOfFold(actual, np.array(answers), np.ones((2, 63)), models, np.arange(63))
        expected = sum(
            rows * recall * (1 - recall) * (2 / (rows + (predicted == c).sum()) / 2) ** 2
            for c, (rows, recall) in enumerate(zip((60, 3), recalls, strict=True))
        )
        assert found.spread("macro_f1").by_rows == pytest.approx(expected)
        interval = f1_interval(found.spread("macro_f1"))
        assert interval.low < interval.mean - 0.12
        assert interval.high <= 1


def rare_class() -> tuple[OutOfFold, OutOfFold]:
    """Return what two got for 60 rows of a class and 3 of another, on which only one is right."""
    actual = np.repeat([0, 1], [60, 3]).astype(np.int32)
    models = np.repeat([[0], [1]], 63, axis=1)
    right, wrong = (
        OutOfFold(actual, np.stack([each] * 2), np.ones((2, 63)), models, np.arange(63))
        for each in (actual, actual * 0)
    )
    return right, wrong


def test_a_few_rows_on_which_one_side_is_right_say_little_of_a_difference():
    """Each class of n rows has one more: a quarter of +gain, a quarter of -loss, and half of 0."""
    right, wrong = rare_class()
    least = 0.0
    for rows, gain, loss, right_of_one in ((60, 2 / 120, 2 / 123, 60), (3, 2 / 6, 2 / 3, 0)):
        gain, loss = gain / 2, loss / 2  # there are two classes
        differences = [gain - loss * (right_of_one > 0)] * rows
        mean = (sum(differences) + gain / 4 - loss / 4) / (rows + 1)
        square = (sum(d * d for d in differences) + gain**2 / 4 + loss**2 / 4) / (rows + 1)
        least += rows * (square - mean**2)
    found = spread(right.scores("macro_f1") - wrong.scores("macro_f1"), right.models)
    assert found.by_rows < least / 10
    widened = as_rare_classes_have_it(found, "macro_f1", right, wrong)
    assert widened.by_rows == pytest.approx(least)
    assert as_rare_classes_have_it(found, "accuracy", right, wrong) == found


def test_macro_f1_moves_as_its_influence_says(found):
    """By a little more weight of one answer, in place of a derivative."""

    def weighted(weights: np.ndarray) -> float:
        actual = np.broadcast_to(found.actual, found.predicted.shape)
        of_class = [(actual == c, found.predicted == c) for c in range(3)]
        f1 = [2 * (weights * (a & p)).sum() / (weights * a + weights * p).sum()
              for a, p in of_class]  # fmt: skip
        return float(np.mean(f1))

    scores = found.scores("macro_f1")
    assert scores.mean() == pytest.approx(weighted(np.ones((4, 30))))
    for place in [(0, 0), (1, 17), (3, 29)]:
        weights = np.ones((4, 30))
        weights[place] += 1e-6
        moved = (weighted(weights) - weighted(np.ones((4, 30)))) * 1e6 * 120
        assert scores[place] - scores.mean() == pytest.approx(moved, abs=1e-4)


def test_metrics_of_models_are_those_of_their_folds(found):
    for model in (0, 7, 19):
        place = found.models == model
        predicted = found.predicted[place]
        actual = np.broadcast_to(found.actual, place.shape)[place]
        result = {metric: values[model] for metric, values in found.by_model().items()}
        assert result["accuracy"] == pytest.approx((predicted == actual).mean())
        assert result["loss"] == pytest.approx(found.losses[place].mean())
        hits, of, as_ = (np.bincount(each, minlength=3)
                         for each in (actual[predicted == actual], actual, predicted))  # fmt: skip
        f1 = f1_scores(hits, of, as_)[of + as_ > 0]
        assert result["macro_f1"] == pytest.approx(f1.mean())


def test_wilsons_interval_is_that_of_the_literature():
    """Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 0 of 20."""
    for share, rows, expected in ((81 / 263, 263, (0.2553, 0.3662)), (0, 20, (0, 0.1611))):
        interval = wilson(share, rows, 1.959964)
        assert (interval.low, interval.high) == pytest.approx(expected, abs=5e-5)


def test_a_share_never_leaves_0_to_1_and_a_loss_stays_positive():
    perfect = Spread(1.0, 0.0, 0.0, 50, 100)
    assert share_interval(perfect).high == 1
    assert 0.9 < share_interval(perfect).low < 0.95
    wide = Spread(0.99, 0.0, 0.01, 50, 100)
    assert 0 <= share_interval(wide, of_one=True).low < share_interval(wide).low
    assert share_interval(wide, of_one=True).high <= 1
    loss = loss_interval(Spread(0.1, 0.01, 0.0, 50, 100))
    assert 0 < loss.low < 0.1 < loss.high
    assert loss.low * loss.high == pytest.approx(0.1**2)


def test_a_variance_that_hangs_on_a_few_rows_has_few_degrees_of_freedom():
    normal = np.random.default_rng(0).normal(size=100_000)
    assert degrees_by_kurtosis(normal) == pytest.approx(100_000, rel=0.05)
    assert degrees_by_kurtosis(np.repeat([0.0, 1.0], [97, 3])) == pytest.approx(200 / (100 / 3 - 1))
    assert degrees_by_kurtosis(np.zeros(5)) == np.inf
    of_few, of_all = (Spread(1.0, 0.01, 0.0, 50, 100, by_kurtosis=each) for each in (3, np.inf))
    assert loss_interval(of_few).high == pytest.approx(np.exp(0.1 * 3.182446))  # t(3)
    assert loss_interval(of_all).high == pytest.approx(np.exp(0.1 * 2.009575))  # t(49)


def test_a_difference_is_of_students_t():
    half = 2.009575 * np.sqrt(0.03)  # t(49)
    interval = difference_interval(Spread(0.5, 0.01, 0.02, 50, 100))
    assert (interval.low, interval.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    shares = difference_interval(Spread(0.5, 1.0, 0.02, 2, 2), largest_difference("accuracy"))
    assert (shares.low, shares.high) == (-1, 1)


def test_where_folds_or_rows_differ_the_variances_of_both_sides_count():
    old, new = Spread(0.5, 0.01, 0.02, 50, 100), Spread(0.7, 0.03, 0.04, 40, 20)
    other = of_other_rows(old, new)
    assert (other.mean, other.by_rows, other.by_models) == pytest.approx((0.2, 0.04, 0.06))
    assert (other.rows, other.models) == (40, 20)
    same = of_the_same_rows(np.array([0.1, 0.3]), old, new)
    assert (same.mean, same.by_rows, same.by_models) == pytest.approx((0.2, 0.02 / 2, 0.06))


def test_one_repeat_has_a_variance_by_models_too():
    scores = np.array([[1.0, 1, 0, 0]])
    found = spread(scores, np.array([[0, 0, 1, 1]]))
    assert found.by_rows == pytest.approx(4 / 3 * 4 * (0.5 / 4) ** 2)
    assert found.by_models == pytest.approx(2 * 0.25**2 - 4 * 0.125**2)


WORLD = World(classes=3, apart=2.0, start=0.3)


def test_intervals_hold_as_often_as_they_say():
    """On 100 tables; `python -m benchmarks.coverage` takes more of them, of several kinds."""
    shares = coverage([*stand_ins(WORLD, rows=60, tables=100, bar=SILENT)])
    assert not {name: share for name, share in shares.items() if share < 0.88}  # .95, 3 deviations


@pytest.mark.parametrize(("rare", "apart"), [(0.03, 2.5), (0.1, 1.5)])
def test_intervals_hold_where_a_class_is_rare(rare, apart):
    """Of 150 rows, 3% of them rare, macro F1 by Wilson held for 63 of 100 tables.

    That of the loss, as if the losses of rows were normal, held for 82.
    """
    world = World(classes=2, apart=apart, start=0.0, rare=rare)
    shares = coverage([*stand_ins(world, rows=150, tables=100, bar=SILENT)])
    assert shares["loss"] >= 0.86
    assert shares["macro_f1"] >= 0.88
    assert shares["macro_f1 of one"] >= 0.88


@pytest.mark.parametrize("rare", [0.03, 0.1])
def test_recipes_of_the_same_worth_hardly_differ_where_a_class_is_rare(rare):
    """By the influences of rows alone, a quarter of them had another macro F1."""
    world = World(classes=2, apart=2.0, start=0.0, rare=rare)
    shares = false_alarms(world, rows=100, tables=100, bar=SILENT)
    assert max(shares.values()) <= 0.12  # .05, 3 deviations


@pytest.mark.slow
def test_networks_of_tables_side_by_side_are_cross_validated_each_on_its_own():
    trials, _ = networks(WORLD, rows=60, tables=3, bar=SILENT)
    assert {trial.found.predicted.shape for trial in trials} == {(10, 60)}
    assert {int(trial.counts[1].sum()) for trial in trials} == {100 * FRESH_ROWS}
    for trial in trials:
        left_out, fresh = trial.found.scores("accuracy").mean(), trial.counts[0].sum() / 5e5
        assert left_out == pytest.approx(fresh, abs=0.15)
        assert trial.shipped["accuracy"] > 0.5


def test_a_difference_is_seen_if_there_is_one():
    assert detection(WORLD, WORLD, rows=60, tables=100, bar=SILENT) <= 0.12
    assert detection(WORLD, World(3, 2.0, 1.0), rows=150, tables=20, bar=SILENT) >= 0.5


@pytest.mark.parametrize(("folds", "repeats", "most"), [(2, 1, 0.08), (5, 1, 0.06), (10, 10, 0.06)])
def test_models_that_differ_are_no_difference_however_few_there_are(folds, repeats, most):
    """Rows are more or less hard, models more or less good, and both sides are one recipe."""
    rng, rows, alarms = np.random.default_rng(1), 150, 0
    for _ in range(400):
        hardness, sides = rng.normal(1.5, 1.5, rows), []
        for _ in range(2):
            dealt = [rng.permutation(np.arange(rows) % folds) for _ in range(repeats)]
            models = np.stack(dealt) + folds * np.arange(repeats)[:, None]
            skill = rng.normal(0, 0.5, folds * repeats)[models]
            right = rng.random(models.shape) < 1 / (1 + np.exp(-(hardness + skill)))
            sides.append((right.mean(axis=0), spread(right.astype(float), models)))
        (old, before), (new, after) = sides
        interval = difference_interval(of_the_same_rows(new - old, before, after))
        alarms += not interval.low <= 0 <= interval.high
    assert alarms / 400 <= most
