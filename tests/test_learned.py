"""What is learned from rows belongs to the model: of its own rows only, in stock Keras."""

import sys
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifier.base.errors import UserError
from classifier.model import fill_and_scale, members
from classifier.model.fill_and_scale import Learned, learn
from classifier.model.network import build_network
from classifier.model.runtime import keras
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, DatasetWriter, Kinds, open_dataset
from classifier.scoring.folds import member_at
from classifier.table.schema import Schema
from classifier.training import fit
from classifier.training.saving import load_keras
from stages import crossval, evaluate, train
from tests.conftest import ROOT, Clone

NAN = np.nan
# Two numbers, a text of three categories, a number.
KINDS = Kinds(texts=((2, 5),), gaps=True)
ROWS = np.array(
    [
        [1.0, 10, 0, 1, 0, 7],
        [NAN, 20, 1, 0, 0, 7],
        [3.0, 40, 0, 1, 0, 7],
        [5.0, NAN, NAN, NAN, NAN, 7],
        [8.0, 70, 0, 0, 1, NAN],
    ],
    np.float32,
)


def dataset(features: np.ndarray, classes: int = 2, kinds: Kinds = KINDS) -> Dataset:
    labels = np.eye(classes, dtype=np.uint8)[np.arange(len(features)) % classes]
    return Dataset(features.astype(np.float32), labels, kinds)


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def drawn(count: int, seed: int = 0) -> Dataset:
    """Numbers with heavy tails, a text one category of which only row 0 has, gaps in both."""
    rng = np.random.default_rng(seed)
    numbers = np.exp(rng.normal(size=(count, 3)) * 1.5) * [1, 10, 1000] + [0, 5, 10_000]
    numbers[rng.random(numbers.shape) < 0.2] = NAN
    category = rng.integers(3, size=count)
    category[0] = 3
    texts = np.eye(4)[category]
    texts[np.append(False, rng.random(count - 1) < 0.2)] = NAN
    features = np.concatenate([numbers[:, :2], texts, numbers[:, 2:]], axis=1)
    return dataset(features, 3, Kinds(texts=((2, 6),), gaps=True))


def same(one: Learned, other: Learned) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(Learned)
    )


@pytest.fixture(scope="module")
def shipped() -> Train:
    return load_params(ROOT / "params.yaml").train


def test_gaps_count_as_the_median_and_the_most_frequent():
    found = learn(dataset(ROWS), range(5), scale=False)
    assert found.fill is not None
    assert found.fill.tolist() == [4, 30, 0, 1, 0, 7]
    assert (found.mean, found.std) == (None, None)
    # Of the rows that are named; of equals, the earliest category.
    assert learn(dataset(ROWS), rows(1, 2, 3), scale=False).fill.tolist() == [4, 30, 1, 0, 0, 7]  # type: ignore[union-attr]


def test_scales_are_those_of_the_numbers_with_gaps_filled():
    found = learn(dataset(ROWS), range(5), scale=True)
    first, second = np.array([1, 4, 3, 5, 8]), np.array([10, 20, 40, 30, 70])
    assert found.mean is not None
    assert found.mean == pytest.approx([4.2, 34, 0, 0, 0, 7], rel=1e-5)
    assert found.std == pytest.approx([first.std(), second.std(), 1, 1, 1, 1], rel=1e-5)
    scaled = found.apply(ROWS.copy())
    assert scaled[:, :2].mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert scaled[:, 2:5].tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scaled[:, 5].tolist() == [0] * 5, "a constant stays finite"


def test_the_last_bits_of_a_sum_do_not_show():
    values = np.random.default_rng(0).lognormal(size=(1000, 4)) * [1e-6, 1, 1e6, 1e30]
    there = learn(dataset(values, kinds=Kinds()), range(1000), scale=True)
    back = learn(dataset(values[::-1], kinds=Kinds()), range(1000), scale=True)
    assert same(there, back)


