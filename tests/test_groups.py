"""Rows that belong together stay together, and what comes later is not known before."""

import json
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.base.errors import UserError
from classifier.commands.compare import Side, change_of, how_tested
from classifier.commands.sweep.selection import worth_of_best
from classifier.evaluating.test_sets import read_test_set
from classifier.findings.of_table import of_groups, of_known_groups
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, open_dataset, read_group_names
from classifier.rows.groups import NEVER, UNKNOWN_GROUP, Groups, draw_groups, fold_groups
from classifier.rows.stratified import split_rows
from classifier.scoring.folds import member_at, models_of_rows
from classifier.scoring.intervals import (
    difference_interval,
    loss_interval,
    of_the_same_rows,
    share_interval,
    spread,
)
from classifier.scoring.out_of_fold import OutOfFold, read_out_of_fold, write_out_of_fold
from classifier.table.schema import Schema
from stages import crossval
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def recipe() -> Train:
    shipped = load_params(ROOT / "params.yaml").train
    return shipped.model_copy(update={"epochs": 2, "validation_fraction": 0.2})


def table_of(patients: int, visits: int, seed: int = 0) -> str:
    """Return a table of patients who come several times; who they are decides the class."""
    rng, lines = np.random.default_rng(seed), ["patient,day,size,outcome"]
    start = date(2020, 1, 1)
    for patient in rng.permutation(patients).tolist():
        for _ in range(visits):
            day = start + timedelta(int(rng.integers(1000)))
            size = rng.normal(patient % 2)
            lines.append(f"p{patient},{day},{size:.2f},{'yes' if patient % 2 else 'no'}")
    return "\n".join(lines) + "\n"


def split(line: str) -> list[str]:
    return line.split(",")


