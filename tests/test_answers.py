"""What is said of the answers for rows left out, against the definitions, pair by pair."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from classifier.scoring.answers import Answers, calibration_error, reliability
from classifier.scoring.out_of_fold import OutOfFold
from classifier.scoring.scores import macro_f1

CLASSES = ["a", "b", "c"]


@pytest.fixture
def answers() -> Answers:
    """Two repeats of forty rows of three classes; some of the probabilities are equal."""
    rng = np.random.default_rng(0)
    actual = rng.permutation([0] * 20 + [1] * 15 + [2] * 5).astype(np.int32)
    chances = rng.dirichlet(np.ones(3), (2, 40)) + np.eye(3)[actual] * rng.random((2, 40, 1))
    probabilities = (chances / chances.sum(axis=-1, keepdims=True)).round(1)
    probabilities[..., 2] = 1 - probabilities[..., 0] - probabilities[..., 1]
    predicted = probabilities.argmax(axis=-1).astype(np.int32)
    found = OutOfFold(
        actual,
        predicted,
        np.zeros((2, 40)),
        np.zeros((2, 40), np.int32),
        np.arange(40, dtype=np.int32),
    )
    return Answers(found, probabilities.astype(np.float32), CLASSES)


def each_answer(answers: Answers) -> list[tuple[int, int, np.ndarray]]:
    """Return actual and predicted class and the probabilities, one answer after the other."""
    actual, predicted = answers.found.actual.tolist(), answers.found.predicted.tolist()
    return [
        (actual[row], predicted[repeat][row], answers.probabilities[repeat, row])
        for repeat, row in product(range(2), range(40))
    ]


def test_the_brier_score_is_the_squared_distance_from_the_truth(answers):
    squares = [
        ((chances - np.eye(3)[actual]) ** 2).sum() for actual, _, chances in each_answer(answers)
    ]
    assert answers.scores()["brier"] == pytest.approx(np.mean(squares), abs=1e-6)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(answers):
    areas = []
    for repeat, place in product(range(2), range(3)):
        chances, is_class = answers.probabilities[repeat, :, place], answers.found.actual == place
        pairs = [
            (one > other) + (one == other) / 2
            for one, other in product(chances[is_class], chances[~is_class])
        ]
        areas.append(np.mean(pairs))
    assert answers.scores()["roc_auc"] == pytest.approx(np.mean(areas), abs=1e-9)


def answers_for(actual: list[int], probabilities: list[list[float]]) -> Answers:
    """One repeat, in which each row gets the class that is most probable."""
    of_rows, model = np.array(actual, np.int32), np.zeros((1, len(actual)), np.int32)
    chances = np.array([probabilities], np.float32)
    predicted, numbers = (
        chances.argmax(axis=-1).astype(np.int32),
        np.arange(len(actual), dtype=np.int32),
    )
    return Answers(
        OutOfFold(of_rows, predicted, model.astype(float), model, numbers), chances, CLASSES
    )


def test_a_class_that_no_row_has_has_no_area():
    answers = answers_for([0, 1], [[0.8, 0.1, 0.1], [0.1, 0.9, 0]])
    scores = answers.scores()
    assert (scores["roc_auc"], scores["balanced_accuracy"]) == (1, 1)
    assert [one["rows"] for one in answers.per_class.values()] == [1, 1, 0]


def test_one_class_alone_has_no_area():
    scores = answers_for([1, 1], [[0.8, 0.1, 0.1], [0.1, 0.9, 0]]).scores()
    assert "roc_auc" not in scores
    assert scores["balanced_accuracy"] == 0.5


def test_the_calibration_error_is_the_gap_in_each_tenth_of_confidence(answers):
    gaps, total = 0.0, 0
    for low in range(10):
        inside = [
            (chances[predicted], actual == predicted)
            for actual, predicted, chances in each_answer(answers)
            if min(int(chances[predicted] * 10), 9) == low
        ]
        total += len(inside)
        if inside:
            gaps += abs(sum(confidence - is_right for confidence, is_right in inside))
    assert total == 80
    assert answers.scores()["calibration_error"] == pytest.approx(gaps / 80, abs=1e-6)


def test_certain_answers_are_in_the_last_bin():
    bins = reliability(np.array([[1.0, 0.95, 0.05]], np.float32), np.array([[True, False, True]]))
    assert bins["answers"].tolist() == [1, 2]
    assert bins["confidence"].tolist() == pytest.approx([0.05, 0.975])
    assert bins["accuracy"].tolist() == [1, 0.5]
    assert calibration_error(bins) == pytest.approx((0.95 + 2 * 0.475) / 3)


def test_who_is_taken_for_whom_is_counted_over_all_repeats(answers):
    pairs = pd.DataFrame(
        [each[:2] for each in each_answer(answers)], columns=["actual", "predicted"]
    )
    expected = pairs.value_counts().sort_index()
    table = answers.mixed_up()
    assert table["answers"].tolist() == expected.tolist()
    assert table["actual"].tolist() == [CLASSES[actual] for actual, _ in expected.index]
    assert table.groupby("actual")["share"].sum().tolist() == pytest.approx([1, 1, 1])


def test_the_classes_add_up_to_macro_f1(answers):
    confusion = answers.confusion
    expected = macro_f1(confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0))
    by_class = answers.per_class.values()
    assert np.mean([one["f1"] for one in by_class]) == pytest.approx(float(expected))
    assert [one["rows"] for one in by_class] == [20, 15, 5]
    assert answers.scores()["balanced_accuracy"] == pytest.approx(
        np.mean([one["recall"] for one in by_class])
    )


def test_the_most_confidently_wrong_rows_are_wrong_on_average_over_the_repeats(answers):
    wrong = answers.confidently_wrong()
    means = answers.probabilities.mean(axis=0, dtype=float)
    assert 0 < len(wrong) <= 10
    sure = [one["probability"] for one in wrong.values()]
    assert sure == sorted(sure, reverse=True)
    for number, one in wrong.items():
        row = int(number) - 1
        assert one["actual"] == CLASSES[answers.found.actual[row]] != one["predicted"]
        assert one["predicted"] == CLASSES[means[row].argmax()]
        assert one["probability"] == means[row].max()


def test_the_files_of_crossval_say_the_same(reproduced):
    summary = json.loads(reproduced.read("metrics/crossval.json"))
    answers = pd.read_csv(reproduced.path / "metrics/out_of_fold.csv")
    confusion = pd.read_csv(reproduced.path / "metrics/confusion.csv")
    bins = pd.read_csv(reproduced.path / "metrics/reliability.csv")
    assert confusion["answers"].sum() == bins["answers"].sum() == len(answers) == 1_500
    scores = summary["out_of_fold"]
    assert scores["balanced_accuracy"] == pytest.approx(summary["accuracy"]["mean"], abs=1e-6), (
        "iris has as many rows of each class"
    )
    assert (bins["confidence"] * bins["answers"]).sum() / 1_500 == pytest.approx(
        scores["confidence"], abs=1e-5
    )
    assert np.mean([one["f1"] for one in summary["per_class"].values()]) == pytest.approx(
        summary["macro_f1"]["mean"], abs=1e-6
    )
