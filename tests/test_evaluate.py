"""evaluate: what Keras' own evaluate says, without TensorFlow; other models are refused."""

import json
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from classifier.base.errors import UserError
from classifier.base.files import md5_of
from classifier.commands.predict import load_model
from classifier.evaluating import predictions
from classifier.evaluating.forward import load_network, network_of, prepared_inputs
from classifier.evaluating.predictions import write_predictions
from classifier.model.fill_and_scale import Learned
from classifier.model.network import build_network, compile_network, dense_layers
from classifier.params import load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.table.schema import Schema
from classifier.training.onnx_file import onnx_model
from classifier.training.saving import load_keras
from stages import evaluate
from tests.conftest import ROOT, Clone

MODEL = "models/classifier.onnx"
TABLES = [
    "params.yaml",
    *(f"examples/{name}.yaml" for name in ("penguins", "digits", "breast_cancer")),
]


def outcome(schema: Schema, network: Any, data: Dataset, folder: Path) -> dict[str, Any]:
    """Return what evaluate says of a Keras network on the data."""
    graph = onnx_model(schema, Learned(), dense_layers(network)).graph
    ours = network_of(graph, prepared_inputs(graph))
    found = write_predictions(ours, data, schema.classes, folder / "predictions.csv")
    return evaluate.scores(found, schema.classes, repeated=0)


def by_keras(network: Any, data: Dataset) -> dict[str, float]:
    features, labels = data.take(slice(None))
    found: dict[str, float] = network.evaluate(features, labels, verbose=0, return_dict=True)
    return found


@pytest.mark.parametrize("size", [1, 40], ids=["as drawn", "so sure that most are 0 or 1"])
def test_loss_and_accuracy_are_keras_own(reproduced, tmp_path, size):
    """Keras takes the loss from what is before the softmax: a row may cost more than -log(1e-7)."""
    settings = load_params(ROOT / "params.yaml").train
    network = build_network(4, 3, settings)
    network.set_weights([size * weights for weights in network.get_weights()])
    compile_network(network, settings)
    data = open_dataset(reproduced.path / "data/prepared/train")
    schema = Schema.load(reproduced.path / "data/prepared/schema.json")
    ours, keras = outcome(schema, network, data, tmp_path), by_keras(network, data)
    assert keras["loss"] > 20 or size == 1
    assert ours["loss"] == pytest.approx(keras["loss"], rel=1e-6)
    assert ours["accuracy"] == pytest.approx(keras["accuracy"], abs=1e-6)


def test_batches_of_any_size_say_the_same(reproduced, tmp_path, monkeypatch):
    monkeypatch.chdir(reproduced.path)
    schema = Schema.load(Path("data/prepared/schema.json"))
    network, data = load_network(Path(MODEL), schema), open_dataset(Path("data/prepared/train"))
    found = []
    for cells in (10**6, 7 * (8 + 3)):
        monkeypatch.setattr(predictions, "BATCH_CELLS", cells)
        path = tmp_path / f"{cells}.csv"
        found.append((write_predictions(network, data, schema.classes, path), path.read_bytes()))
    (one, text), (other, same_text) = found
    assert text == same_text == Path("metrics/predictions/train.csv").read_bytes()
    assert one.loss == pytest.approx(other.loss, abs=1e-12)
    assert np.array_equal(one.confusion, other.confusion)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_on_every_shipped_table_it_says_what_keras_says(fresh, table):
    shutil.copy(ROOT / table, fresh.path / "params.yaml")
    for stage in ("fetch", "prepare", "train", "evaluate"):
        fresh.stage(stage)
    network = load_keras(fresh.path / "models/classifier.keras")
    evaluation = json.loads(fresh.read("metrics/evaluation.json"))
    for name, ours in evaluation.items():
        keras = by_keras(network, open_dataset(fresh.path / "data/prepared" / name))
        assert ours["loss"] == pytest.approx(keras["loss"], abs=1e-5)
        assert ours["accuracy"] == pytest.approx(keras["accuracy"], abs=1e-5)


def test_it_imports_no_tensorflow(reproduced):
    script = "from stages import evaluate; evaluate.main(); import sys; print(*sys.modules)"
    listing = reproduced.run(sys.executable, "-c", script).stdout.split()
    assert "onnx" in listing
    assert not {"tensorflow", "keras", "onnxruntime"} & {*listing}


@pytest.mark.skipif(
    platform.machine() != "x86_64" or sys.platform != "linux", reason="sets nothing"
)
def test_matrix_products_are_the_same_on_any_cpu():
    script = (
        "import stages.evaluate, ctypes, numpy, re;"
        "maps = open('/proc/self/maps').read();"
        "blas = ctypes.CDLL(re.search(r'/\\S*numpy\\S*openblas\\S*', maps)[0]);"
        "blas.scipy_openblas_get_corename64_.restype = ctypes.c_char_p;"
        "print(blas.scipy_openblas_get_corename64_().decode());"
        "print(blas.scipy_openblas_get_num_threads64_())"
    )
    assert Clone(ROOT).run(sys.executable, "-c", script).stdout.split() == ["Haswell", "1"]