def settings(**others: object) -> dict[str, object]:
    return {"header": True, "label": "outcome", "exclude": ["day"]} | others


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Groups, np.ndarray, int]:
    """Draw groups, not all of one size, the class of each row, and a number of folds."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=40))
    of_rows = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    classes = rng.integers(draw(st.integers(1, 4)), size=len(of_rows))
    return Groups(rng.permutation(of_rows)), classes, draw(st.integers(2, len(sizes)))


@given(grouped(), st.integers(0, 99))
def test_no_group_is_in_two_folds_and_every_fold_has_some(drawn, seed):
    groups, classes, folds = drawn
    found = fold_groups(groups, classes, folds, np.random.default_rng(seed))
    pairs = {*zip(groups.of_rows.tolist(), found.tolist(), strict=True)}
    assert len(pairs) == len(groups.sizes())
    assert {*found.tolist()} == {*range(folds)}


@given(grouped(), st.floats(0.01, 0.99), st.integers(0, 99))
def test_no_group_is_on_both_sides_of_a_split(drawn, fraction, seed):
    groups, classes, _ = drawn
    try:
        training, validation = split_rows(classes, groups, fraction, seed)
    except UserError:  # nothing on one side
        return
    assert not {*groups.of_rows[training]} & {*groups.of_rows[validation]}
    assert sorted([*training, *validation]) == list(range(len(classes)))


def test_folds_and_splits_of_many_groups_have_their_share_of_each_class():
    rng = np.random.default_rng(1)
    of_rows = np.repeat(np.arange(300, dtype=np.int32), rng.integers(1, 8, 300))
    classes = np.array([0] * 200 + [1] * 100)[of_rows]
    groups = Groups(of_rows)
    found = fold_groups(groups, classes, 10, np.random.default_rng(0))
    for place in (0, 1):
        counts = np.bincount(found[classes == place])
        assert counts.max() - counts.min() <= 7 + 7
        drawn = draw_groups(groups, classes, 0.25, np.random.default_rng(0))
        assert drawn[classes == place].mean() == pytest.approx(0.25, abs=0.02)


def test_repeats_deal_groups_anew_even_where_no_two_are_of_one_size():
    of_rows = np.repeat(np.arange(20, dtype=np.int32), np.arange(1, 21))
    folds = {
        tuple(fold_groups(Groups(of_rows), of_rows * 0, 5, np.random.default_rng(seed)).tolist())
        for seed in range(10)
    }
    assert len(folds) == 10


def test_too_few_groups_for_the_folds_are_told():
    of_rows = np.array([0, 0, 1, 1, 2, 2], np.int32)
    for in_time, what in (
        (False, "4 folds, but only 3 groups"),
        (True, "4 folds, but only 3 points in time"),
    ):
        with pytest.raises(UserError, match=what):
            fold_groups(Groups(of_rows, in_time), of_rows * 0, 4, np.random.default_rng(0))
    most_at_once = Groups(np.array([0, 1, 2, 3, *[4] * 8, 5], np.int32), in_time=True)
    words = "4 folds, but one point in time has 62% of the rows; use fewer"
    with pytest.raises(UserError, match=words):
        fold_groups(most_at_once, np.zeros(13, np.int32), 4, np.random.default_rng(0))


def dataset(groups: Groups) -> Dataset:
    rng, rows = np.random.default_rng(0), len(groups.of_rows)
    features = rng.normal(size=(rows, 3)).astype(np.float32)
    labels = np.eye(2, dtype=np.uint8)[rng.integers(2, size=rows)]
    return Dataset(features, labels, groups=groups)


@pytest.mark.parametrize("in_time", [False, True])
def test_a_model_knows_no_group_that_it_is_tested_on_and_nothing_that_comes_later(recipe, in_time):
    of_rows = np.random.default_rng(3).integers(30, size=200).astype(np.int32)
    data = dataset(Groups(of_rows, in_time))
    folds = Crossval(folds=4, repeats=2, probabilities=True, seed=1)
    models = models_of_rows(data, folds)
    for number, place in enumerate((repeat, fold) for repeat in (1, 2) for fold in range(1, 5)):
        member = member_at(place, data, folds, recipe)
        training, validation, test = member.training, member.validation, member.test
        assert (models[place[0] - 1, test] == number).all()
        sides = [{*of_rows[rows].tolist()} for rows in (training, validation, test)]
        assert all(sides)
        assert len(set.union(*sides)) == sum(map(len, sides)), "no group is on two sides"
        if in_time:
            assert max(sides[0]) < min(sides[1])
            assert max(sides[1]) < min(sides[2])
    assert (models == NEVER).any() == in_time


def test_rows_of_a_group_are_held_out_together(prepared):
    table = table_of(patients=40, visits=5)
    folder = prepared(table, **settings(group="patient", test_size=0.25))
    schema = json.loads((folder / "schema.json").read_text())
    assert [feature["name"] for feature in schema["features"]] == ["size"]
    assert schema["counts"] == {"train": {"yes": 75, "no": 75}, "test": {"yes": 25, "no": 25}}
    groups = open_dataset(folder / "train").groups
    assert groups is not None
    assert groups.sizes().tolist() == [5] * 30


def test_a_group_with_most_rows_and_a_class_of_one_group_are_told(prepared):
    table = table_of(patients=20, visits=5) + "p1,2020-01-01,3,yes\n" * 120
    table += "p2,2020-01-01,3,maybe\n" * 2
    folder = prepared(table, **settings(group="patient"))
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    seen = [finding.seen for finding in of_groups(schema, train)]
    assert seen == [
        "one group has 56% of the rows: models that are tested on it know only the other 44%",
        "all rows of maybe are of one group: no model that is tested on them knows such rows",
    ]
    folder = prepared(table_of(patients=20, visits=5), **settings(group="patient"))
    assert not [*of_groups(schema, open_dataset(folder / "train"))]


def test_rows_of_the_groups_trained_on_are_told_of_a_test_set(prepared, tmp_path):
    folder = prepared(table_of(patients=40, visits=5), **settings(group="patient", test_size=0.25))
    train = open_dataset(folder / "train").groups
    assert train is not None
    column, names = read_group_names(folder / "train") or ("", [])
    assert (column, len(names)) == ("patient", 30)
    held_out = next(name for name in (f"p{number}" for number in range(40)) if name not in names)
    rows = [f"yes,{name},{size}" for name in (names[3], held_out, "new") for size in (1, 2)]
    new, without = tmp_path / "new.csv", tmp_path / "without.csv"
    new.write_text("\n".join(["outcome,patient,size", *rows]) + "\n")
    without.write_text("outcome,size\nyes,1\n")
    schema = Schema.load(folder / "schema.json")
    found = read_test_set(schema, new, tmp_path / "rows")
    assert found.groups is not None
    assert found.groups.of_rows.tolist() == [3, 3, *[UNKNOWN_GROUP] * 4]
    assert [finding.seen for finding in of_known_groups("new", found)] == [
        "new: 2 of 6 rows are of groups in the training data"
    ]
    assert not [*of_known_groups("w", read_test_set(schema, without, tmp_path / "none"))]


def test_groups_of_a_test_set_are_known_however_they_are_written(prepared, tmp_path):
    """pandas writes 3.0 for 3 where the column had a gap."""
    table = table_of(patients=10, visits=5).replace("\np", "\n")
    schema = Schema.load(prepared(table, **settings(group="patient")) / "schema.json")
    rows = ["3,1", "3.0,1", "003,1", " 3 ,1", "33,1", ",1"]
    (tmp_path / "new.csv").write_text(
        "\n".join(["patient,size,outcome", *(f"{row},yes" for row in rows)])
    )
    found = read_test_set(schema, tmp_path / "new.csv", tmp_path / "rows")
    assert found.groups is not None
    assert (found.groups.of_rows != UNKNOWN_GROUP).tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize("features", [["size"], ["size", "day"]])
def test_rows_of_a_test_set_that_are_not_later_are_told(prepared, tmp_path, features):
    by_day = settings(time="day", dates={"day": "%d.%m.%Y"}) | {"exclude": []}
    rows = [f"{day:02}.03.2024,{day % 3},{'ab'[day % 2]}" for day in range(1, 21)]
    folder = prepared("\n".join(["day,size,outcome", *rows, ""]), **by_day, features=features)
    schema = Schema.load(folder / "schema.json")
    days = ["19.03.2024", "20.03.2024", "21.03.2024", "01.04.2024"]
    (tmp_path / "new.csv").write_text(
        "\n".join(["outcome,size,day", *(f"a,1,{day}" for day in days)])
    )
    found = read_test_set(schema, tmp_path / "new.csv", tmp_path / "rows")
    assert [finding.seen for finding in of_known_groups("new", found)] == [
        "new: 2 of 4 rows are not later than the training data"
    ]


def test_the_latest_rows_are_held_out(prepared):
    table = table_of(patients=40, visits=5)
    by_day = settings(time="day", dates={"day": "%Y-%m-%d"}, features=["size"])
    folder = prepared(table, **by_day, test_size=0.25)
    rows = [(day, np.float32(size)) for _, day, size, _ in map(split, table.splitlines()[1:])]
    held_out = np.load(folder / "test/features.npy")[:, 0].tolist()
    latest = sorted(rows)[-len(held_out) :]
    assert sorted(held_out) == sorted(size for _, size in latest)
    assert len(held_out) == pytest.approx(50, abs=2)
    assert latest[0][0] > sorted(rows)[-len(held_out) - 1][0], "all rows of a day, or none"


def test_numbers_that_float32_merges_are_in_order_of_time(prepared):
    rows = [f"{1_700_000_000 + row},{row % 7},{'ab'[row % 2]}" for row in range(100)]
    folder = prepared(
        "at,x,outcome\n" + "\n".join(rows) + "\n",
        header=True, label="outcome", time="at", test_size=0.1,
    )  # fmt: skip
    assert np.load(folder / "test/features.npy")[:, 0].tolist() == [
        row % 7 for row in range(90, 100)
    ]
    times = open_dataset(folder / "train").groups
    assert times is not None
    assert times.in_time
    assert times.of_rows.tolist() == list(range(90))


GAP = "patient,size,outcome\np1,1,a\n,2,b\np2,3,a\np3,4,b\n"


def test_a_row_without_a_group_is_refused_or_dropped(prepared):
    with pytest.raises(UserError, match=r"row 3, column patient: .*missing"):
        prepared(GAP, header=True, label="outcome", group="patient")
    folder = prepared(GAP, header=True, label="outcome", group="patient", missing="drop")
    assert len(open_dataset(folder / "train")) == 3


def test_a_group_that_is_written_in_two_ways_is_told(prepared, capsys):
    prepared(GAP.replace("\n,", "\nP1,"), header=True, label="outcome", group="patient")
    assert "column patient: 'p1' and 'P1' count as two values" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"group": "who"}, "prepare.group: no column 'who' among"),
        ({"group": "outcome"}, "prepare.group: is the label"),
        (
            {"group": "patient", "features": ["patient", "size"]},
            "includes the column in prepare.group",
        ),
        ({"time": "size", "text": ["size"]}, "prepare.text: includes the column in prepare.time"),
        (
            {"group": "patient", "numbers": {"patient": "1,234.5"}},
            "prepare.numbers: includes the column in prepare.group",
        ),
        ({"time": "day"}, "row 2, column day: found '20.*, expected a number"),
        ({"time": "day", "dates": {"day": "%d.%m.%Y"}}, "expected a date written like 28.02.2001"),
    ],
)
def test_a_column_that_cannot_tell_is_named(prepared, wanted, message):
    with pytest.raises(UserError, match=message):
        prepared(table_of(10, 3), **settings(**wanted))


def test_group_and_time_exclude_each_other(project):
    folder = project(prepare={"group": "patient", "time": "day"})
    with pytest.raises(UserError, match="prepare: group and time exclude each other"):
        load_params(folder / "params.yaml")


def test_what_is_written_of_grouped_rows_is_read_again(recipe, tmp_path):
    recipe = recipe.model_copy(update={"epochs": 1})
    of_rows = np.random.default_rng(3).integers(30, size=200).astype(np.int32)
    folds = Crossval(folds=4, repeats=2, probabilities=True, seed=1)
    for in_time in (False, True):
        found, probabilities, _ = crossval.cross_validate(
            dataset(Groups(of_rows, in_time)), folds, recipe
        )
        assert (len(found.numbers) < 200) == in_time
        assert probabilities.shape[1] == len(found.numbers)
        assert probabilities.sum(axis=-1) == pytest.approx(1, abs=1e-5)
        write_out_of_fold(found, probabilities, ["a", "b"], tmp_path / "found.csv")
        read = read_out_of_fold(tmp_path / "found.csv")
        assert np.array_equal(read.models, found.models)
        assert np.array_equal(read.numbers, found.numbers)
        assert read.spread("accuracy") == found.spread("accuracy")
        assert found.units is not None
        assert len(np.unique(found.units)) == (4 if in_time else 30)


def test_who_a_patient_is_tells_nothing_of_others(recipe):
    """Numbers that only say who it is: known from other visits, they give the class away."""
    rng, of_rows = np.random.default_rng(5), np.repeat(np.arange(40, dtype=np.int32), 5)
    features = rng.normal(size=(40, 6))[of_rows].astype(np.float32)
    labels = np.eye(2, dtype=np.uint8)[rng.integers(2, size=40)[of_rows]]
    enough = recipe.model_copy(
        update={"epochs": 60, "learning_rate": 0.01, "hidden": [16], "validation_fraction": 0.0}
    )
    folds, found = Crossval(folds=5, repeats=2, probabilities=True, seed=1), {}
    for groups in (None, Groups(of_rows)):
        answers, _, _ = crossval.cross_validate(
            Dataset(features, labels, groups=groups), folds, enough
        )
        found[groups is None] = share_interval(answers.spread("accuracy"))
    assert found[True].low > 0.9
    assert found[False].low < 0.5 < found[False].high + 0.05


def test_variances_are_of_groups():
    """Spelled out: of the sums of groups."""
    rng = np.random.default_rng(0)
    units, models = np.repeat(np.arange(6), 5), np.repeat(np.arange(6) % 3, 5)[None]
    scores = rng.random((1, 30))
    found = spread(scores, models, units)
    sums = [(scores[0, units == unit] - scores.mean()).sum() / 30 for unit in range(6)]
    of_models = [sum(sums[unit] for unit in (model, model + 3)) for model in range(3)]
    assert found.by_rows == pytest.approx(6 / 5 * sum(each**2 for each in sums))
    expected = sum(each**2 for each in of_models) - sum(each**2 for each in sums)
    assert found.by_models == pytest.approx(max(0, expected))
    assert (found.rows, found.units, found.independent) == pytest.approx((30, 6, 6))
    one_each = spread(scores, models, np.arange(30))
    alone = spread(scores, models)
    assert one_each.variance == pytest.approx(alone.variance)
    same = of_the_same_rows(scores[0], alone, alone, units)
    assert same.by_rows == pytest.approx(found.by_rows)


SIZES = {
    "log-normal": lambda rng: np.maximum(1, rng.lognormal(2, 1.5, 30)).astype(int),
    "one has two rows of five": lambda _: np.r_[193, np.full(29, 10)],
    "ten sites": lambda _: np.r_[400, 200, 100, 50, 50, np.full(5, 25)],
}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_intervals_hold_where_groups_are_of_different_sizes(sizes):
    """As many degrees of freedom as groups, and their plain squares: 82 to 89 of 100 held."""
    rng, holds = np.random.default_rng(0), 0
    for _ in range(400):
        units = np.repeat(np.arange(len(size := sizes(rng))), size)
        share_right = rng.beta(4, 1.5, len(size))[units]
        right = (rng.random(len(units)) < share_right).astype(float)
        models = np.stack([rng.permutation(len(size))[units] % 5 + 5 * r for r in range(2)])
        interval = share_interval(spread(np.tile(right, (2, 1)), models, units))
        holds += interval.low <= 4 / 5.5 <= interval.high
    assert holds / 400 >= 0.93


def test_a_group_with_almost_all_rows_leaves_intervals_wide_and_finite():
    units = np.repeat(np.arange(11), [270, *[3] * 10]).astype(np.int32)
    rng, models = np.random.default_rng(0), np.stack([units % 2, 2 + units % 2])
    found = spread(rng.exponential(size=(2, 300)) * (1 + 50 * (units == 3)), models, units)
    for interval in (loss_interval(found), loss_interval(found, of_one=True)):
        assert 0 <= interval.low < interval.mean / 2
        assert interval.mean * 2 < interval.high < np.inf


def simulated(rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return what 300 rows of 30 patients got in 4 repeats of 5 folds, of one recipe, twice.

    Patients are more or less easy, models more or less good; and their models, and the patients.
    """
    units = np.repeat(np.arange(30), 10)
    ease = rng.normal(0, 1.5, 30)
    dealt = [rng.permutation(np.arange(30) % 5)[units] + 5 * repeat for repeat in range(4)]
    models, sides = np.stack(dealt), []
    for _ in range(2):
        hard = rng.normal(0, 0.5, 30) + ease  # in its own way
        skill = rng.normal(0, 0.3, 20)[models]
        right = rng.random(models.shape) < 1 / (1 + np.exp(-(1 + hard[units] + skill)))
        sides.append(right.astype(float))
    return sides, models, units


