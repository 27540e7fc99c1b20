"""The ONNX file is the whole way from a row of the table to its class, the same as Keras'."""

import json
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from classifier.evaluating.forward import network_of, prepared_inputs
from classifier.model.fill_and_scale import Learned
from classifier.model.network import build_mean, build_network, dense_layers
from classifier.model.runtime import keras
from classifier.params import Train, load_params
from classifier.table.cells import Layout
from classifier.table.schema import NumberFeature, Schema, TextFeature
from classifier.training.onnx_file import onnx_model, save_onnx
from tests.conftest import ROOT

ACTIVATIONS = get_args(Train.model_fields["activation"].annotation)
DEPTHS = [("relu", []), ("relu", [8]), *((name, [16, 8, 5]) for name in ACTIVATIONS)]
CLASSES = ["p", "q", "ü"]
COLORS = ["red", "green", "blue"]
NOTHING = Learned()
# of the inputs length, color=red, color=green, color=blue, width
SCALED = Learned(
    fill=np.array([1.5, 0, 1, 0, -2], np.float32),
    mean=np.array([1, 0, 0, 0, 0.25], np.float32),
    std=np.array([3, 1, 1, 1, 0.5], np.float32),
)


def schema_of(**changes: Any) -> Schema:
    """A table of two numbers with a text between them."""
    fields: dict[str, Any] = {
        "layout": Layout(delimiter=",", encoding="utf-8", header=True, na_values=["", "NA"]),
        "columns": ["length", "color", "width", "kind"],
        "label": "kind",
        "features": [
            NumberFeature(name="length", lowest=0, highest=1),
            TextFeature(name="color", categories=COLORS),
            NumberFeature(name="width", lowest=0, highest=1),
        ],
        "missing": "impute",
        "unknown": "ignore",
        "classes": CLASSES,
        "counts": {"train": dict.fromkeys(CLASSES, 1)},
    }
    return Schema(**fields | changes)


def numbers_only(*names: str) -> Schema:
    features = [NumberFeature(name=name, lowest=0, highest=1) for name in names]
    return schema_of(columns=[*names, "kind"], features=features)


@pytest.fixture(scope="module")
def recipe() -> Train:
    return load_params(ROOT / "params.yaml").train


def random_network(recipe: Train, inputs: int, **settings: Any) -> Any:
    """Return a network whose biases too are far from zero."""
    keras.utils.set_random_seed(1)
    network = build_network(inputs, len(CLASSES), recipe.model_copy(update=settings))
    rng = np.random.default_rng(1)
    network.set_weights([rng.normal(0, 0.5, w.shape) for w in network.get_weights()])
    return network


def random_rows(gaps: bool, rows: int = 500) -> dict[str, np.ndarray]:
    """Columns of some rows, some with gaps, some of a category that is not known."""
    rng = np.random.default_rng(2)
    numbers = rng.normal(0, 2, (2, rows)).astype(np.float32)
    colors = rng.choice([*COLORS, "pink", ""] if gaps else [*COLORS, "pink"], rows).astype(object)
    if gaps:
        numbers[rng.random(numbers.shape) < 0.1] = np.nan
    columns = {"length": numbers[0], "color": colors, "width": numbers[1]}
    return {name: column[:, None] for name, column in columns.items()}


def features_of(columns: dict[str, np.ndarray], learned: Learned) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows with gaps as NaN, and filled and scaled, (rows, inputs)."""
    colors = columns["color"]
    one_hot = np.where(colors == "", np.nan, colors == np.array(COLORS)).astype(np.float32)
    rows = np.hstack([columns["length"], one_hot, columns["width"]])
    filled = rows if learned.fill is None else np.where(np.isnan(rows), learned.fill, rows)
    return rows, filled if learned.std is None else (filled - learned.mean) / learned.std


def run(model: onnx.ModelProto, columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities by ONNX Runtime."""
    session: Any = onnxruntime.InferenceSession(model.SerializeToString())
    label, probabilities = session.run(None, columns)
    return label, probabilities