def changed(change: Callable[[onnx.ModelProto], object]) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        model = onnx.load_model_from_string(content)
        change(model)
        return bytes(model.SerializeToString())

    return apply


def set_metadata(key: str, value: str) -> Callable[[bytes], bytes]:
    def change(model: onnx.ModelProto) -> None:
        next(each for each in model.metadata_props if each.key == key).value = value

    return changed(change)


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "length"
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    concat.input[0] = "length"


def take_text(model: onnx.ModelProto) -> None:
    """Make the first column text, of which a number is made."""
    rename_input(model)
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("sepal_length", TensorProto.STRING, ["rows", 1])
    )
    cast = helper.make_node("Cast", ["sepal_length"], ["length"], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)


def outsource(location: str) -> Callable[[onnx.ModelProto], None]:
    """Make the first weights be in another file."""

    def change(model: onnx.ModelProto) -> None:
        weights = next(each for each in model.graph.initializer if len(each.dims) == 2)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)

    return change


def foreign_operator(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Relu").domain = "elsewhere"
    model.opset_import.append(helper.make_opsetid("elsewhere", 1))


def unknown_operator(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Rely"


def shrink(model: onnx.ModelProto) -> None:
    weights = next(each for each in model.graph.initializer if len(each.dims) == 2)
    weights.dims[0], weights.dims[1] = 1, weights.dims[0] * weights.dims[1]


# What is wrong with a model | how it gets so | what evaluate says, and predict unless it is vaguer.
DAMAGED = "is damaged or not an ONNX model; run `dvc repro`"
MODELS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "other columns": (changed(rename_input), "inputs: found {'length': 'number', "),
    "another kind": (changed(take_text), "inputs: found {'sepal_length': 'text', "),
    "other categories": (
        set_metadata("columns", '[{"kind": "text"}]'),
        'columns: found [{"kind": "text"}], data/prepared has [{"kind": "number", "name": "sepal'),
    "other classes": (
        set_metadata("classes", '["a", "b"]'),
        'classes: found ["a", "b"], data/prepared has ["Iris-setosa", "Iris-versicolor", "Iris-'),
    "another label": (set_metadata("label", "x"), "label: found x, data/prepared has species; run"),
    "another gap": (set_metadata("gap", "-1"), 'gap: found -1, data/prepared has NaN, or "" in te'),
    "no metadata": (
        changed(lambda model: model.ClearField("metadata_props")), "label: found nothing, data/"),
    "weights in another file": (
        changed(outsource("weights.bin")), "has its weights in another file, expected them in its"),
    "weights anywhere": (changed(outsource("/etc/passwd")), "has its weights in another file, exp"),
    "operators of a foreign domain": (
        changed(foreign_operator), "has operators of an unknown domain, elsewhere"),
    "an unknown operator": (changed(unknown_operator), DAMAGED),
    "weights that do not fit": (changed(shrink), DAMAGED),
    "no model": (lambda _: b"no model", DAMAGED),
    "nothing": (lambda _: b"", DAMAGED),
    "half a model": (lambda content: content[: len(content) // 2], DAMAGED),
    "a flipped byte": (lambda content: content.replace(b"MatMul", b"\xffatMul"), DAMAGED),
}  # fmt: skip


@pytest.fixture
def put(reproduced, tmp_path, monkeypatch):
    """Puts a model into an empty project, recorded as if train had made it."""
    content = (reproduced.path / MODEL).read_bytes()
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    # Where a model is looked for weights that it says are in another file.
    for folder in (".", "models"):
        Path(folder, "weights.bin").write_bytes(np.ones((4, 8), np.float32).tobytes())

    def put(change: Callable[[bytes], bytes]) -> Path:
        Path(MODEL).write_bytes(change(content))
        out = {"path": MODEL, "md5": md5_of(Path(MODEL))}
        Path("dvc.lock").write_text(json.dumps({"stages": {"train": {"outs": [out]}}}) + "\n")
        return Path(MODEL)

    return put


@pytest.mark.parametrize("load", [load_network, load_model])
@pytest.mark.parametrize("wrong", MODELS)
def test_a_model_that_is_not_of_this_table_or_not_whole_is_one_line(put, reproduced, load, wrong):
    schema = Schema.load(reproduced.path / "data/prepared/schema.json")
    change, words = MODELS[wrong]
    load(put(lambda content: content), schema)
    with pytest.raises(UserError) as raised:
        load(put(change), schema)
    line = str(raised.value)
    assert line.startswith(f"{MODEL}: ")
    assert words in line or (load is load_model and line.endswith(DAMAGED))
    assert "\n" not in line


def test_a_cross_validation_of_other_settings_is_refused(copied):
    """As `dvc repro --single-item train` leaves it behind: conclusions would mix two models."""
    lock = yaml.safe_load(copied.read("dvc.lock"))
    lock["stages"]["train"]["params"]["params.yaml"]["train"]["epochs"] = 20
    assert "crossval" not in copied.stage("evaluate").stderr
    (copied.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    done = copied.stage("evaluate", check=False)
    told = "error: the model: was cross-validated on other rows or settings; run `dvc repro`\n"
    assert (done.returncode, done.stderr) == (1, told)