def test_intervals_hold_where_patients_differ_and_those_of_rows_do_not():
    rng = np.random.default_rng(0)
    truth = np.mean([simulated(rng)[0][0].mean() for _ in range(3000)])
    holds = {"groups": 0, "rows": 0}
    for _ in range(400):
        (scores, _), models, units = simulated(rng)
        for name, of in (("groups", units), ("rows", None)):
            interval = share_interval(spread(scores, models, of))
            holds[name] += interval.low <= truth <= interval.high
    assert holds["groups"] / 400 >= 0.93
    assert holds["rows"] / 400 <= 0.88


def test_a_recipe_is_seldom_told_apart_from_itself_where_patients_differ():
    rng, alarms = np.random.default_rng(1), {"groups": 0, "rows": 0}
    for _ in range(400):
        (one, other), models, units = simulated(rng)
        for name, of in (("groups", units), ("rows", None)):
            interval = difference_interval(spread(other - one, models, of))
            alarms[name] += not interval.low <= 0 <= interval.high
    assert alarms["groups"] / 400 <= 0.06
    assert alarms["rows"] / 400 >= 0.1


def test_the_best_of_many_is_chosen_by_other_patients():
    rng, units = np.random.default_rng(0), np.repeat(np.arange(15), 20)
    naive, by_rows, by_groups = [], [], []
    for _ in range(40):
        scores = (rng.random((50, 15)) < 0.5)[:, units].astype(float)
        naive.append(scores.mean(axis=1).max())
        by_rows.append(worth_of_best(scores))
        by_groups.append(worth_of_best(scores, units))
    assert np.mean(naive) > 0.75
    assert np.mean(by_rows) > 0.7, "drawn one by one, all patients are known"
    assert np.mean(by_groups) == pytest.approx(0.5, abs=0.05)