@pytest.mark.parametrize("learned", [NOTHING, SCALED], ids=["as it is", "filled and scaled"])
@pytest.mark.parametrize(("activation", "hidden"), DEPTHS, ids=str)
def test_it_answers_as_keras_does(recipe, activation, hidden, learned):
    network = random_network(recipe, 5, activation=activation, hidden=hidden)
    model = onnx_model(schema_of(), learned, dense_layers(network))
    columns = random_rows(gaps=learned is SCALED)
    _, scaled = features_of(columns, learned)
    expected = np.asarray(network(scaled.astype(np.float32)))
    by_reference: Any = ReferenceEvaluator(model).run(None, columns)
    for label, probabilities in (run(model, columns), by_reference):
        assert np.abs(probabilities - expected).max() <= 1e-6
        assert probabilities.dtype == np.float32
        assert list(label) == [CLASSES[place] for place in probabilities.argmax(axis=1)]


@pytest.mark.parametrize(("activation", "hidden"), DEPTHS, ids=str)
def test_its_network_on_numpy_answers_as_keras_does(recipe, activation, hidden):
    network = random_network(recipe, 5, activation=activation, hidden=hidden)
    graph = onnx_model(schema_of(), SCALED, dense_layers(network)).graph
    rows, scaled = features_of(random_rows(gaps=True), SCALED)
    expected = np.asarray(network(scaled.astype(np.float32)))
    found = network_of(graph, prepared_inputs(graph)).log_probabilities(rows)
    assert found.dtype == np.float64
    assert np.abs(np.exp(found) - expected).max() <= 1e-6


@pytest.mark.parametrize("hidden", [[], [6, 4]])
def test_the_mean_of_members_answers_as_keras_does(recipe, hidden):
    rng, settings = np.random.default_rng(1), recipe.model_copy(update={"hidden": hidden})
    shapes = pairwise([5, *hidden, len(CLASSES)])
    weights = [
        rng.normal(0, 1, (*s, 3)).astype(np.float32)
        for ins, outs in shapes
        for s in ((ins, outs), (outs,))
    ]
    network = build_mean(weights, settings)
    model = onnx_model(schema_of(), SCALED, dense_layers(network))
    columns = random_rows(gaps=True)
    rows, scaled = features_of(columns, SCALED)
    expected = np.asarray(network(scaled.astype(np.float32)))
    by_reference: Any = ReferenceEvaluator(model).run(None, columns)
    for label, probabilities in (run(model, columns), by_reference):
        assert np.abs(probabilities - expected).max() <= 1e-6
        assert list(label) == [CLASSES[place] for place in probabilities.argmax(axis=1)]
    on_numpy = network_of(model.graph, prepared_inputs(model.graph)).log_probabilities(rows)
    assert np.abs(np.exp(on_numpy) - expected).max() <= 1e-6


@pytest.fixture
def model(recipe):
    """Makes the model of a schema, with weights that are not those of training."""

    def model(schema: Schema, learned: Learned = NOTHING) -> onnx.ModelProto:
        return onnx_model(schema, learned, dense_layers(random_network(recipe, schema.inputs)))

    return model


def test_it_takes_columns_by_name_and_gives_label_and_probabilities(model):
    session = onnxruntime.InferenceSession(model(schema_of()).SerializeToString())
    inputs = [(each.name, each.type, each.shape) for each in session.get_inputs()]
    assert inputs == [
        ("length", "tensor(float)", ["rows", 1]),
        ("color", "tensor(string)", ["rows", 1]),
        ("width", "tensor(float)", ["rows", 1]),
    ]
    outputs = [(each.name, each.type, each.shape) for each in session.get_outputs()]
    assert outputs == [
        ("label", "tensor(string)", ["rows"]),
        ("probabilities", "tensor(float)", ["rows", 3]),
    ]


