"""The forward pass of the model's network in float64, from its ONNX file, on NumPy alone.

In float64 the last bits, which differ between CPUs and libraries, are far below the digits that
are written. TensorFlow would take seconds to import.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper
from onnx.external_data_helper import uses_external_data
from onnx.numpy_helper import to_array

from classifier.base.errors import REPRO_FIRST, UserError, listed, require_file
from classifier.table.schema import UNSEEN, Schema

Floats = npt.NDArray[np.float64]

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}  # whose operators the checker of onnx knows
KINDS = {TensorProto.FLOAT: "number", TensorProto.STRING: "text"}
SELU_ALPHA, SELU_GAMMA = 1.6732632423543772, 1.0507009873554805


def elu(x: Floats, alpha: float) -> Floats:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def gelu(x: Floats, approximate: str) -> Floats:
    from scipy.special import erf  # takes longer to import than most networks to run

    if approximate != "none":
        raise ValueError(f"gelu: {approximate}")
    return np.asarray(x * (1 + erf(x / np.sqrt(2))) / 2)


def sigmoid(x: Floats) -> Floats:
    return (1 + np.tanh(x / 2)) / 2


# What onnx_file.py writes between the inputs of the network and its softmax.
OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Div": np.divide,
    "Elu": elu,
    "Gelu": gelu,
    "IsNaN": np.isnan,
    "LeakyRelu": lambda x, alpha: np.where(x > 0, x, alpha * x),
    "MatMul": np.matmul,
    "Mul": np.multiply,
    "Relu": lambda x: np.maximum(x, 0),
    "Selu": lambda x: SELU_GAMMA * elu(x, SELU_ALPHA),
    "Sigmoid": sigmoid,
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Where": np.where,
}


@dataclass(frozen=True)
class Network:
    """The nodes between the inputs, whose name is `start`, and the softmax, which reads `end`.

    unseen: which inputs it was not trained on, as the file has them.
    """

    nodes: Sequence[onnx.NodeProto]
    constants: dict[str, Floats]
    start: str
    end: str
    unseen: Sequence[str] = ()

    @cached_property
    def units(self) -> int:
        """The number of units in all layers, of all members."""
        kernels = [self.constants[n.input[1]].shape for n in self.nodes if n.op_type == "MatMul"]
        return sum(math.prod(shape) // shape[-2] for shape in kernels)

    def log_probabilities(self, inputs: npt.NDArray[Any]) -> Floats:
        """Return the logarithm of the probability of each class, (rows, classes).

        inputs: (rows, inputs), as they are in data/prepared.
        """
        values = self.constants | {self.start: np.asarray(inputs, np.float64)}
        with np.errstate(over="ignore", invalid="ignore"):
            for node in self.nodes:
                values[node.output[0]] = result(node, values)
            logs = log_softmax(values[self.end])
            return logs if logs.ndim == 2 else np.logaddexp.reduce(logs) - np.log(len(logs))


def result(node: onnx.NodeProto, values: dict[str, Floats]) -> Any:
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    texts = {name: each.decode() for name, each in attributes.items() if isinstance(each, bytes)}
    return OPERATORS[node.op_type](*(values[name] for name in node.input), **attributes | texts)


def log_softmax(logits: Floats) -> Floats:
    below = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=-1, keepdims=True)))


def load_network(path: Path, schema: Schema) -> Network:
    """Return the network of the ONNX file that train wrote; nothing but that file is read.

    Raises:
        UserError: there is no such file, it is damaged, or it is of another table.
    """
    content = require_file(path, REPRO_FIRST).read_bytes()
    try:
        model = onnx.load_model_from_string(content)
        require_alone(path, model)
        onnx.checker.check_model(model)
        metadata = {each.key: each.value for each in model.metadata_props}
        schema.require_fit(path, metadata, input_kinds(model.graph))
        network = network_of(model.graph, prepared_inputs(model.graph))
        network.log_probabilities(np.zeros((1, schema.inputs)))
        unseen = json.loads(metadata.get(UNSEEN, "[]"))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # damage shows in errors of almost any class
        raise UserError(f"{path}: is damaged or not an ONNX model; run `dvc repro`") from error
    return replace(network, unseen=unseen)


def require_alone(path: Path, model: onnx.ModelProto) -> None:
    """Raise `UserError` if a model needs other files, or operators that onnx does not define."""
    nodes = model.graph.node
    if foreign := {each.domain for each in (*model.opset_import, *nodes)} - DOMAINS:
        raise UserError(f"{path}: has operators of an unknown domain, {listed(sorted(foreign))}")
    tensors = [attribute.t for node in nodes for attribute in node.attribute]
    if any(map(uses_external_data, [*model.graph.initializer, *tensors])):
        raise UserError(f"{path}: has its weights in another file, expected them in itself")


def input_kinds(graph: onnx.GraphProto) -> dict[str, str]:
    """Return whether each input is number or text."""
    types = {each.name: each.type.tensor_type.elem_type for each in graph.input}
    return {name: KINDS.get(kind, "neither number nor text") for name, kind in types.items()}


def prepared_inputs(graph: onnx.GraphProto) -> str:
    """Return the name of the rows as prepare writes them: the columns, beside each other."""
    return str(next(node.output[0] for node in graph.node if node.op_type == "Concat"))


def network_of(graph: onnx.GraphProto, start: str) -> Network:
    """Return what of the graph can be computed from `start`, up to the softmax."""
    constants = {each.name: to_array(each).astype(np.float64) for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    known = {start, *constants}
    for node in graph.node:
        if node.op_type == "Softmax":
            return Network(nodes, constants, start, node.input[0])
        if known.issuperset(node.input):
            nodes.append(node)
            known.update(node.output)
    raise ValueError("has no softmax")
