"""One network trained by Keras' `fit`, from rows that are shuffled in blocks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.model.member import Member
from classifier.model.network import NO_MEMORY, build_network, compile_network
from classifier.model.runtime import keras, tf
from classifier.model.shuffling import block_rows, shuffled_blocks
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers

VALIDATION_ROWS = 8_192  # in a batch

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def fit_one(data: Dataset, member: Member, settings: Train, callbacks: list[Any]) -> Any:
    """Return a keras.Sequential trained on the member's rows, seeded by `train.seed`.

    Raises:
        UserError: it does not fit in memory.
    """
    keras.utils.set_random_seed(settings.seed)
    network = build_network(data.features.shape[1], data.labels.shape[1], settings, member.learned)
    compile_network(network, settings)
    train_on_blocks(network, member.weights)
    training, validation = member.training, member.validation
    try:
        network.fit(
            block_stream(data, training, settings),
            epochs=settings.epochs,
            steps_per_epoch=blocks_per_epoch(data, len(training), settings.batch_size),
            validation_data=data.take(validation) if len(validation) else None,
            validation_batch_size=VALIDATION_ROWS,
            callbacks=[*early_stopping(settings), *callbacks],
            shuffle=False,  # the blocks already are
            verbose=0,
        )
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(NO_MEMORY) from error
    return network


def early_stopping(settings: Train) -> list[Any]:
    if not settings.patience:
        return []
    stop_early = keras.callbacks.EarlyStopping
    return [stop_early(patience=settings.patience, restore_best_weights=True)]


def train_on_blocks(network: Any, weights: npt.NDArray[np.float32] | None) -> None:
    """Make a training step of the network take a block of batches, which it trains on in turn.

    weights: (classes,), what the loss of a row of each class counts; None: all count the same.

    For a small network the calls between Keras and TensorFlow cost more than the training. Keras'
    own `steps_per_execution` costs the same, but runs over into the next epoch where it does not
    divide the batches of an epoch. Updating Keras' metrics after each batch costs more than all
    else: the same sums are carried along, and become those of the metrics after the block.
    """

    def train_on(features: Any, labels: Any) -> tuple[Any, ...]:
        of_rows = None if weights is None else tf.linalg.matvec(tf.cast(labels, "float32"), weights)
        with tf.GradientTape() as tape:
            answers = network(features, training=True)
            loss = network.compute_loss(features, labels, answers, of_rows)
        variables = network.trainable_weights
        network.optimizer.apply(tape.gradient(loss, variables), variables)
        is_right = tf.argmax(answers, axis=1) == tf.argmax(labels, axis=1)
        rows = tf.cast(tf.shape(features)[0], "float32")
        return loss * rows, rows, tf.reduce_sum(tf.cast(is_right, "float32")), rows

    def train_step(block: tuple[Any, Any]) -> Any:
        features, labels = block

        def train(at: Any, *sums: Any) -> tuple[Any, ...]:
            new = train_on(features[at], labels[at])
            return at + 1, *(total + one for total, one in zip(sums, new, strict=True))

        start = (0, *(tf.convert_to_tensor(each) for each in network.metrics_variables))
        batches = tf.shape(features)[0]
        _, *sums = tf.while_loop(lambda at, *_: at < batches, train, start, parallel_iterations=1)
        for variable, total in zip(network.metrics_variables, sums, strict=True):
            variable.assign(total)
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
