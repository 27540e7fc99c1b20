"""predict: the class of new rows, from the ONNX model, without TensorFlow."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import numpy as np
import numpy.typing as npt
import typer

from classifier.errors import UserError, require_file
from classifier.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = Path("data/prepared/schema.json")
MODEL = Path("models/classifier.onnx")


def predict(
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUES...", help="The values of one row in the table's order, or a CSV file."
        ),
    ],
) -> None:
    """Print the class of a row, or write a CSV with the class of every row of a CSV file.

    Behind each class stands how probable the model holds it to be. A file may have a header,
    its columns then may be in any order; without one they are the features in the table's order.

    \b
    Examples:
      python -m classifier predict 5.1 3.5 1.4 0.2
      python -m classifier predict flowers.csv > predicted.csv
    """
    schema = Schema.load(SCHEMA)
    model = load_model(MODEL)
    if len(values) == 1 and (schema.inputs > 1 or Path(values[0]).exists()):
        predict_file(schema, model, Path(values[0]), sys.stdout)
    else:
        predict_row(schema, model, values, sys.stdout)


def load_model(path: Path) -> Any:
    """Return an onnxruntime.InferenceSession on the model.

    Raises:
        UserError: there is no such file or it is damaged.
    """
    import onnxruntime  # here, because --help does not need it
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

    require_file(path, "run `dvc repro` first")
    try:
        return onnxruntime.InferenceSession(path)
    except (Fail, InvalidGraph, InvalidProtobuf) as error:
        raise UserError(f"{path}: is damaged or no ONNX model") from error


def probabilities(model: Any, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return (rows, classes) float32 for (rows, inputs) float32."""
    (result,) = model.run(["probabilities"], {"features": features})
    return result  # type: ignore[no-any-return]


def predict_row(schema: Schema, model: Any, values: list[str], output: TextIO) -> None:
    """Print the predicted class, then each class with its probability."""
    (row,) = probabilities(model, schema.encode_row(values))
    width = max(map(len, schema.classes))
    lines = [f"  {name:{width}}  {p:.6f}" for name, p in zip(schema.classes, row, strict=True)]
    print(schema.classes[row.argmax()], *lines, sep="\n", file=output)


def predict_file(schema: Schema, model: Any, path: Path, output: TextIO) -> None:
    """Write the file's columns, the predicted class and each class' probability as CSV."""
    for number, chunk in enumerate(schema.table(path).chunks()):
        predicted = with_predictions(schema, model, chunk)
        predicted.to_csv(output, index=False, header=number == 0)


def with_predictions(schema: Schema, model: Any, chunk: "pd.DataFrame") -> "pd.DataFrame":
    rows = probabilities(model, schema.encode(chunk))
    classes = np.array(schema.classes, dtype=object)
    columns = dict(zip(schema.classes, rows.astype(float).round(6).T, strict=True))
    return chunk.assign(predicted=classes[rows.argmax(axis=1)], **columns)