def test_a_number_of_any_size_is_scaled():
    numbers = np.array([[3e38, 1e-44, 1e-44], [3e38, 0, 1e-44], [1e38, 0, 1e-44]])
    data = dataset(numbers, kinds=Kinds(gaps=True))
    found = learn(data, range(3), scale=True)
    assert found.fill is not None
    assert found.fill[0] == np.float32(3e38)
    assert np.isfinite(found.apply(data.features.copy())).all()
    assert learn(data, rows(0, 1), scale=False).fill[0] == np.float32(3e38)  # type: ignore[index]


def test_what_no_row_has_is_unseen():
    found = learn(dataset(ROWS), rows(1, 3), scale=True)
    assert np.asarray(found.unseen).tolist() == [False, False, False, True, True, False]
    alone = learn(dataset(ROWS), rows(3), scale=True)
    assert np.asarray(alone.unseen).tolist() == [False, True, True, True, True, False]
    assert alone.apply(ROWS[3:4].copy()).tolist() == [[0, 0, 0, 0, 0, 0]]


def test_without_gaps_and_scale_nothing_is_done():
    found = learn(dataset(ROWS[:1], kinds=Kinds(texts=((2, 5),))), range(1), scale=False)
    assert (found.fill, found.mean, found.std) == (None, None, None)


@pytest.mark.parametrize("cells", [0, 50])
def test_rows_are_read_in_blocks_and_columns_a_few_at_a_time(tmp_path, monkeypatch, cells):
    data = drawn(60)
    with DatasetWriter(tmp_path, 7, 3, data.kinds) as writer:
        writer.append(data.features, data.labels.argmax(axis=1))
    at_once = learn(data, np.arange(10, 60, dtype=np.int32), scale=True)
    monkeypatch.setattr(fill_and_scale, "BLOCK_CELLS", cells)
    monkeypatch.setattr(fill_and_scale, "COLUMN_CELLS", cells)
    mapped = open_dataset(tmp_path)
    assert isinstance(mapped.features, np.memmap)
    assert mapped.kinds == data.kinds
    assert same(learn(mapped, range(10, 60), scale=True), at_once)
    assert same(learn(mapped, np.arange(10, 60, dtype=np.int32), scale=True), at_once)


