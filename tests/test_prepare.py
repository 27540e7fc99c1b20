"""prepare: tables to arrays; held-out rows are stratified to the row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.preparing import storing
from classifier.rows.stratified import StratifiedSampler, stratified_quotas
from classifier.table import reader
from tests.conftest import ROOT

IRIS = (ROOT / "data/source/iris.data").read_text()


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
    assert sorted(path.name for path in folder.iterdir()) == [
        "oddities.json", "preview.csv", "schema.json", "train",
    ]  # fmt: skip


def test_the_earlier_result_stays_when_the_new_one_cannot_take_its_place(prepared, monkeypatch):
    folder = prepared(IRIS)
    (folder.parent / "prepared.old.tmp").mkdir()  # of a run that was killed
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "prepared.tmp":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    before = load(folder, "train")
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space left"):
        prepared(IRIS, features=[0])
    assert all(map(np.array_equal, before, load(folder, "train")))
    monkeypatch.setattr(Path, "rename", rename)
    prepared(IRIS)
    assert not list(folder.parent.glob("*.tmp"))


def test_a_table_longer_than_a_chunk_is_prepared_the_same(prepared, monkeypatch):
    whole = load(prepared(IRIS), "train")
    monkeypatch.setattr(reader, "BLOCK_BYTES", 100)
    monkeypatch.setattr(storing, "BLOCK_CELLS", 33)
    assert all(map(np.array_equal, whole, load(prepared(IRIS), "train")))
    assert load(prepared(IRIS, test_size=0.2), "test")[1].sum(axis=0).tolist() == [10, 10, 10]


def test_a_header_row_names_the_columns_and_any_may_be_the_label(prepared):
    folder = prepared("kind,size\nb,1\na,2.5\nb,3\n", header=True, label="kind")
    schema = json.loads((folder / "schema.json").read_text())
    assert ([f["name"] for f in schema["features"]], schema["classes"]) == (["size"], ["b", "a"])
    assert load(folder, "train")[0].tolist() == [[1.0], [2.5], [3.0]]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        (["id"], ["width", "weight_kg"]),
        ([0, -2], ["width"]),
        (["/^w.*_kg$/", "id"], ["width"]),
        (["/^(id|width)$/"], ["weight_kg"]),
    ],
)
def test_columns_are_left_out_by_name_position_or_pattern(prepared, excluded, left):
    table = "id,width,weight_kg,kind\n7,1,2,a\n9,2,4,b\n8,3,5,b\n"
    shape: dict[str, Any] = {"header": True, "label": "kind", "exclude": excluded}
    schema = json.loads((prepared(table, **shape) / "schema.json").read_text())
    assert [feature["name"] for feature in schema["features"]] == left
    some = prepared(table, **shape | {"features": ["weight_kg", "width"], "exclude": ["/eigh/"]})
    assert json.loads((some / "schema.json").read_text())["features"][0]["name"] == "width"


@pytest.mark.parametrize(
    ("label", "classes"), [(0, ["x", "y"]), (-1, ["2", "1"]), ("2", ["2", "1"])]
)
def test_without_a_header_columns_go_by_position(prepared, label, classes):
    text = "x,1,2\ny,3,1\n" if label == 0 else "8,1,2\n9,3,1\n"
    folder = prepared(text, header=False, label=label)
    assert json.loads((folder / "schema.json").read_text())["classes"] == classes


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
