"""One network trained by Keras' `fit`, from rows that are shuffled in blocks."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file
from classifier.base.progress import Progress
from classifier.model.fill_and_scale import Learned, class_weights, learn
from classifier.model.network import NO_MEMORY, build_network, compile_network, for_each_batch
from classifier.model.runtime import keras, tf
from classifier.model.shuffling import block_rows, shuffled_blocks
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers, split_rows

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
VALIDATION_ROWS = 8_192  # in a batch
SMALLER_STEPS = "try a smaller train.learning_rate"
HISTORY_INTERVAL = 1.0  # seconds between two updates of the learning curves on disk

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def train(data: Dataset, settings: Train, history: Path) -> tuple[Any, Learned]:
    """Return a keras.Sequential trained on the data, and what it has learned of its inputs.

    It takes the features as they stand in the data. Its learning curves are in `history`, a CSV.

    Raises:
        UserError: a class has no row to train on, the network does not fit in memory, or its loss
            or a weight is not finite any more.
    """
    keras.utils.set_random_seed(settings.seed)
    training, validation = split(data, settings)
    learned = learn(data, training, settings.scale == "standard")
    network = build_network(data.features.shape[1], data.labels.shape[1], settings, learned)
    compile_network(network, settings)
    train_on_blocks(network, class_weights(data, training, settings))
    try:
        network.fit(
            block_stream(data, training, settings),
            epochs=settings.epochs,
            steps_per_epoch=blocks_per_epoch(data, len(training), settings.batch_size),
            validation_data=data.take(validation) if len(validation) else None,
            validation_batch_size=VALIDATION_ROWS,
            callbacks=[*early_stopping(settings), *callbacks(settings, history)],
            shuffle=False,  # the blocks already are
            verbose=0,
        )
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(NO_MEMORY) from error
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise UserError(f"training diverged: a weight is not finite; {SMALLER_STEPS}")
    return network, learned


def split(data: Dataset, settings: Train) -> tuple[RowNumbers | range, RowNumbers]:
    """Return the numbers of the rows to train on, a range if these are all, and to validate on.

    Raises:
        UserError: a class would have no row to train on.
    """
    fraction, classes = settings.validation_fraction, data.labels.shape[1]
    if not fraction:
        return range(len(data)), np.empty(0, np.int32)
    labels = data.labels.argmax(axis=1)
    training, validation = split_rows(labels, classes, fraction, settings.seed)
    if not np.bincount(labels[training], minlength=classes).all():
        raise UserError(
            f"train.validation_fraction: {fraction} leaves no row of a class to train on"
        )
    return training, validation


def train_on_blocks(network: Any, weights: npt.NDArray[np.float32] | None) -> None:
    """Make a training step of the network take a block of batches, which it trains on in turn.

    weights: (classes,), what the loss of a row of each class counts; None: all count the same.

    For a small network the calls between Keras and TensorFlow cost more than the training. Keras'
    own `steps_per_execution` costs the same, but runs over into the next epoch where it does not
    divide the batches of an epoch.
    """
    step = network.train_step

    def weighted_step(batch: tuple[Any, Any]) -> Any:
        features, labels = batch
        return step((features, labels, tf.linalg.matvec(tf.cast(labels, tf.float32), weights)))

    def train_step(block: tuple[Any, Any]) -> Any:
        for_each_batch(step if weights is None else weighted_step, *block)
        return network.get_metrics_result()

    network.train_step = train_step


def block_stream(data: Dataset, rows: RowNumbers | range, settings: Train) -> Any:
    """Return one tf.data.Dataset of all epochs' blocks, each epoch in an order of its own.

    One stream serves all epochs because Keras would otherwise start a new iterator for each.
    """
    return tf.data.Dataset.from_generator(
        lambda: blocks(data, rows, settings),
        output_signature=(
            tf.TensorSpec((None, None, data.features.shape[1]), tf.float32),
            tf.TensorSpec((None, None, data.labels.shape[1]), tf.uint8),
        ),
    ).prefetch(1)


def blocks(data: Dataset, rows: RowNumbers | range, settings: Train) -> Iterator[Batch]:
    """Yield the rows once for every epoch, in blocks of (batches, batch, columns).

    What does not fill a batch at the end of an epoch is a block of its own.
    """
    rng, batch = np.random.default_rng(settings.seed), settings.batch_size
    size = block_rows(data, batch)
    for _ in range(settings.epochs):
        for order in shuffled_blocks(rows, size, rng):
            whole = len(order) // batch * batch
            for part, shape in ((order[:whole], (-1, batch)), (order[whole:], (1, -1))):
                if len(part):
                    features, labels = data.take(part)
                    yield (
                        features.reshape(*shape, features.shape[1]),
                        labels.reshape(*shape, labels.shape[1]),
                    )


def blocks_per_epoch(data: Dataset, rows: int, batch: int) -> int:
    full, rest = divmod(rows, block_rows(data, batch))
    return full + (rest >= batch) + (rest % batch > 0)


def early_stopping(settings: Train) -> list[Any]:
    if not settings.patience:
        return []
    stop_early = keras.callbacks.EarlyStopping
    return [stop_early(patience=settings.patience, restore_best_weights=True)]


def callbacks(settings: Train, history: Path) -> list[Any]:
    """Return Keras' callbacks: the end of a hopeless training, curves, one bar."""
    return [StopWhenDiverged(), LearningCurves(history), EpochBar(settings.epochs)]


class StopWhenDiverged(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training whose loss is not finite any more."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if not np.isfinite(logs["loss"]):
            raise UserError(
                f"training diverged: the loss is {logs['loss']} after epoch {epoch + 1}; "
                f"{SMALLER_STEPS}"
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
