"""train: the prepared rows to a Keras model, its ONNX twin, and its learning curves."""

import platform
from importlib.metadata import version
from typing import Any

import numpy as np

from classifier.base.files import write_json
from classifier.base.paths import ENVIRONMENT, HISTORY, KERAS_MODEL, ONNX_MODEL, TRAINING_ROWS
from classifier.base.process import run
from classifier.params import load_params
from classifier.rows.dataset import open_dataset

PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "tf2onnx", "h5py")


def main() -> None:
    settings, data = load_params().train, open_dataset(TRAINING_ROWS)
    # TensorFlow takes seconds to import: here, Ctrl-C is met by `run`.
    from classifier.training.fit import train
    from classifier.training.saving import save_keras, save_onnx

    network = train(data, settings, HISTORY)
    save_keras(network, KERAS_MODEL)
    save_onnx(network, ONNX_MODEL)
    # Not in dvc.yaml: another machine that makes the same model has not changed anything.
    write_json(ENVIRONMENT, environment())


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
    run(main)