def test_it_says_what_its_columns_classes_and_gaps_are(model):
    session = onnxruntime.InferenceSession(model(schema_of()).SerializeToString())
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["label"] == "kind"
    assert json.loads(metadata["classes"]) == CLASSES
    assert json.loads(metadata["columns"]) == [
        {"kind": "number", "name": "length"},
        {"kind": "text", "name": "color", "categories": COLORS},
        {"kind": "number", "name": "width"},
    ]
    assert metadata["gap"] == 'NaN, or "" in text, is filled'
    assert metadata["unknown category"] == "none of those known"
    strict = schema_of(missing="error", unknown="error").metadata()
    assert strict["gap"] == 'NaN, or "" in text, has no answer'
    assert strict["unknown category"] == "refused"


def test_its_bytes_depend_on_the_model_alone(recipe, tmp_path):
    layers = dense_layers(random_network(recipe, 5))
    for name in ("a", "b"):
        save_onnx(schema_of(), SCALED, layers, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_it_needs_no_newer_runtime_than_what_is_in_it(model):
    """Opset 20 is of ONNX 1.15, which ONNX Runtime knows since 1.17, of January 2024."""
    made = model(schema_of(), SCALED)
    assert made.ir_version == 9
    assert {each.domain: each.version for each in made.opset_import} == {"": 20, "ai.onnx.ml": 3}


def column(*values: object) -> np.ndarray:
    kind = object if isinstance(values[0], str) else np.float32
    return np.array(values, kind)[:, None]


@pytest.mark.parametrize("gap", [{"length": column(np.nan)}, {"color": column("")}])
def test_a_gap_that_nothing_fills_has_no_answer(model, gap):
    row = {"length": column(1), "color": column("red"), "width": column(2)}
    label, probabilities = run(model(schema_of(missing="error")), row | gap)
    assert label.tolist() == [""]
    assert np.isnan(probabilities).all()
    label, probabilities = run(model(schema_of(), SCALED), row | gap)
    assert label[0] in CLASSES
    assert np.isfinite(probabilities).all()


def test_a_category_that_is_not_known_is_none_of_those_or_refused(model, recipe):
    row = {"length": column(1), "color": column("pink"), "width": column(2)}
    _, found = run(model(schema_of()), row)
    none_of_them = np.array([[1, 0, 0, 0, 2]], np.float32)
    expected = np.asarray(random_network(recipe, 5)(none_of_them))
    assert np.abs(found - expected).max() <= 1e-6
    with pytest.raises(Exception, match=r"(?i)unknown category"):
        run(model(schema_of(unknown="error"), SCALED), row)
    run(model(schema_of(unknown="error"), SCALED), row | {"color": column("")})


def test_columns_may_be_named_as_anything_inside_it(model):
    names = ["label", "probabilities", "label_", "MatMul_1", "Concat_0", "constant_0", "a b\nü"]
    made = model(numbers_only(*names))
    label, probabilities = run(made, {name: column(1, 2) for name in names})
    assert [each.name for each in made.graph.output] == ["label__", "probabilities_"]
    assert label.shape == (2,)
    assert probabilities.shape == (2, 3)


@pytest.mark.parametrize(("na_values", "gap"), [(["NA"], "NA"), ([], None)])
def test_where_an_empty_text_is_a_category_another_one_is_the_gap(recipe, model, na_values, gap):
    layout = Layout(delimiter=",", encoding="utf-8", header=True, na_values=na_values)
    color = TextFeature(name="color", categories=["", "red"])
    schema = schema_of(layout=layout, columns=["color", "kind"], features=[color])
    _, found = run(model(schema), {"color": column("", "red", gap or "red")})
    expected = np.asarray(random_network(recipe, 2)(np.eye(2, dtype=np.float32)))
    assert np.abs(found[:2] - expected).max() <= 1e-6
    assert np.isnan(found[2]).any() == bool(gap)
