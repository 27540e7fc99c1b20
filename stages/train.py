"""train: the prepared rows to a Keras model, its ONNX twin, and its learning curves."""

import platform
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.archive import save_keras, save_onnx
from classifier.dataset import PREPARED, Dataset, open_dataset
from classifier.errors import UserError, run
from classifier.files import replaced_file, write_json
from classifier.network import build_network, compile_network
from classifier.params import Train, load_params
from classifier.progress import Progress
from classifier.runtime import FLAGS, THREADS, keras, tf
from classifier.split import Rows, split_rows

KERAS_MODEL = Path("models/classifier.keras")
ONNX_MODEL = Path("models/classifier.onnx")
HISTORY = Path("metrics/history.csv")
# Not in dvc.yaml: another machine that makes the same model has not changed anything.
ENVIRONMENT = Path("metrics/environment.json")
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
BLOCK_BYTES = 32 * 2**20  # of rows that are shuffled in memory at a time
RUN_ROWS = 4_096  # that stand together in the table and are read in one piece
HISTORY_INTERVAL = 1.0  # seconds between two updates of the learning curves on disk

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def main() -> None:
    settings = load_params().train
    data = open_dataset(PREPARED / "train")
    try:
        network = train(data, settings)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError("train.hidden: so large a network does not fit in memory") from error
    save_keras(network, KERAS_MODEL)
    save_onnx(network, ONNX_MODEL)
    write_json(ENVIRONMENT, environment())


def train(data: Dataset, settings: Train) -> Any:
    """Return a keras.Sequential trained on the data; its curves are in HISTORY."""
    keras.utils.set_random_seed(settings.seed)
    training, validation = split_rows(
        data.labels.argmax(axis=1),
        data.labels.shape[1],
        settings.validation_fraction,
        settings.seed,
    )
    steps = -(-len(training) // settings.batch_size)
    network = build_network(data.features.shape[1], data.labels.shape[1], settings)
    compile_network(network, settings, steps_per_execution=steps)
    network.fit(
        epoch_stream(data, training, settings),
        epochs=settings.epochs,
        steps_per_epoch=steps,
        validation_data=validation_data(data, validation),
        callbacks=callbacks(settings),
        shuffle=False,  # the stream already is
        verbose=0,
    )
    return network


def epoch_stream(data: Dataset, rows: Rows, settings: Train) -> Any:
    """Return one tf.data.Dataset of all epochs' batches, each epoch in an order of its own.

    One stream serves all epochs because Keras would otherwise start a new iterator for each,
    which costs more than the training of a small network.
    """
    blocks = tf.data.Dataset.from_generator(
        lambda: batch_blocks(data, rows, settings),
        output_signature=(
            tf.TensorSpec((None, None, data.features.shape[1]), tf.float32),
            tf.TensorSpec((None, None, data.labels.shape[1]), tf.uint8),
        ),
    )
    return blocks.flat_map(lambda *block: tf.data.Dataset.from_tensor_slices(block)).prefetch(2)


def batch_blocks(data: Dataset, rows: Rows, settings: Train) -> Iterator[Batch]:
    """Yield the rows once for every epoch, some batches at a time: (batches, batch, columns)."""
    rng, batch = np.random.default_rng(settings.seed), settings.batch_size
    size = max(1, BLOCK_BYTES // row_bytes(data))
    for _ in range(settings.epochs):
        for order in in_whole_batches(shuffled(rows, size, rng), batch):
            full = len(order) // batch * batch
            for part, shape in ((order[:full], (-1, batch)), (order[full:], (1, -1))):
                if len(part):
                    yield tuple(  # type: ignore[misc]
                        columns[part].reshape(*shape, columns.shape[1])
                        for columns in (data.features, data.labels)
                    )


def row_bytes(data: Dataset) -> int:
    return sum(columns.itemsize * columns.shape[1] for columns in (data.features, data.labels))


def shuffled(rows: Rows, size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield all rows in random order, about `size` at a time.

    Where there are more than that, each block is made of runs of rows from all over the table, so
    that it is read in long pieces and yet looks like the whole.
    """
    if len(rows) <= size:
        yield rng.permutation(rows)
        return
    runs = np.array_split(rows, -(-len(rows) // RUN_ROWS))
    order = rng.permutation(len(runs))
    for block in np.array_split(order, -(-len(rows) // size)):
        yield rng.permutation(np.concatenate([runs[run] for run in block]))


def in_whole_batches(blocks: Iterable[Rows], batch: int) -> Iterator[Rows]:
    """Yield the same rows, in blocks that are whole batches; the last one has what is left."""
    left = np.empty(0, np.int32)
    for block in blocks:
        rows = np.concatenate([left, block])
        whole = len(rows) // batch * batch
        yield rows[:whole]
        left = rows[whole:]
    yield left


def validation_data(data: Dataset, rows: Rows) -> Any:
    return (data.features[rows], data.labels[rows]) if len(rows) else None


def callbacks(settings: Train) -> list[Any]:
    stop_early = keras.callbacks.EarlyStopping(
        patience=settings.patience, restore_best_weights=True
    )
    watching = [stop_early] if settings.patience else []
    return [StopWhenDiverged(), *watching, LearningCurves(HISTORY), EpochBar(settings.epochs)]


class StopWhenDiverged(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training whose loss is no number any more."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if not np.isfinite(logs["loss"]):
            raise UserError(
                f"training diverged: the loss is {logs['loss']} after epoch {epoch + 1}; "
                "try a smaller train.learning_rate"
            )


class LearningCurves(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes loss and accuracy of every epoch to a CSV file, also while training goes on."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.epochs: list[dict[str, float]] = []
        self.written = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        curves = {name: logs[name] for name in CURVES if name in logs}
        self.epochs.append({"epoch": epoch + 1, **curves})
        if time.monotonic() - self.written > HISTORY_INTERVAL:
            self.write()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.write()

    def write(self) -> None:
        with replaced_file(self.path) as temporary:
            pd.DataFrame(self.epochs).round(6).to_csv(temporary, index=False)
        self.written = time.monotonic()


class EpochBar(keras.callbacks.Callback):  # type: ignore[misc]
    """One progress bar over all epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.bar = Progress(desc="train", total=epochs, unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        self.bar.set_postfix(
            loss=f"{logs['loss']:.4f}", accuracy=f"{logs['accuracy']:.4f}", refresh=False
        )
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.bar.close()


def environment() -> dict[str, Any]:
    """Return what decides the bytes of a model besides its inputs: CPU, versions, flags."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    packages = ("keras", "tensorflow", "numpy", "onnx", "tf2onnx", "h5py")
    return {
        "cpu": {
            "architecture": platform.machine(),
            "extensions": [*simd["baseline"], *simd["found"]],
        },
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "flags": FLAGS | {"threads": THREADS},
    }


if __name__ == "__main__":
    run(main)