class SameTable:
    """As much of a dvc.lock as says that both sides were tested on the same rows."""

    def table(self) -> str:
        return "iris"

    choice_of_rows = table

    def code(self, *_: str) -> dict[str, str]:
        return {}

    def __init__(self, **params: str) -> None:
        self.of_prepare = {f"prepare.{name}": value for name, value in params.items()}

    def params(self, *_: str) -> dict[str, str]:
        return self.of_prepare


def test_a_comparison_goes_by_the_groups_of_either_side():
    rng = np.random.default_rng(0)
    (one, other), models, units = simulated(rng)
    rows = np.arange(len(units))
    of_groups, of_rows = (
        OutOfFold(rows * 0, (scores > 0).astype(np.int32), scores, dealt, rows, of)
        for scores, dealt, of in ((one, models, units), (other, rng.permuted(models, axis=1), None))
    )
    grouped: Any = SameTable(group="patient")
    lock: Any = SameTable()
    sides = Side("one", of_groups, grouped), Side("other", of_rows, lock)
    there, back = (change_of("loss", *pair).difference for pair in (sides, sides[::-1]))
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    of_both, of_one = " ".join(how_tested(*sides)), " ".join(how_tested(sides[0], sides[0]))
    assert "by groups of rows" in of_both
    assert "prepare.group differs, patient and none: one test may be harder" in of_both
    assert "harder" not in of_one
    in_time: Any = SameTable(time="day")
    stretches = " ".join(how_tested(Side("one", of_groups, in_time), sides[1]))
    assert "by stretches of time and by" in stretches
    assert "by rows and by" in " ".join(how_tested(sides[1], sides[1]))
