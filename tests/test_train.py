"""train: any depth, any optimizer, early stopping; curves while it runs; files without noise."""

import json
import shutil
import time
import zipfile
from typing import get_args
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from classifier.base.errors import UserError
from classifier.model import shuffling
from classifier.model.fill_and_scale import Learned, class_weights
from classifier.model.network import build_network, compile_network
from classifier.model.runtime import keras
from classifier.params import Train, load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.rows.stratified import split_rows
from classifier.training import callbacks, fit, one_network
from classifier.training.saving import load_keras, save_keras
from stages import train
from tests.conftest import ROOT
from tests.test_crossval import with_gaps


@pytest.fixture
def trained(project, reproduced):
    """Trains in an empty project with some settings changed; returns its folder."""

    def trained(**settings: object):
        folder = project(train=settings)
        shutil.copytree(
            reproduced.path / "data/prepared", folder / "data/prepared", dirs_exist_ok=True
        )
        train.main()
        return folder

    return trained


@pytest.fixture(scope="module")
def settings() -> Train:
    return load_params(ROOT / "params.yaml").train


def history(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics/history.csv")


@pytest.mark.parametrize("hidden", [[], [5], [16, 8, 4]])
def test_hidden_lists_the_layers(settings, hidden):
    network = build_network(4, 3, settings.model_copy(update={"hidden": hidden}))
    assert [layer.units for layer in network.layers] == [*hidden, 3]


def test_every_optimizer_and_activation_of_the_params_exists(settings):
    for field in ("optimizer", "activation"):
        names = get_args(Train.model_fields[field].annotation)
        assert names
        for name in names:
            changed = settings.model_copy(update={field: name})
            network = build_network(4, 3, changed)
            compile_network(network, changed)
            assert float(network.optimizer.learning_rate) == pytest.approx(settings.learning_rate)


@pytest.mark.parametrize("block_bytes", [10**6, 19 * 40])  # all rows at once, or 40 at a time
def test_a_block_trains_as_its_batches_would_one_by_one(
    settings, reproduced, monkeypatch, tmp_path, block_bytes
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", block_bytes)
    data = open_dataset(reproduced.path / "data/prepared/train")
    few = settings.model_copy(update={"epochs": 2, "batch_size": 16})
    trained, _ = fit.train(data, few, tmp_path / "history.csv")
    keras.utils.set_random_seed(few.seed)
    network = build_network(4, 3, few)
    compile_network(network, few)
    for features, labels in one_network.blocks(data, range(150), few):
        for batch in zip(features, labels, strict=True):
            network.train_on_batch(*batch)
    assert all(map(np.array_equal, trained.get_weights(), network.get_weights()))


@pytest.mark.parametrize("block_bytes", [10**6, 19 * 40])
@pytest.mark.parametrize("batch", [16, 60, 64])
def test_each_epoch_has_every_row_once_in_another_order(
    settings, reproduced, monkeypatch, block_bytes, batch
):
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", block_bytes)
    data = open_dataset(reproduced.path / "data/prepared/train")
    two = settings.model_copy(update={"epochs": 2, "batch_size": batch})
    numbers = Dataset(np.arange(150, dtype=np.float32)[:, None], data.labels)
    blocks = [block for block, _ in one_network.blocks(numbers, range(150), two)]
    half = len(blocks) // 2
    assert half == one_network.blocks_per_epoch(numbers, 150, batch)
    assert [block.shape[1] for block in blocks[:half]] == [batch] * (half - 1) + [150 % batch]
    first, second = (
        [row for block in epoch for row in block.ravel().tolist()]
        for epoch in (blocks[:half], blocks[half:])
    )
    assert sorted(first) == sorted(second) == list(range(150))
    assert first != second


def test_a_block_is_like_the_whole_table_also_where_that_is_sorted():
    rng = np.random.default_rng(0)
    for block in shuffling.shuffled(range(100_000), 10_000, rng):
        assert len(block) == pytest.approx(10_000, abs=shuffling.RUNS)
        assert abs(block.mean() - 50_000) < 5 * 100_000 / np.sqrt(12 * shuffling.RUNS)


def test_a_class_without_a_row_weighs_nothing(settings):
    data = Dataset(np.zeros((3, 1), np.float32), np.eye(3, dtype=np.uint8)[[0, 0, 1]])
    balanced = settings.model_copy(update={"class_weight": "balanced"})
    assert np.asarray(class_weights(data, range(3), balanced)).tolist() == [0.75, 1.5, 0]


def test_class_weights_count_as_keras_own_do(settings, reproduced, tmp_path):
    iris = open_dataset(reproduced.path / "data/prepared/train")
    data = Dataset(iris.features[:110], iris.labels[:110])
    recipe = settings.model_copy(update={"epochs": 3, "class_weight": "balanced"})
    trained, _ = fit.train(data, recipe, tmp_path / "history.csv")
    keras.utils.set_random_seed(recipe.seed)
    network = build_network(4, 3, recipe)
    compile_network(network, recipe)
    weights = {place: 110 / (3 * rows) for place, rows in enumerate((50, 50, 10))}
    for features, labels in one_network.blocks(data, range(110), recipe):
        for batch in zip(features, labels, strict=True):
            network.train_on_batch(*batch, class_weight=weights)
    for ours, theirs in zip(trained.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden", [[], [8], [200, 3]])
def test_the_mean_of_members_is_one_stock_network(settings, reproduced, tmp_path, hidden):
    data = with_gaps(open_dataset(reproduced.path / "data/prepared/train"))
    recipe = settings.model_copy(update={"epochs": 3, "scale": "standard", "hidden": hidden})
    five, three = (
        fit.train(data, recipe.model_copy(update={"members": count}), tmp_path / "history.csv")
        for count in (5, 3)
    )
    for of_five, of_three in zip(five[0].get_weights(), three[0].get_weights(), strict=True):
        assert np.array_equal(of_five[:3], of_three), "a member is the same beside any others"
    save_keras(three[0], tmp_path / "three.keras")
    stock = keras.saving.load_model(tmp_path / "three.keras")
    alone = [member_alone(stock, number, recipe, three[1]) for number in range(3)]
    features = np.asarray(data.features)
    mean = np.mean([network.predict(features, verbose=0) for network in alone], axis=0)
    assert stock.predict(features, verbose=0) == pytest.approx(mean, abs=1e-6)
    assert not np.array_equal(alone[0].get_weights()[0], alone[1].get_weights()[0])


def member_alone(mean, number: int, recipe: Train, learned: Learned):
    network = build_network(8, 3, recipe, learned)
    network.set_weights([weights[number] for weights in mean.get_weights()])
    return network


def test_the_curves_of_members_are_their_mean(trained):
    """As `fit` writes them of one, to the digits that the order of sums leaves."""
    curves = history(trained(members=2, epochs=3, validation_fraction=0.2))
    assert list(curves) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert curves.loss.is_monotonic_decreasing
    assert (curves.accuracy * 240).round(3).apply(float.is_integer).all()
    assert (curves.val_accuracy * 60).round(3).apply(float.is_integer).all()


def test_each_member_stops_early_by_itself(trained):
    settings = {"validation_fraction": 0.2, "patience": 2, "learning_rate": 0.3, "epochs": 100}
    curves = history(trained(members=3, **settings))
    assert 3 < len(curves) < 100


def test_stops_early_and_keeps_the_best_weights(trained):
    settings = {"validation_fraction": 0.2, "patience": 2, "learning_rate": 0.3, "epochs": 100}
    curves = history(trained(**settings))
    assert list(curves) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    best = int(curves.val_loss.argmin())
    assert len(curves) == best + 1 + 2 < 100


def test_validation_rows_are_stratified_and_not_trained_on(reproduced):
    data = open_dataset(reproduced.path / "data/prepared/train")
    training, validation = split_rows(data.labels.argmax(axis=1), None, fraction=0.2, seed=42)
    assert data.labels[validation].sum(axis=0).tolist() == [10, 10, 10]
    assert sorted([*training, *validation]) == list(range(150))


@pytest.mark.parametrize(("fraction", "which"), [(0.001, "none"), (0.999, "all")])
def test_a_fraction_that_leaves_nothing_is_one_line(trained, fraction, which):
    with pytest.raises(UserError, match=f"^train.validation_fraction: keeps aside {which} of"):
        trained(validation_fraction=fraction)


def test_a_class_without_a_row_to_train_on_is_one_line(project):
    project()
    recipe = load_params().train.model_copy(update={"validation_fraction": 0.6})
    labels = np.array([[1, 0]] * 10 + [[0, 1]], np.uint8)
    data = Dataset(np.zeros((11, 1), np.float32), labels)
    with pytest.raises(
        UserError, match=r"^train.validation_fraction: 0.6 leaves no row of a class"
    ):
        fit.split(data, recipe)


def test_a_diverged_training_is_one_line_and_leaves_no_model(trained, tmp_path):
    with pytest.raises(UserError, match=r"diverged.*after epoch \d+; try a smaller"):
        trained(optimizer="sgd", learning_rate=100.0, activation="linear", hidden=[8, 8, 8])
    assert not (tmp_path / "models").exists()


def test_curves_are_written_while_training_goes_on(trained, tmp_path, monkeypatch):
    seen = []

    def look(*_: object) -> None:
        seen.append(len(history(tmp_path)))

    monkeypatch.setattr(callbacks, "HISTORY_INTERVAL", 0.0)
    monkeypatch.setattr(callbacks.EpochBar, "on_epoch_end", look)
    trained(epochs=4)
    assert seen == [1, 2, 3, 4]


def test_curves_are_not_written_more_often_than_a_reader_looks(trained, monkeypatch):
    writes = Mock(side_effect=callbacks.LearningCurves.write, autospec=True)
    monkeypatch.setattr(callbacks.LearningCurves, "write", lambda curves: writes(curves))
    trained(epochs=50)
    assert 1 <= writes.call_count < 10


def test_the_keras_file_has_no_trace_of_time_or_memory(settings, tmp_path, monkeypatch):
    network = build_network(4, 3, settings)
    compile_network(network, settings)
    network.optimizer.build(network.trainable_variables)
    save_keras(network, tmp_path / "a.keras")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    save_keras(network, tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        config = json.loads(archive.read("config.json"))
    ids = [value for key, value in walk(config) if key == "shared_object_id"]
    assert ids
    assert max(ids) <= len(ids)
    loaded = load_keras(tmp_path / "a.keras")
    assert all(map(np.array_equal, loaded.get_weights(), network.get_weights()))


def walk(config):
    pairs = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in pairs:
        yield key, value
        if isinstance(value, dict | list):
            yield from walk(value)


def test_the_environment_says_what_decides_the_bytes(reproduced):
    environment = json.loads(reproduced.read("metrics/environment.json"))
    assert environment["cpu"]["extensions"]
    assert {"keras", "tensorflow", "numpy"} <= set(environment["packages"])
