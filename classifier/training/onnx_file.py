"""The model as an ONNX file: the whole way from a row of the table to its class."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.base.files import replaced_file
from classifier.model.fill_and_scale import Learned
from classifier.table.calendar import WIDTHS, DatePart
from classifier.table.schema import UNSEEN, NumberFeature, Schema, TextFeature

# The oldest that have what is used here, so that older runtimes can read the file.
OPSET, ML_OPSET, IR_VERSION = 20, 3, 9
ML = "ai.onnx.ml"
NO_CLASS = -1  # the index of the class of a row that has no answer
LEAKY_RELU_SLOPE = 0.2  # of keras.activations.leaky_relu

# Those that are one operator; its attributes are as in Keras.
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "elu": ("Elu", {"alpha": 1.0}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "leaky_relu": ("LeakyRelu", {"alpha": LEAKY_RELU_SLOPE}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "tanh": ("Tanh", {}),
}

Weights = npt.NDArray[np.float32]
Layer = tuple[Weights, Weights, str]  # kernel, bias, activation, as of `dense_layers`


class _Graph:
    """Nodes and constants in the order in which they were added, under names of their own."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.taken = set(columns)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its only output."""
        name = output or self.free_name(f"{operator}_{len(self.nodes)}")
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, value: Any, dtype: npt.DTypeLike = np.float32) -> str:
        name = self.free_name(f"constant_{len(self.constants)}")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def free_name(self, name: str) -> str:
        """Return the name, with underscores behind it if a column has it."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


def save_onnx(schema: Schema, learned: Learned, layers: Sequence[Layer], path: Path) -> None:
    """Write the model as an ONNX file, the same bytes for the same model."""
    content = onnx_model(schema, learned, layers).SerializeToString(deterministic=True)
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def onnx_model(schema: Schema, learned: Learned, layers: Sequence[Layer]) -> onnx.ModelProto:
    """Return the model from the columns of the table to `label` and `probabilities`.

    Inputs: one for each feature, named as its column, (rows, 1) float32 or string; NaN is a gap,
    and `schema.gap` in text. Outputs: (rows,) string and (rows, classes) float32; where there is no
    answer, an empty label and NaN. An output has `_` behind its name if a column has that name.
    What columns, classes and gaps are stands in the metadata, see `Schema.metadata`.
    """
    columns = [feature.name for feature in schema.features]
    graph = _Graph(columns)
    label, probabilities = graph.free_name("label"), graph.free_name("probabilities")
    logits = _network(graph, _scaled(graph, _inputs(graph, schema), learned), layers)
    if layers[0][0].ndim == 2:
        graph.add("Softmax", logits, axis=-1, output=probabilities)
    else:
        each, members = graph.add("Softmax", logits, axis=-1), graph.constant([0], np.int64)
        graph.add("ReduceMean", each, members, keepdims=0, output=probabilities)
    _classes(graph, probabilities, schema.classes, label)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "classifier",
            [_value(feature.name, _kind(feature), ["rows", 1]) for feature in schema.features],
            [
                _value(label, TensorProto.STRING, ["rows"]),
                _value(probabilities, TensorProto.FLOAT, ["rows", len(schema.classes)]),
            ],
            graph.constants,
        ),
        producer_name="classifier",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
    )
    unseen = schema.unseen_inputs(learned.unseen)
    of_unseen = {UNSEEN: json.dumps(unseen, ensure_ascii=False)} if unseen else {}
    helper.set_model_props(model, schema.metadata() | of_unseen)
    onnx.checker.check_model(model)
    return model


def _kind(feature: NumberFeature | TextFeature) -> int:
    kind: int = TensorProto.FLOAT if isinstance(feature, NumberFeature) else TensorProto.STRING
    return kind


def _value(name: str, kind: int, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _inputs(graph: _Graph, schema: Schema) -> str:
    """Add what makes inputs of the network of the columns, (rows, inputs), NaN for gaps."""
    parts: list[str] = []
    for feature in schema.features:
        if isinstance(feature, NumberFeature):
            parts += [feature.name, *(_part(graph, feature.name, p) for p in feature.parts or ())]
        else:
            parts.append(_categories(graph, feature, schema.gap, refuse=schema.unknown == "error"))
    return graph.add("Concat", *parts, axis=1)


def _part(graph: _Graph, days: str, part: DatePart) -> str:
    """Add what makes (rows, WIDTHS[part]) of a column of days, as `calendar.one_hot` does."""
    is_gap = graph.add("IsNaN", days)
    known = graph.add("Where", is_gap, graph.constant(0), days)
    whole = graph.add("Cast", graph.add("Floor", known), to=TensorProto.INT64)
    place = _month(graph, whole) if part == "month" else _weekday(graph, whole)
    is_place = graph.add("Equal", place, graph.constant(range(WIDTHS[part]), np.int64))
    is_known = graph.add("And", is_place, graph.add("Not", is_gap))
    return graph.add("Cast", is_known, to=TensorProto.FLOAT)


def _month(graph: _Graph, days: str) -> str:
    """Add what makes the month, January 0, of whole days after 1970-01-01.

    A year begins in March here, so that a leap day is its last, and an era has 400 of them: see
    `civil_from_days`, https://howardhinnant.github.io/date_algorithms.html.
    """
    of_era = _whole(graph, "Mod", _whole(graph, "Add", days, 719_468), 146_097)
    without_leap_days = of_era
    for operator, length in (("Sub", 1_460), ("Add", 36_524), ("Sub", 146_096)):
        every = _whole(graph, "Div", of_era, length)
        without_leap_days = _whole(graph, operator, without_leap_days, every)
    year = _whole(graph, "Div", without_leap_days, 365)
    start = _whole(graph, "Mul", year, 365)
    for operator, years in (("Add", 4), ("Sub", 100)):
        start = _whole(graph, operator, start, _whole(graph, "Div", year, years))
    of_year = _whole(graph, "Sub", of_era, start)
    from_march = _whole(graph, "Add", _whole(graph, "Mul", of_year, 5), 2)
    from_january = _whole(graph, "Add", _whole(graph, "Div", from_march, 153), 2)
    return _whole(graph, "Mod", from_january, 12)


def _weekday(graph: _Graph, days: str) -> str:
    """Add what makes the weekday, Monday 0, of whole days after 1970-01-01, a Thursday."""
    return _whole(graph, "Mod", _whole(graph, "Add", days, 3), 7)


def _whole(graph: _Graph, operator: str, left: str, right: str | int) -> str:
    """Add an operator on whole numbers; a remainder is not below 0, a quotient is cut off."""
    other = graph.constant(right, np.int64) if isinstance(right, int) else right
    return graph.add(operator, left, other)


def _categories(graph: _Graph, feature: TextFeature, gap: str | None, refuse: bool) -> str:
    """Add what makes (rows, categories) of a column of text: 1 for its category, NaN for gaps.

    A category that is not known is an error of the runtime, or, without `refuse`, all zeros.
    """
    gaps = [] if gap is None else [gap]
    one_hot = graph.add(
        "OneHotEncoder",
        feature.name,
        domain=ML,
        cats_strings=[*gaps, *feature.categories],
        zeros=int(not refuse),
    )
    one_hot = graph.add("Flatten", one_hot, axis=1)  # (rows, 1, categories) to two dimensions
    if not gaps:
        return one_hot
    zero, one, end = (graph.constant([at], np.int64) for at in (0, 1, 1 + len(feature.categories)))
    is_gap = graph.add("Cast", graph.add("Slice", one_hot, zero, one, one), to=TensorProto.BOOL)
    known = graph.add("Slice", one_hot, one, end, one)
    return graph.add("Where", is_gap, graph.constant(np.nan), known)


def _scaled(graph: _Graph, inputs: str, learned: Learned) -> str:
    """Add what `Learned.apply` does."""
    if learned.fill is not None:
        is_gap = graph.add("IsNaN", inputs)
        inputs = graph.add("Where", is_gap, graph.constant(learned.fill), inputs)
    if learned.mean is not None:
        inputs = graph.add("Sub", inputs, graph.constant(learned.mean))
    if learned.factor is not None:
        inputs = graph.add("Mul", inputs, graph.constant(learned.factor))
    return inputs


def _network(graph: _Graph, rows: str, layers: Sequence[Layer]) -> str:
    """Add the layers, one after the other; of the last, which is a softmax, the logits.

    Those are (rows, classes); of the mean of many networks, (members, rows, classes).
    """
    for kernel, bias, activation in layers:
        product = graph.add("MatMul", rows, graph.constant(kernel))
        by_row = bias if bias.ndim == 1 else bias[:, None]
        rows = _activated(graph, graph.add("Add", product, graph.constant(by_row)), activation)
    return rows


def _activated(graph: _Graph, rows: str, activation: str) -> str:
    if activation in ("linear", "softmax"):
        return rows
    if activation == "silu":
        return graph.add("Mul", rows, graph.add("Sigmoid", rows))
    operator, attributes = ACTIVATIONS[activation]
    return graph.add(operator, rows, **attributes)


def _classes(graph: _Graph, probabilities: str, classes: list[str], label: str) -> None:
    """Add what makes the most probable class of each row, (rows,), or nothing of NaN."""
    first = graph.add("Gather", probabilities, graph.constant(0, np.int64), axis=1)
    best = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    no_class = graph.constant(NO_CLASS, np.int64)
    index = graph.add("Where", graph.add("IsNaN", first), no_class, best)
    graph.add(
        "LabelEncoder",
        index,
        domain=ML,
        keys_int64s=range(len(classes)),
        values_strings=classes,
        default_string="",
        output=label,
    )
