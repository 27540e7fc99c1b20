"""One network trained by Keras' `fit`, from rows that are shuffled in blocks."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file
from classifier.base.progress import Progress
from classifier.model.network import NO_MEMORY, build_network, compile_network, for_each_batch
from classifier.model.runtime import keras, tf
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers, split_rows

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
BLOCK_BYTES = 4 * 2**20  # of rows that are shuffled in memory at a time
RUNS = 128  # of rows that stand together in the table make up a block
VALIDATION_ROWS = 8_192  # in a batch
SMALLER_STEPS = "try a smaller train.learning_rate"
HISTORY_INTERVAL = 1.0  # seconds between two updates of the learning curves on disk

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def train(data: Dataset, settings: Train, history: Path) -> Any:
    """Return a keras.Sequential trained on the data; its learning curves are in `history`, a CSV.

    Raises:
        UserError: the network does not fit in memory, or a class has no row to train on, or its
            loss or a weight is not finite any more.
    """
    keras.utils.set_random_seed(settings.seed)
    training, validation = split(data, settings)
    network = build_network(data.features.shape[1], data.labels.shape[1], settings)
    compile_network(network, settings)
    train_on_blocks(network)
    try:
        network.fit(
            block_stream(data, training, settings),
            epochs=settings.epochs,
            steps_per_epoch=blocks_per_epoch(data, len(training), settings.batch_size),
            validation_data=data.take(validation) if len(validation) else None,
            validation_batch_size=VALIDATION_ROWS,
            callbacks=callbacks(settings, history),
            shuffle=False,  # the blocks already are
            verbose=0,
        )
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(NO_MEMORY) from error
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise UserError(f"training diverged: a weight is not finite; {SMALLER_STEPS}")
    return network


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


def train_on_blocks(network: Any) -> None:
    """Make a training step of the network take a block of batches, which it trains on in turn.

    For a small network the calls between Keras and TensorFlow cost more than the training. Keras'
    own `steps_per_execution` costs the same, but runs over into the next epoch where it does not
    divide the batches of an epoch.
    """
    step = network.train_step

    def train_step(block: tuple[Any, Any]) -> Any:
        for_each_batch(step, *block)
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
        for order in regrouped(shuffled(rows, size, rng), size):
            whole = len(order) // batch * batch
            for part, shape in ((order[:whole], (-1, batch)), (order[whole:], (1, -1))):
                if len(part):
                    features, labels = data.take(part)
                    yield (
                        features.reshape(*shape, features.shape[1]),
                        labels.reshape(*shape, labels.shape[1]),
                    )


def block_rows(data: Dataset, batch: int) -> int:
    """Return how many rows a block has: whole batches."""
    row_bytes = sum(part.itemsize * part.shape[1] for part in (data.features, data.labels))
    return int(max(1, BLOCK_BYTES // row_bytes // batch) * batch)


def blocks_per_epoch(data: Dataset, rows: int, batch: int) -> int:
    full, rest = divmod(rows, block_rows(data, batch))
    return full + (rest >= batch) + (rest % batch > 0)


def shuffled(rows: RowNumbers | range, size: int, rng: np.random.Generator) -> Iterator[RowNumbers]:
    """Yield all rows in random order, about `size` at a time.

    Where there are more than that, each block is made of runs of rows from all over the table, so
    that it is read in long pieces and yet looks like the whole.
    """
    if len(rows) <= size:
        yield rng.permutation(as_rows(rows))
        return
    run = -(-size // RUNS)
    starts = rng.permutation(np.arange(0, len(rows), run))
    for block in np.array_split(starts, -(-len(rows) // size)):
        yield rng.permutation(np.concatenate([as_rows(rows[at : at + run]) for at in block]))


def as_rows(rows: RowNumbers | range) -> RowNumbers:
    return np.arange(rows.start, rows.stop, dtype=np.int32) if isinstance(rows, range) else rows


def regrouped(blocks: Iterable[RowNumbers], size: int) -> Iterator[RowNumbers]:
    """Yield the same rows, `size` at a time; at the end what is left."""
    left = np.empty(0, np.int32)
    for block in blocks:
        left = np.concatenate([left, block])
        while len(left) >= size:
            yield left[:size]
            left = left[size:]
    if len(left):
        yield left


def callbacks(settings: Train, history: Path) -> list[Any]:
    """Return Keras' callbacks: the end of a hopeless or finished training, curves, one bar."""
    stop_early = keras.callbacks.EarlyStopping(
        patience=settings.patience, restore_best_weights=True
    )
    watching = [stop_early] if settings.patience else []
    return [StopWhenDiverged(), *watching, LearningCurves(history), EpochBar(settings.epochs)]


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
