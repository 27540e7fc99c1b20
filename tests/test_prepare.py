"""prepare: tables to arrays; held-out rows are stratified to the row."""

import json
from pathlib import Path

import numpy as np
import pytest

from classifier import table
from classifier.errors import UserError
from classifier.split import StratifiedSampler, stratified_quotas
from stages import prepare
from tests.conftest import ROOT

IRIS = (ROOT / "data/source/iris.data").read_text()


@pytest.fixture
def prepared(project):
    """Prepares a table and returns the folder with the result."""

    def prepared(text: str, **settings: object) -> Path:
        folder: Path = project(prepare=settings)
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data/raw.csv").write_text(text, encoding="utf-8")
        prepare.main()
        return folder / "data/prepared"

    return prepared


def load(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    return np.load(folder / split / "features.npy"), np.load(folder / split / "labels.npy")


def test_held_out_rows_are_stratified_and_leave_the_others_in_order(prepared):
    folder = prepared(IRIS, test_size=0.2)
    (train, train_labels), (test, test_labels) = load(folder, "train"), load(folder, "test")
    assert train_labels.sum(axis=0).tolist() == [40, 40, 40]
    assert test_labels.sum(axis=0).tolist() == [10, 10, 10]
    everything = sorted(map(tuple, load(prepared(IRIS), "train")[0].tolist()))
    assert sorted(map(tuple, np.concatenate([train, test]).tolist())) == everything


def test_the_seed_decides_which_rows_are_held_out(prepared):
    first = load(prepared(IRIS, test_size=0.2, seed=1), "test")[0]
    again = load(prepared(IRIS, test_size=0.2, seed=1), "test")[0]
    other = load(prepared(IRIS, test_size=0.2, seed=2), "test")[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_test_split_remains_from_an_earlier_run(prepared):
    prepared(IRIS, test_size=0.2)
    folder = prepared(IRIS, test_size=0.0)
    assert sorted(path.name for path in folder.iterdir()) == ["preview.csv", "schema.json", "train"]


def test_a_table_longer_than_a_chunk_is_prepared_the_same(prepared, monkeypatch):
    whole = load(prepared(IRIS), "train")
    monkeypatch.setattr(table, "CHUNK_ROWS", 7)
    assert all(map(np.array_equal, whole, load(prepared(IRIS), "train")))
    assert load(prepared(IRIS, test_size=0.2), "test")[1].sum(axis=0).tolist() == [10, 10, 10]


def test_a_header_row_names_the_columns_and_any_may_be_the_label(prepared):
    folder = prepared("kind,size\nb,1\na,2.5\nb,3\n", header=True, label="kind")
    schema = json.loads((folder / "schema.json").read_text())
    assert (schema["features"], schema["classes"]) == (["size"], ["b", "a"])
    assert load(folder, "train")[0].tolist() == [[1.0], [2.5], [3.0]]


@pytest.mark.parametrize(
    ("label", "classes"), [(0, ["x", "y"]), (-1, ["2", "1"]), ("2", ["2", "1"])]
)
def test_without_a_header_columns_go_by_position(prepared, label, classes):
    text = "x,1,2\ny,3,1\n" if label == 0 else "8,1,2\n9,3,1\n"
    folder = prepared(text, header=False, label=label)
    assert json.loads((folder / "schema.json").read_text())["classes"] == classes


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("", {}, "data/raw.csv: is empty"),
        ("1,2,a\n", {"header": ["x", "y"]}, "has 3 columns, prepare.header names 2"),
        ("1,2,a\n3,4,a\n", {"header": False, "label": 2}, "has one class"),
        (
            "1,2,a\n3,4,b\n",
            {"header": False, "label": 3},
            "prepare.label: no column 3 among 0, 1, 2",
        ),
        ("1,2,a\n3,4,b\n", {"header": False, "label": "y"}, "prepare.label: no column 'y'"),
        (
            "1,2,a\n\n3,x,b\n",
            {"header": False, "label": 2},
            "row 3, column 1: found 'x', expected a number",
        ),
        (
            "n,k\n1,a\n,b\n",
            {"header": True, "label": "k"},
            "row 3, column n: found '', expected a number",
        ),
        ("n,k\n1,a\n1e999,b\n", {"header": True, "label": "k"}, "row 3, column n: found '1e999'"),
        ("n,k\n1,a\n2,\n", {"header": True, "label": "k"}, "row 3, column k: is empty"),
        ("n,k\n1,a\n2,b,3\n", {"header": True, "label": "k"}, "row 3: has 3 columns, expected 2"),
        ("n,k\n1,a\n2\n", {"header": True, "label": "k"}, "row 3: has 1 columns, expected 2"),
    ],
)
def test_a_bad_table_is_one_line_that_names_the_place(prepared, tmp_path, text, settings, words):
    with pytest.raises(UserError) as raised:
        prepared(text, **settings)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "data").glob("prepared*"))


@pytest.mark.parametrize(
    ("counts", "fraction", "quotas"),
    [
        ([50, 50, 50], 0.2, [10, 10, 10]),
        ([5, 3, 2], 0.5, [3, 1, 1]),
        ([1, 99], 0.1, [0, 10]),
        ([7, 7], 0.0, [0, 0]),
    ],
)
def test_quotas_add_up_to_the_fraction(counts, fraction, quotas):
    assert stratified_quotas(counts, fraction) == quotas


def test_every_row_of_a_class_is_as_likely_to_be_drawn():
    classes = np.tile([0, 0, 1], 4)
    drawn = np.zeros(12)
    for seed in range(2000):
        sampler = StratifiedSampler([8, 4], [2, 1], seed)
        drawn += np.concatenate([sampler.draw(chunk) for chunk in np.split(classes, 3)])
    # Each is drawn with probability 1/4; 5 standard deviations of 2000 draws are 97.
    assert np.abs(drawn - 500).max() < 97
