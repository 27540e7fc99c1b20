"""train: the prepared rows to a Keras model, an ONNX file that takes raw rows, learning curves."""

import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from classifier.base.files import md5_of, write_json
from classifier.base.paths import (
    ENVIRONMENT,
    HISTORY,
    KERAS_MODEL,
    ONNX_MODEL,
    SCHEMA,
    TRAINING_ROWS,
)
from classifier.base.process import run_stage
from classifier.params import load_params
from classifier.rows.dataset import open_dataset
from classifier.table.schema import Schema

PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "h5py")


def main() -> None:
    settings, schema = load_params().train, Schema.load(SCHEMA)
    data = open_dataset(TRAINING_ROWS)
    # TensorFlow takes seconds to import: here, Ctrl-C is met by `run`.
    from classifier.model.network import dense_layers
    from classifier.training.fit import train
    from classifier.training.onnx_file import save_onnx
    from classifier.training.saving import save_keras

    network, learned = train(data, settings, HISTORY)
    save_keras(network, KERAS_MODEL)
    save_onnx(schema, learned, dense_layers(network), ONNX_MODEL)
    # Not in dvc.yaml: another machine that makes the same model has not changed anything.
    write_json(ENVIRONMENT, environment() | {"model": md5_of(KERAS_MODEL)})


def environment() -> dict[str, Any]:
    """Return what decides the bytes of a model besides its inputs: CPU, versions, flags."""
    from classifier.model.runtime import FLAGS, THREADS

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "cpu": {
            "architecture": platform.machine(),
            "extensions": [*simd["baseline"], *simd["found"]],
        },
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "flags": FLAGS | {"threads": THREADS},
    }


if __name__ == "__main__":
    run_stage(main)