def test_memory_does_not_grow_with_the_rows_but_for_a_column(tmp_path):
    rows, inputs = 500_000, 40  # 80 MB
    with DatasetWriter(tmp_path, inputs, 2, Kinds(gaps=True)) as writer:
        for _ in range(100):
            block = np.random.default_rng(0).normal(size=(rows // 100, inputs))
            writer.append(block.astype(np.float32), np.zeros(rows // 100, int))
    data = open_dataset(tmp_path)
    tracemalloc.start()
    learn(data, range(rows), scale=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    limit = 4 * (2 * fill_and_scale.COLUMN_CELLS + rows) + 8 * 4 * fill_and_scale.BLOCK_CELLS
    assert limit / 4 < peak < limit


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_network_begins_with_what_was_learned(shipped, scale, gaps):
    data = drawn(60)
    if not gaps:
        data = Dataset(np.nan_to_num(data.features), data.labels, Kinds(texts=data.kinds.texts))
    found = learn(data, range(60), scale)
    network = build_network(7, 3, shipped, found)
    plain = build_network(7, 3, shipped)
    plain.set_weights(network.get_weights())
    expected = plain.predict(found.apply(data.features.copy()), verbose=0)
    assert np.array_equal(network.predict(data.features, verbose=0), expected)
    assert np.isfinite(expected).all()
    assert len(network.layers) == 2 + (scale or gaps)


def test_what_was_unseen_has_no_weight_and_gets_none(shipped, tmp_path, monkeypatch):
    """Whatever the optimizer: one that lets weights decay, too."""
    monkeypatch.chdir(tmp_path)
    settings = shipped.model_copy(
        update={"epochs": 3, "optimizer": "adamw", "scale": "standard", "validation_fraction": 0.3}
    )
    data = drawn(60)
    training, validation = fit.split(data, settings)
    features = data.features.copy()
    features[training, 2] *= 0  # of these rows, none has the category
    features[validation, 2:6] = [1, 0, 0, 0]
    of_validation = Dataset(features, data.labels, data.kinds)
    network, _ = fit.train(of_validation, settings, Path("history.csv"))
    kernel = network.get_weights()[0]
    assert (np.abs(kernel).max(axis=1) == 0).tolist() == [False] * 2 + [True] + [False] * 4
    features[validation, 2] = 0
    without = Dataset(features, data.labels, data.kinds)
    assert np.array_equal(
        network.predict(of_validation.features, verbose=0),
        network.predict(without.features, verbose=0),
    )


def test_train_learns_from_the_rows_that_it_trains_on(shipped, tmp_path):
    settings = shipped.model_copy(
        update={"epochs": 1, "scale": "standard", "validation_fraction": 0.3}
    )
    data = drawn(60)
    training, validation = fit.split(data, settings)
    of_training, of_all = (learn(data, of, scale=True) for of in (training, range(60)))
    assert not same(of_training, of_all)
    network, found = fit.train(data, settings, tmp_path / "history.csv")
    assert same(found, of_training)
    inputs = network.get_layer("learned").predict(data.features, verbose=0)
    assert np.array_equal(inputs, of_training.apply(data.features.copy()))
    assert not np.isnan(network.predict(data.features[validation], verbose=0)).any()


def by_hand(data: Dataset, training: np.ndarray, known: np.ndarray) -> Dataset:
    """Return the data filled and scaled by rows, in plain NumPy; categories no known row has: 0."""
    features = data.features.astype(float)
    (first, end), *_ = data.kinds.texts
    for place in (*range(first), *range(end, features.shape[1])):
        column = features[:, place]
        column[np.isnan(column)] = np.nanmedian(column[training])
        column -= column[training].mean()
        column /= column[training].std()
    texts = features[:, first:end]
    most_frequent = np.nansum(texts[training], axis=0).argmax()
    texts[np.isnan(texts).any(axis=1)] = np.arange(end - first) == most_frequent
    texts[:, np.nansum(data.features[known, first:end], axis=0) == 0] = 0
    return Dataset(features.astype(np.float32), data.labels)


def test_a_fold_is_scored_without_a_look_at_its_rows(shipped, monkeypatch):
    """On a table where what all rows say of fills and scale, or of categories, changes a digit."""
    monkeypatch.setattr(members, "SMALL_PRODUCT", 0)  # to compile nothing
    data, settings = drawn(60), Crossval(folds=3, repeats=1, probabilities=True, seed=1)
    recipe = shipped.model_copy(update={"epochs": 10, "hidden": [], "learning_rate": 0.05})
    everything = np.arange(60, dtype=np.int32)

    def scores(data: Dataset, scale: str) -> np.ndarray:
        scaled = recipe.model_copy(update={"scale": scale})
        found = crossval.cross_validate(data, settings, scaled)[0].by_model()
        return np.stack([*found.values()], axis=1)

    ours = scores(data, "standard")
    differs = []
    for fold in range(3):
        training = np.asarray(member_at((1, fold + 1), data, settings, recipe).training)
        clean = scores(by_hand(data, training, training), "none")[fold]
        scaled = scores(by_hand(data, everything, training), "none")[fold]
        known = scores(by_hand(data, training, everything), "none")[fold]
        assert ours[fold] == pytest.approx(clean, abs=2e-5)
        differs.append([np.abs(leaked - clean).max() > 1e-3 for leaked in (scaled, known)])
    assert np.any(differs, axis=0).tolist() == [True, True]


@pytest.mark.parametrize("place", [0, 2, 6])
def test_rows_that_are_left_out_teach_a_member_nothing(shipped, place):
    data, settings = drawn(60), Crossval(folds=3, repeats=1, probabilities=True, seed=1)
    recipe = shipped.model_copy(update={"scale": "standard", "validation_fraction": 0.2})
    member = member_at((1, 1), data, settings, recipe)
    features = data.features.copy()
    features[[*member.test, *member.validation], place] = 1e6
    moved = replace(data, features=features)
    assert same(member_at((1, 1), moved, settings, recipe).learned, member.learned)
    features[member.training, place] = 1e6
    assert not same(member_at((1, 1), moved, settings, recipe).learned, member.learned)


TABLE = "id,size,colour,kind\n" + "".join(
    f"{n},{'' if n % 7 == 3 else n * n},{'' if n % 5 == 1 else 'red' if n % 3 else 'blue'},"
    f"{'ab'[n % 2]}\n"
    for n in range(60)
)
SETTINGS = {"header": True, "label": "kind", "missing": "impute", "test_size": 0.25}


def with_colour(table: str, number: int, colour: str) -> str:
    lines = table.splitlines(keepends=True)
    cells = lines[number + 1].split(",")
    lines[number + 1] = ",".join([*cells[:2], colour, *cells[3:]])
    return "".join(lines)


@pytest.fixture
def held_out(prepared) -> int:
    """The number of a row of TABLE that is held out."""
    test = open_dataset(prepared(TABLE, **SETTINGS) / "test")
    return int(test.features[0, 0])


def test_a_category_that_only_held_out_rows_have_is_none_of_the_known(prepared, held_out):
    folder = prepared(with_colour(TABLE, held_out, "green"), **SETTINGS)
    assert Schema.load(folder / "schema.json").input_names() == [
        "id", "size", "colour=blue", "colour=red",
    ]  # fmt: skip
    test = open_dataset(folder / "test")
    assert test.features[0].tolist()[2:] == [0, 0]
    assert np.isnan(test.features[:, 2:]).any(), "a gap is something else"


def test_it_is_learned_and_evaluated_and_stock_keras_gives_the_same(project, prepared, held_out):
    project(train={"scale": "standard", "epochs": 5})
    (Path("data/test_sets")).mkdir()
    text = Path("params.yaml").read_text()
    prepared(with_colour(TABLE, held_out, "green"), **SETTINGS)
    settings = Path("params.yaml").read_text().split("train:")[0]
    settings = settings.replace("folds: 10", "folds: 0")
    Path("params.yaml").write_text(settings + "train:" + text.split("train:")[1])
    crossval.main()
    train.main()
    evaluate.main()
    found = pd.read_csv("metrics/predictions/test.csv")
    script = (
        "import sys, keras, numpy; features = numpy.load(sys.argv[2]);"
        "model = keras.saving.load_model(sys.argv[1]);"
        "numpy.save(sys.argv[3], model.predict(features, verbose=0))"
    )
    features = Path("data/prepared/test/features.npy").resolve()
    Path("elsewhere").mkdir()
    paths = Path("models/classifier.keras").resolve(), features, Path("stock.npy").resolve()
    Clone(Path("elsewhere")).run(sys.executable, "-I", "-c", script, *map(str, paths))
    stock = np.load("stock.npy")
    assert np.isnan(np.load(features)).any()
    assert np.abs(stock.max(axis=1) - found.probability).max() <= 1e-6
    ours = load_keras(Path("models/classifier.keras"))
    assert isinstance(ours, keras.Sequential)
    assert np.abs(stock - ours.predict(np.load(features), verbose=0)).max() <= 1e-6


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"texts":[[2,5]],"gaps":1}', '{"texts":[[0,1],[0,2]],"gaps":false}',
             '{"texts":[[2,9]],"gaps":true}'],
)  # fmt: skip
def test_damaged_kinds_are_one_line(prepared, text):
    folder = prepared(TABLE, **SETTINGS) / "train"
    (folder / "kinds.json").write_text(text)
    with pytest.raises(UserError, match=r"train(/kinds.json)?: .*; run `dvc repro` first$"):
        open_dataset(folder)
