"""Every planted defect is found, and nothing where there is none."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import yaml

from classifier.findings.finding import Finding, worst_first
from classifier.findings.of_model import Results, of_model
from classifier.findings.of_other_sets import of_one_answer
from classifier.findings.of_table import BINS, halves, of_other_rows, of_table, rows_told
from classifier.findings.summary import headline, summary, to_markdown
from classifier.params import load_params
from classifier.preparing.belonging import are_names
from classifier.rows.dataset import Dataset, open_dataset
from classifier.rows.groups import Groups
from classifier.scoring import repeated
from classifier.table.schema import Schema
from tests.conftest import ROOT

ROWS = 200


@pytest.fixture
def table() -> pd.DataFrame:
    """Two classes, half of the rows each, that two columns tell apart well, but not always."""
    rng = np.random.default_rng(1)
    label = rng.permutation(np.repeat(["yes", "no"], ROWS // 2))
    columns = rng.normal(size=(ROWS, 2)) + 2 * (label == "yes")[:, None]
    return pd.DataFrame({"x": columns[:, 0], "y": columns[:, 1], "label": label}).round(4)


@pytest.fixture
def found(prepared):
    """Returns what is found in a table, level and words."""

    def found(table: pd.DataFrame, is_scaled: bool = False, **settings: Any) -> list[str]:
        folder = prepared(table.to_csv(index=False), label="label", header=True, **settings)
        oddities = json.loads((folder / "oddities.json").read_text())
        schema = Schema.load(folder / "schema.json")
        return [
            f"{finding.level}: {finding.seen}; {finding.advice}"
            for finding in of_table(schema, open_dataset(folder / "train"), oddities, is_scaled)
        ]

    return found


def told_by(
    inputs: npt.NDArray[np.float32],
    classes: npt.NDArray[np.intp],
    parts: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]],
) -> float:
    return max(float(rows_told(inputs, classes, parts, bins).mean()) for bins in BINS)


def test_nothing_is_found_in_a_good_table(found, table):
    assert found(table) == []


def test_a_constant_column(found, table):
    (line,) = found(table.assign(same=7, word="p"))
    assert line.startswith("note: the same value in every training row: same, word; prepare.ex")


def test_ranges_that_differ_a_thousandfold_without_scale(found, table):
    wide = table.assign(x=table.x * 10_000)
    (line,) = found(wide)
    assert line.startswith("warning: x spans ")
    assert line.endswith("; set train.scale: standard")
    assert found(wide, is_scaled=True) == []


def test_a_number_that_is_far_wider_than_texts_without_scale(found, table):
    """Of which each category is an input of 0 or 1."""
    wide = table.assign(word=np.where(np.arange(ROWS) % 3, "v", "w"), x=table.x * 10_000)[
        ["x", "word", "label"]
    ]
    (line,) = found(wide)
    assert line.startswith("warning: x spans ")
    assert "word only 1: a network" in line


def test_a_column_of_one_value_and_gaps_is_not_constant(prepared, table):
    some = table.assign(word=np.where(np.arange(ROWS) % 2, "w", ""))
    folder = prepared(some.to_csv(index=False), label="label", header=True, missing="impute")
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    assert list(of_table(schema, train, [], is_scaled=True)) == []


def test_a_class_with_most_of_the_rows(found, table):
    rare = table[(table.label == "yes") | (np.arange(ROWS) < 10)]
    (line,) = found(rare)
    assert line.startswith("warning: 9")
    assert "of the rows are yes: accuracy says little; look at macro F1" in line


def test_an_index_is_an_oddity_that_prepare_has_told(found, table):
    (line,) = found(table.assign(id=range(ROWS)), is_scaled=True)
    assert line == (
        "warning: column id: counts the rows; if it only identifies the row, add "
        "it to prepare.exclude"
    )


def test_a_column_that_alone_gives_the_label_away(found, table):
    told = "warning: column {} alone predicts the class of 100.0% of rows; is it known before"
    coded = table.assign(code=np.where(table.label == "yes", "p", "q"))
    (line,) = found(coded)
    assert line.startswith(told.format("code"))
    rng = np.random.default_rng(2)
    number = np.where(table.label == "yes", 5, 1) + rng.random(ROWS)
    (line,) = found(table.assign(number=number))
    assert line.startswith(told.format("number"))


@pytest.mark.parametrize("rows", [ROWS, 20_000])
def test_it_does_in_a_table_where_classes_take_turns_too(found, rows):
    turns = pd.DataFrame({"x": np.arange(rows) % 2 + 0.1, "label": np.arange(rows) % 2})
    assert any("column x alone predicts the class" in line for line in found(turns, is_scaled=True))


def days_of_visits(rows: int) -> npt.NDArray[np.intp]:
    """Return the days on which patients come, in no order that tells who they are."""
    return np.random.default_rng(6).permutation(rows)


@pytest.mark.parametrize(("before", "after"), [("", ""), ("s", ""), ("", ".0")])
def test_a_column_that_names_what_rows_are_of(found, table, before, after):
    patients = np.arange(ROWS) // 4
    names = pd.Series(patients, table.sort_values("label").index).astype(str)
    yes = (table.label == "yes").to_numpy()
    of_rows = table.assign(patient=before + names + after)
    lines = found(of_rows)
    assert any("alone predicts" in line and line.endswith("set prepare.group") for line in lines)
    (line,) = found(of_rows, exclude=["patient"])
    assert line == (
        "warning: column patient: is left out, but almost all rows with the same value have one "
        "class; if it names what rows are of, as patients, set prepare.group"
    )
    assert found(of_rows, group="patient") == []
    told = "column patient: almost all rows with the same value have one class"
    assert told in str(found(of_rows.assign(day=days_of_visits(ROWS)), time="day"))
    for values in (yes, np.arange(ROWS), np.arange(ROWS) // 4, np.full(ROWS, 7)):  # label, row, any
        assert found(table.assign(other=values), exclude=["other"]) == []


def test_more_persons_than_bins_are_found_by_their_numbers(found):
    rng, persons = np.random.default_rng(0), np.repeat(np.arange(1_500), 8)
    label = np.where(rng.random(1_500) < 0.5, "p", "q")[persons]
    of_rows = pd.DataFrame({"x": rng.normal(size=12_000), "pid": rng.permutation(10**6)[persons]})
    lines = found(of_rows.assign(label=label).sample(frac=1, random_state=0), is_scaled=True)
    (line,) = [line for line in lines if "column pid" in line]
    assert "alone predicts the class of" in line
    assert line.endswith("set prepare.group")


def test_groups_that_are_themselves_of_one_patient_are_found(found):
    """Visits, where the class is that of the patient."""
    rng, visits = np.random.default_rng(0), np.repeat(np.arange(400), 4)
    patients, label = visits // 4, np.where(rng.random(100) < 0.5, "yes", "no")
    of_rows = pd.DataFrame({"x": rng.normal(size=1_600), "visit": visits, "patient": patients})
    of_rows = of_rows.assign(label=label[patients]).sample(frac=1, random_state=0)
    told = "almost all rows with the same value have one class; if it names what rows are of, as"
    for exclude, words in (([], told), (["patient"], f"is left out, but {told}")):
        (line,) = found(of_rows, group="visit", exclude=exclude, is_scaled=True)
        assert line.startswith(f"warning: column patient: {words}")
    assert not found(of_rows, group="patient", exclude=["visit"], is_scaled=True)


@pytest.mark.parametrize("exclude", [[], ["who"]])
@pytest.mark.parametrize("prefix", ["", "p"])
def test_persons_of_two_rows_among_others_of_one_are_found(found, exclude, prefix):
    rng, persons = np.random.default_rng(0), np.concatenate([np.arange(600), np.arange(400)])
    label = np.where(rng.random(600) < 0.5, "yes", "no")[persons]
    names = [f"{prefix}{number}" for number in rng.permutation(10**5)[persons]]
    of_rows = pd.DataFrame({"x": rng.normal(size=1_000), "who": names, "label": label})
    lines = found(of_rows.sample(frac=1, random_state=0), exclude=exclude, is_scaled=True)
    (line,) = [line for line in lines if "column who" in line and "look" not in line]
    told = "is left out, but" if exclude else "where its values repeat (80.0% of rows), alone predi"
    assert told in line
    assert line.endswith("set prepare.group")


def test_persons_are_found_in_a_sample_of_which_alone_it_tells(found, monkeypatch):
    """Of the three rows of a person, a sample may have one."""
    monkeypatch.setattr("classifier.findings.of_table.ROWS", 2_000)
    rng = np.random.default_rng(0)
    persons = np.repeat(rng.permutation(10**5)[:2_000], 3)
    label = np.where(persons % 7 < 3, "yes", "no")
    of_rows = pd.DataFrame({"x": rng.normal(size=6_000), "who": persons, "label": label})
    lines = found(of_rows.sample(frac=1, random_state=0), is_scaled=True)
    (line,) = [line for line in lines if "column who" in line]
    assert "column who, where its values repeat in a sample of 1," in line
    assert line.endswith("set prepare.group")


@pytest.mark.parametrize(
    ("value", "is_name"), [("907,{:03}", True), ("{}.0", True), ("{}.5", False), ("{},5", False)]
)
def test_whole_numbers_may_be_names_and_fractions_are_none(value, is_name):
    assert are_names([value.format(n // 4 + 100) for n in range(100)], classes=2) == is_name


def test_a_column_that_names_what_rows_are_of_in_a_long_table_that_is_sorted(found):
    """The first ten thousand rows are of seven machines, and of one class."""
    rng, machines = np.random.default_rng(0), np.arange(36_000) // 1_500
    label = np.where(machines < 12, "fine", "worn")
    of_rows = pd.DataFrame({"x": rng.normal(size=36_000), "machine": machines, "label": label})
    (line,) = [line for line in found(of_rows, exclude=["machine"]) if "machine" in line]
    assert line.startswith("warning: column machine: is left out, but almost all rows with the ")


@pytest.mark.parametrize(("spread", "is_told"), [(0.1, True), (2, False)])
@pytest.mark.parametrize("exclude", [[], ["patient"]])
def test_a_column_that_names_what_rows_are_of_by_rows_that_are_alike(
    found, table, spread, is_told, exclude
):
    rng, patients = np.random.default_rng(5), np.arange(ROWS) // 5
    alike = rng.normal(size=(ROWS // 5, 2))[patients] + spread * rng.normal(size=(ROWS, 2))
    of_rows = table.assign(x=alike[:, 0], y=alike[:, 1], patient=patients).sample(frac=1)
    told = [line for line in found(of_rows, exclude=exclude) if "patient" in line]
    assert told == is_told * [
        "warning: column patient: rows with the same value are much alike; if it names what rows "
        "are of, as patients, set prepare.group"
    ]


def test_a_column_that_gives_the_label_away_where_it_has_a_value(found, table):
    rng = np.random.default_rng(3)
    yes, known = table.label == "yes", rng.random(ROWS) < 0.3
    told = "warning: column {}, where it has a value ({:.1%} of rows), alone predicts the class of"
    for name, values, is_known, times in (
        ("code", np.where(yes, "p", "q"), known, 1),
        ("cured", np.full(ROWS, "on 1 May"), known & yes, 1),
        ("rare", np.full(ROWS, "on 1 May"), yes & (yes.cumsum() <= 8), 0),
        ("word", rng.choice(["p", "q"], ROWS), known, 0),
    ):
        leaking = table.assign(**{name: np.where(is_known, values, "")}, pid=np.arange(ROWS) // 2)
        for by in ({"exclude": ["pid"]}, {"group": "pid"}):
            lines = found(leaking, missing="impute", **by)
            assert str(lines).count(told.format(name, is_known.mean())) == times, (name, by)


@pytest.mark.parametrize("bounds", [[50, 60, 70, 80, 90], [98]])
def test_a_number_that_classes_are_ranges_of_gives_them_away(found, bounds):
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 100, 3_000).round(1)
    grade = np.array([*"FEDCBA"])[np.digitize(score, bounds)]
    lines = found(pd.DataFrame({"score": score, "x": rng.normal(size=3_000), "label": grade}))
    assert "warning: column score alone predicts the class of" in str(lines)
    noisy = np.where(rng.random(3_000) < 0.05, rng.permutation(grade), grade)
    lines = found(pd.DataFrame({"score": score, "x": rng.normal(size=3_000), "label": noisy}))
    assert "alone predicts" not in str(lines)


def test_an_id_in_a_table_sorted_by_class_gives_the_label_away(found, table):
    by_class = table.sort_values("label", kind="stable")
    lines = found(by_class.assign(id=range(ROWS)), is_scaled=True)
    assert [line.split(" ")[2] for line in lines] == ["id:", "id"]


def test_a_number_that_is_drawn_tells_no_more_than_the_classes():
    rng = np.random.default_rng(0)
    inputs, classes = rng.random((10_000, 1)).astype(np.float32), rng.integers(2, size=10_000)
    parts = halves(classes, None)
    assert told_by(inputs, classes, parts) == pytest.approx(0.5, abs=0.03)
    inputs[::3] = np.nan
    assert told_by(inputs, classes, parts) == pytest.approx(0.5, abs=0.03)
    gaps = np.full((10, 1), np.nan, np.float32)
    assert told_by(gaps, classes[:10], halves(classes[:10], None)) <= 1


@pytest.mark.parametrize("in_time", [False, True])
def test_what_is_the_same_in_all_rows_of_a_group_tells_nothing_of_others(in_time):
    rng, of_rows = np.random.default_rng(0), np.repeat(np.arange(60, dtype=np.int32), 20)
    who, classes = rng.random((60, 1)).astype(np.float32), rng.integers(2, size=60)
    inputs, classes = who[of_rows], classes[of_rows]
    assert told_by(inputs, classes, halves(classes, None)) > 0.9
    parts = halves(classes, Groups(of_rows, in_time))
    assert told_by(inputs, classes, parts) < 0.7


def test_a_weekday_that_gives_the_class_away_is_found(prepared):
    days = [date(2024, 1, 1) + timedelta(n) for n in range(200)]
    rows = "".join(f"{day},{'ab'[day.weekday() > 4]}\n" for day in days)
    folder = prepared(f"day,y\n{rows}", header=True, label="y",
                      dates={"day": ["%Y-%m-%d", "weekday"]})  # fmt: skip
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    assert any("column day alone predicts" in one.seen for one in of_table(schema, train, [], True))


@pytest.mark.parametrize("by", ["group", "time"])
def test_noise_tells_nothing_where_all_rows_of_a_class_are_in_one_half(prepared, by):
    rng = np.random.default_rng(0)
    for pair in range(10):
        rows = "k,x,c,y\n"
        for row in range(200):
            noise = f"{rng.integers(3)},{'pq'[rng.integers(2)]}"
            rows += f"{row // 10},{noise},{'ab'[row // 20 == pair]}\n"
        folder = prepared(rows, header=True, label="y", **{by: "k"})
        schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
        assert not any("alone predicts" in one.seen for one in of_table(schema, train, [], True))


@pytest.mark.parametrize("known", [0.3, 0.7])
@pytest.mark.parametrize("values", [3, 1_000])
def test_a_number_that_is_known_of_one_class_alone_is_found(prepared, known, values):
    rng, rows = np.random.default_rng(0), "days,z,y\n"
    for n in range(1_000):
        days = rng.integers(values) if n < known * 1_000 else ""
        rows += f"{days},{rng.random():.3f},{'alive' if days == '' else 'dead'}\n"
    folder = prepared(rows, header=True, label="y", missing="impute")
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    told = [one.seen for one in of_table(schema, train, [], True) if "alone predicts" in one.seen]
    assert told == ["column days alone predicts the class of 100.0% of rows"]


def test_one_group_alone_tells_nothing_of_leaks(prepared):
    folder = prepared("p,x,y\n" + "".join(f"1,{n % 2},{'ab'[n % 2]}\n" for n in range(40)),
                      header=True, label="y", group="p")  # fmt: skip
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    assert not any("alone predicts" in one.seen for one in of_table(schema, train, [], True))


def test_copies_within_a_group_are_in_no_other_fold():
    features = np.repeat(np.arange(8, dtype=np.float32), 5)[:, None]
    labels = np.eye(2, dtype=np.uint8)[np.arange(40) // 5 % 2]
    together, apart = np.arange(40) // 5, np.arange(40) % 5
    for groups, copies in ((None, 40), (together, 0), (apart, 40)):
        data = Dataset(
            features, labels, groups=None if groups is None else Groups(groups.astype(np.int32))
        )
        assert repeated.count_copies(data) == copies
        assert repeated.count_like_others(data) == (copies, 0)


def test_copies_and_rows_that_contradict_each_other(found, table):
    few = pd.concat([table, table[:3]])
    (line,) = found(few)
    assert line.startswith("note: 6 of 203 rows are duplicates; remove any that are copies")
    other = table[:50].assign(label=np.where(table.label[:50] == "yes", "no", "yes"))
    (line,) = found(pd.concat([table, other]))
    assert line.startswith(
        "warning: 100 of 250 rows have the same features as a row of another class; no"
    )


def test_rows_like_others_are_counted_as_pair_by_pair(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.integers(3, size=(300, 3)).astype(np.float32)
    labels = np.eye(3, dtype=np.uint8)[rng.integers(3, size=300)]
    places = labels.argmax(axis=1).tolist()
    keys = [(*row, place) for row, place in zip(features.tolist(), places, strict=True)]
    copies = sum(keys.count(key) > 1 for key in keys)
    contradictory = sum(any(a[:3] == b[:3] and a[3] != b[3] for b in keys) for a in keys)
    data = Dataset(features, labels)
    assert repeated.count_like_others(data) == (copies, contradictory)
    monkeypatch.setattr(repeated, "BLOCK_CELLS", 30)
    assert repeated.count_like_others(data) == (copies, contradictory)


def test_of_a_rare_class_noise_tells_nothing_and_gaps_may(found):
    """As the most frequent class tells 99 of 100 rows, so does any column of noise."""
    rng, rows = np.random.default_rng(1), 4_000
    rare = np.where(np.arange(rows) % 95, "no", "yes")
    noise = pd.DataFrame({"x": rng.random(rows), "c": rng.choice(["p", "q"], rows), "label": rare})
    assert not [line for line in found(noise, is_scaled=True) if "alone predicts" in line]
    inputs = np.eye(2, dtype=np.float32)[rng.integers(2, size=100)]
    inputs[50:] = np.nan
    classes = np.arange(100) // 50
    assert told_by(inputs, classes, halves(classes, None)) == 1


def test_another_data_set_in_other_units(prepared, table):
    folder = prepared(table.to_csv(index=False), label="label", header=True)
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    assert list(of_other_rows(schema, "test", train)) == []
    features = np.array(train.features)
    features[:2, 1] *= 100
    assert list(of_other_rows(schema, "test", Dataset(features, train.labels))) == []
    features[:, 1] *= 100
    (later,) = of_other_rows(schema, "test", Dataset(features, train.labels), are_later=True)
    assert later.advice.startswith("these rows are later")
    (finding,) = of_other_rows(schema, "test", Dataset(features, train.labels))
    assert finding.seen.endswith("outside the range of the training data: y")
    (finding,) = of_other_rows(schema, "test", Dataset(features[:1], train.labels[:1]))
    assert finding.seen.endswith("outside the range of the training data: y")


def test_another_data_set_without_values_in_a_column(prepared, table):
    folder = prepared(table.to_csv(index=False), label="label", header=True)
    schema, train = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    features = np.array(train.features)
    features[:, 1] = np.nan
    (finding,) = of_other_rows(schema, "other", Dataset(features, train.labels))
    assert finding.seen == "no row of other has a value of y"
    assert not [*of_other_rows(schema, "other", Dataset(features[:9], train.labels[:9]))]


@pytest.mark.parametrize(("rows", "is_told"), [(8, True), (2, False)])
def test_another_data_set_with_texts_that_are_written_otherwise(prepared, rows, is_told):
    table = "c,d,y\n" + "red,m,a\nblue,f,b\n" * 40
    schema = Schema.load(prepared(table, label="y", header=True) / "schema.json")
    features = np.tile(np.array([1, 0, 0, 1], np.float32), (80, 1))
    features[:rows, :2] = 0  # as RED is, where unknown categories count as none
    features[rows:, :2] = np.nan
    found = [
        *of_other_rows(schema, "other", Dataset(features, np.eye(2, dtype=np.uint8)[[0] * 80]))
    ]
    seen = "other has many values that the training data does not have: c"
    assert [one.seen for one in found] == [seen] * is_told


RECIPE = load_params(ROOT / "params.yaml").train
AVERAGE = RECIPE.model_copy(update={"members": 10})


def ends(low: float, high: float, mean: float = 0.5) -> dict[str, float]:
    return {"mean": mean, "ci95_low": low, "ci95_high": high}


@pytest.fixture
def good() -> Results:
    """What is known of a classifier of which there is nothing to say."""
    better = {metric: ends(0.2, 0.4) for metric in ("accuracy", "balanced_accuracy")}
    crossval: dict[str, Any] = {
        "models": 20,
        "accuracy": ends(0.85, 0.95, 0.9),
        "loss": ends(0.3, 0.5, 0.4),
        "beside": {
            "shipped": {"accuracy": ends(0.82, 0.97)},
            "majority": better,
            "no_hidden_layer": better | {"loss": ends(-0.3, -0.1)},
        },
        "out_of_fold": {"confidence": 0.9},
    }
    return Results(
        classes=["yes", "no", "perhaps"],
        confusion=np.array([[9, 1, 0], [1, 9, 0], [0, 0, 10]]),
        train={"accuracy": 0.93, "rows": 300},
        crossval=crossval,
        history=pd.DataFrame({"loss": np.geomspace(1, 0.2, 100)}),
        recipe=RECIPE,
        others={},
    )


def told(results: Results) -> list[str]:
    return [str(finding) for finding in of_model(results)]


def beside(results: Results, name: str, **changes: Any) -> Results:
    """Return the results with something else beside the cross-validated model."""
    others = {**results.beside, name: {**results.beside[name], **changes}}
    return replace(results, crossval={**results.crossval, "beside": others})


def test_nothing_is_said_of_a_good_classifier(good):
    assert told(good) == []


def test_a_model_that_answers_one_class_only(good):
    (line,) = told(replace(good, confusion=np.array([[10, 0, 0]] * 3)))
    assert line.startswith("problem: it predicts yes for every row of its training data; train.me")
    (line,) = told(replace(good, confusion=np.array([[10, 0, 0]] * 3), recipe=AVERAGE))
    assert "try another train.seed" in line


def test_a_class_that_is_never_answered(good):
    (line,) = told(replace(good, confusion=np.array([[10, 0, 0], [0, 10, 0], [5, 5, 0]])))
    assert line.startswith(
        "warning: it never predicts perhaps for any row of its training data; see train"
    )


def test_no_better_than_the_most_frequent_class(good):
    nothing = ends(-0.01, 0.01, 0.897)
    (line,) = told(beside(good, "majority", accuracy=nothing, balanced_accuracy=nothing))
    assert line == (
        "problem: it is not clearly better than always predicting the most frequent class: "
        "accuracy 0.900 on rows left out, against 0.897, a difference of -0.010 to +0.010; "
        "the features may say nothing about the class"
    )
    rare = beside(good, "majority", accuracy=nothing, balanced_accuracy=nothing)
    (line,) = told(replace(rare, is_grouped=True))
    assert line.endswith("the class, or there are too few groups to tell")
    (line,) = told(replace(rare, in_time=True))
    assert line.endswith("the class, or there are too few stretches of time to tell")
    (line,) = told(replace(rare, confusion=np.array([[99, 0, 0], [0, 2, 0], [0, 0, 1]])))
    assert line.endswith("; only 3 rows of another class, too few to tell")
    (line,) = told(beside(good, "majority", accuracy=nothing))
    assert line.startswith("warning: by accuracy alone, it is not clearly better than alw")


def test_no_better_than_no_hidden_layer(good):
    alike = {"accuracy": ends(-0.1, 0.1, 0.89), "balanced_accuracy": ends(-0.1, 0.1)}
    (line,) = told(beside(good, "no_hidden_layer", **alike, loss=ends(-0.1, 0.1)))
    assert line.startswith(
        "note: hidden layers do not clearly help: accuracy 0.900 on rows left out"
    )
    (line,) = told(beside(good, "no_hidden_layer", **alike, loss=ends(0.05, 0.15, 0.3)))
    assert line.startswith(
        "note: hidden layers make it worse: loss 0.400 on rows left out, 0.300 without them, a "
        "difference of +0.050 to +0.150; "
    )
    of_rare = alike | {"balanced_accuracy": ends(0.01, 0.2), "loss": ends(-0.1, 0.1)}
    assert not told(beside(good, "no_hidden_layer", **of_rare))


def test_a_bad_start_and_rows_known_by_heart(good):
    (line,) = told(replace(good, train={"accuracy": 0.6, "rows": 300}))
    assert line.startswith("problem: the model that ships had a bad start: accuracy 0.600 on")
    assert not told(replace(good, train={"accuracy": 0.6, "rows": 300}, in_time=True))
    (line,) = told(replace(good, train={"accuracy": 1.0, "rows": 300}, crossval={
        **good.crossval, "accuracy": ends(0.8, 0.88, 0.84)}))  # fmt: skip
    assert line.startswith("warning: it does worse on rows left out: accuracy 1.000")


def test_starts_of_which_some_lead_nowhere(good):
    (line,) = told(beside(good, "shipped", accuracy=ends(0.5, 1)))
    assert line.startswith(
        "note: a single model may score anywhere from 0.500 to 1.000, depending on its start"
    )
    failed = replace(good, crossval={**good.crossval, "models_of_one_answer": 1})
    (line,) = told(failed)
    assert line.startswith("warning: 1 of 20 cross-validated models predict one class for all rows")
    (line,) = told(replace(failed, in_time=True))
    assert line.endswith("; see metrics/folds.csv: the first were trained on the fewest rows")


def test_few_models(good):
    (line,) = told(replace(good, crossval={**good.crossval, "models": 5}))
    assert line.startswith(
        "note: only 5 cross-validated models: the intervals are rough; raise cross"
    )


def test_a_training_that_ended_too_soon(good):
    unsure = {**good.crossval, "out_of_fold": {"confidence": 0.7}}
    (line,) = told(replace(good, crossval=unsure))
    assert line.startswith(
        "note: it underfits: its loss was still falling, and its mean confidence, 0.700, is"
    )
    lucky = {**unsure, "accuracy": ends(0.78, 0.85, 0.81)}
    found = told(replace(good, crossval=lucky, train={"accuracy": 0.96, "rows": 300}))
    assert len(found) == 2
    assert found[0].endswith("; its start was better than most; train.members: 10 averages ten ne"
                             "tworks"), "not that it overfits"  # fmt: skip
    settled = pd.DataFrame({"loss": [1.0] + [0.2] * 99})
    assert told(replace(good, crossval=unsure, history=settled)) == []


@pytest.mark.parametrize(
    ("settings", "underfits", "overfits", "never"),
    [
        ({}, "more train.epochs or a larger train.learning_rate",
         "fewer train.epochs, train.patience or a smaller train.hidden",
         "see train.class_weight and train.epochs"),
        ({"patience": 5, "validation_fraction": 0.2},
         "more train.epochs and train.patience or a larger train.learning_rate",
         "fewer train.epochs, less train.patience or a smaller train.hidden",
         "see train.class_weight and train.epochs"),
        ({"hidden": [], "class_weight": "balanced"},
         "more train.epochs or a larger train.learning_rate",
         "fewer train.epochs, train.patience", "see train.epochs"),
    ],
)  # fmt: skip
def test_advice_can_be_followed(good, settings, underfits, overfits, never):
    good = replace(good, recipe=RECIPE.model_copy(update=settings))
    unsure = {**good.crossval, "out_of_fold": {"confidence": 0.7}}
    worse = {**good.crossval, "accuracy": ends(0.8, 0.88, 0.84)}
    by_heart = replace(good, train={"accuracy": 1.0, "rows": 300}, crossval=worse)
    two = replace(good, confusion=np.array([[10, 0, 0], [0, 10, 0], [5, 5, 0]]))
    for results, advice in (
        (replace(good, crossval=unsure), underfits), (by_heart, overfits), (two, never),
    ):  # fmt: skip
        (line,) = told(results)
        assert line.endswith(advice)


def test_without_any_other_rows_nothing_is_known(good):
    (line,) = told(replace(good, crossval={"models": 0}))
    assert line.startswith("warning: it was evaluated only on its training data; set cross")
    other = {"test": np.array([[30, 0, 0], [0, 28, 2], [3, 0, 27]])}
    held_out = replace(good, crossval={"models": 0}, others=other)
    assert told(held_out) == []
    (line,) = told(replace(held_out, is_grouped=True))
    assert line.startswith("warning: rows of a group, or of a stretch of time, vary together: how")


@pytest.mark.parametrize(
    ("confusion", "lines"),
    [
        ([[27, 3, 0], [3, 27, 0], [0, 0, 30]], []),
        ([[0, 2, 0], [2, 0, 0], [0, 0, 1]], ["new: accuracy 0.200, {}; {}"]),
        ([[1, 0, 0], [0, 1, 0], [1, 0, 0]], []),  # chance may be right once in three rows
    ],
)
def test_a_data_set_on_which_it_is_worse_than_was_said(good, confusion, lines):
    crossval = ("0.900 on rows left out in cross-validation", "are its columns and classes those ")
    training = ("0.930 on its training data", "unless the rows differ, it overfits: try fewer tr")
    others = {"new": np.array(confusion)}
    for results, words in ((good, crossval), (replace(good, crossval={"models": 0}), training)):
        found = [line for line in told(replace(results, others=others)) if "worse" in line]
        expected = ["warning: it does worse on " + line.format(*words) for line in lines]
        assert [line[: len(expected[0])] for line in found] == expected


@pytest.mark.parametrize(
    ("confusion", "line"),
    [
        ([[51, 49], [51, 49]], "problem: it is not clearly better than always predicting the most "
         "frequent class: accuracy 0.500 on test, against 0.500; the features may say"),
        ([[150, 30], [4, 16]], "warning: by accuracy alone, it is not clearly better than always"),
        ([[4, 2], [1, 3]], "problem: it is not clearly better than always"),
        ([[60, 40], [30, 70]], ""),
        ([[60, 40], [0, 0]], "warning: it was evaluated only on its training data and on rows of "
         "one class, which one answer for all gets right; set crossval.folds or prepare.test_size"),
    ],
)  # fmt: skip
def test_rows_held_out_for_which_one_answer_would_do(good, confusion, line):
    held_out = replace(good, classes=["a", "b"], confusion=np.array([[70, 30], [30, 70]]),
                       train={"accuracy": 0.7, "rows": 200}, crossval={"models": 0},
                       others={"test": np.array(confusion)})  # fmt: skip
    found = [each for each in told(held_out) if "does worse" not in each]
    assert [each[: len(line)] for each in found] == [line] * bool(line)
    known = replace(held_out, crossval=good.crossval)
    assert not [each for each in told(known) if "clearly better" in each], "folds tell it better"


@pytest.mark.parametrize(
    ("confusion", "level"), [([[20, 60], [10, 10]], "problem"), ([[30, 60], [0, 10]], "warning")]
)
def test_without_cross_validation_one_answer_for_all_may_be_better(good, confusion, level):
    found = np.array(confusion)
    accuracy = found.diagonal().sum() / 100
    (line,) = told(replace(
        good, classes=["a", "b"], confusion=found, crossval={"models": 0},
        others={"test": np.array([[30, 5], [5, 30]])}, train={"accuracy": accuracy, "rows": 100},
    ))  # fmt: skip
    of_all = found[0].sum() / 100
    assert line.startswith(f"{level}: even on its training data, its accuracy is "
                           f"{accuracy:.3f}, below the {of_all:.3f} of always")  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "rows"), [([0.5, 0.5], 60), ([0.8, 0.2], 100), ([0.1] * 10, 90)]
)
def test_of_guesses_on_rows_held_out_hardly_any_pass(shares, rows):
    """2.5% would by accuracy, and as many by balanced accuracy."""
    rng, classes, passed = np.random.default_rng(4), len(shares), 0
    for _ in range(1_000):
        answers = rng.choice(classes, rows, p=rng.dirichlet(np.full(classes, 2.0)))
        confusion = np.zeros((classes, classes), int)
        np.add.at(confusion, (rng.choice(classes, rows, p=shares), answers), 1)
        passed += not [one for one in of_one_answer("test", confusion) if one.level == "problem"]
    assert passed <= 50


def test_the_summary_has_five_lines_and_is_a_list_in_yaml_too(prepared, table, good):
    folder = prepared(table.to_csv(index=False), label="label", header=True)
    schema = Schema.load(folder / "schema.json")
    findings = worst_first(
        [Finding("note", "model", "a: b #c", "d")] * 3 + [Finding("problem", "table", "e", "f")]
    )
    lines = summary(schema, {"train": {"rows": ROWS, "accuracy": 0.9}}, good.crossval, findings)
    assert lines == [
        "predicts label (2 classes) from 2 columns; 200 training rows",
        "accuracy on rows left out: 0.900 (0.850 to 0.950); 0.500 for always predicting "
        "the most frequent class, 0.500 without hidden layers",
        "problem: e; f",
        "note: a: b #c; d",
        "2 more findings in metrics/findings.json; see `classifier report`",
    ]
    read = yaml.safe_load(to_markdown(lines))
    assert [line.replace("\u00a0", " ") for line in read] == lines
    assert headline(good.crossval) == {"accuracy": 0.9, "low": 0.85, "high": 0.95}
    assert headline({"models": 0}) == {}


def test_the_last_words_of_a_run_are_those_of_the_summary(reproduced, copied):
    said = copied.stage("evaluate").stdout
    written = copied.read("metrics/summary.md").replace("\u00a0", " ")
    assert "".join(f"- {line}\n" for line in said.splitlines()) == written
    assert said.splitlines()[0] == "predicts species (3 classes) from 4 columns; 150 training rows"
    assert len(said.splitlines()) == 5
    findings = json.loads(reproduced.read("metrics/findings.json"))
    assert {finding["level"] for finding in findings} == {"note"}
    shown = json.loads(copied.dvc("metrics", "show", "--json"))[""]["data"]
    assert shown["metrics/summary.md"] == shown["metrics/findings.json"] == {"data": {}}


def test_findings_are_read_of_a_run_alone(copied):
    (copied.path / "metrics/crossval.json").unlink()
    failed = copied.stage("evaluate", check=False)
    assert failed.stderr.splitlines()[-1].startswith("error: metrics/crossval.json: no such file")
    assert Path(copied.path / "metrics/summary.md").exists()
