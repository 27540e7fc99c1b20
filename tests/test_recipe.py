"""The pipeline does for iris what the fifteen-line script does."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from classifier.model.runtime import keras
from tests.conftest import Clone

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@pytest.fixture(scope="module")
def recipe(reproduced: Clone) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Features, class index and one-hot labels as the script computes them."""
    table = pd.read_csv(reproduced.path / "data/source/iris.data", header=None)
    names = list(table[4].unique())
    index = [names.index(name) for name in table[4]]
    return table.drop(4, axis=1).to_numpy(np.float32), index, keras.utils.to_categorical(index)


def prepared(clone: Clone, name: str) -> np.ndarray:
    array: np.ndarray = np.load(clone.path / "data/prepared/train" / name)
    return array


def test_features_and_labels_equal_the_recipes(reproduced, recipe):
    features, index, labels = recipe
    assert np.array_equal(prepared(reproduced, "features.npy"), features)
    assert np.array_equal(prepared(reproduced, "labels.npy"), labels)
    assert prepared(reproduced, "labels.npy").argmax(axis=1).tolist() == index


def test_classes_are_in_order_of_first_appearance(reproduced):
    schema = json.loads(reproduced.read("data/prepared/schema.json"))
    assert schema["classes"] == ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
    assert schema["counts"] == {"train": dict.fromkeys(schema["classes"], 50)}


def test_preview_shows_rows_of_each_class_beside_their_labels(reproduced):
    preview = pd.read_csv(reproduced.path / "data/prepared/preview.csv")
    assert preview.iloc[0].tolist() == [5.1, 3.5, 1.4, 0.2, 1, 0, 0]
    assert preview[["Iris-setosa", "Iris-versicolor", "Iris-virginica"]].sum().tolist() == [3, 3, 3]


def test_accuracy_and_loss_are_the_recipes(reproduced):
    train = json.loads(reproduced.read("metrics/evaluation.json"))["train"]
    assert train["rows"] == 150
    assert train["accuracy"] >= 0.95
    assert train["loss"] <= 0.35


def test_per_class_scores_follow_from_the_predictions(reproduced):
    train = json.loads(reproduced.read("metrics/evaluation.json"))["train"]
    rows = pd.read_csv(reproduced.path / "metrics/predictions/train.csv")
    right = rows[rows.actual == rows.predicted]
    for scores in train["per_class"]:
        name = scores["class"]
        hits = (right.actual == name).sum()
        assert scores["precision"] == pytest.approx(hits / (rows.predicted == name).sum(), abs=1e-6)
        assert scores["recall"] == pytest.approx(hits / (rows.actual == name).sum(), abs=1e-6)
    assert train["accuracy"] == pytest.approx(len(right) / len(rows), abs=1e-6)
    f1_scores = [scores["f1"] for scores in train["per_class"]]
    assert train["macro_f1"] == pytest.approx(np.mean(f1_scores), abs=1e-6)


def test_history_has_every_epoch_and_ends_near_the_evaluation(reproduced):
    history = pd.read_csv(reproduced.path / "metrics/history.csv")
    train = json.loads(reproduced.read("metrics/evaluation.json"))["train"]
    assert list(history) == ["epoch", "loss", "accuracy"]
    assert history.epoch.tolist() == list(range(1, 151))
    assert history.loss.iloc[-1] == pytest.approx(train["loss"], abs=0.05)


def test_keras_file_opens_in_stock_keras_and_agrees_with_onnx(reproduced):
    """In this process; test_learned.py opens another in one without the project's code."""
    features = prepared(reproduced, "features.npy")
    model = keras.saving.load_model(reproduced.path / "models/classifier.keras")
    by_onnx = onnx_probabilities(reproduced.path / "models/classifier.onnx", features)
    assert by_onnx.shape == (150, 3)
    assert np.abs(model.predict(features, verbose=0) - by_onnx).max() <= 1e-6


def onnx_probabilities(path: Path, features: np.ndarray) -> np.ndarray:
    model = onnxruntime.InferenceSession(path)
    columns = {name: column[:, None] for name, column in zip(NAMES, features.T, strict=True)}
    return np.asarray(model.run(["probabilities"], columns)[0])
