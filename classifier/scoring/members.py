"""Many networks of one shape, trained side by side as one Keras model.

Every weight has a member axis, its last. A product, an activation, a loss and an optimizer's update
of one member read nothing of another, so each ends as it would have ended alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.model.learned import Float32s, Learned, stacked
from classifier.model.network import (
    NO_MEMORY,
    for_each_batch,
    make_optimizer,
    without_unseen,
)
from classifier.model.runtime import keras, tf
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers
from classifier.scoring.scores import METRICS, Scores, macro_f1

MEMORY = 512 * 2**20  # bytes for the members that are trained side by side
NO_ROW = -1  # where a member has no row in a batch
BLOCK_CELLS = 2_000_000  # numbers of the batches that are made at a time
SMALL_PRODUCT = 512  # multiplications; from about here on matrix products are faster

Truths = npt.NDArray[np.bool_]


class MembersDense(keras.layers.Layer):  # type: ignore[misc]
    """`keras.layers.Dense` once for every member: (rows, in, members) to (rows, units, members).

    Thousands of small products cost less as one loop over all members, which XLA compiles. Larger
    ones cost less as matrix products, and those XLA must not have: it does them by instructions
    that differ between CPUs, and so do the bits.
    """

    def __init__(self, units: int, activation: str) -> None:
        super().__init__()
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape: tuple[int, int, int]) -> None:
        _, inputs, members = input_shape
        self.small = inputs * self.units <= SMALL_PRODUCT
        self.kernel = self.add_weight(shape=(inputs, self.units, members), name="kernel")
        self.bias = self.add_weight(shape=(self.units, members), name="bias")

    def call(self, rows: Any) -> Any:
        if self.small:
            product = keras.ops.sum(rows[:, :, None] * self.kernel, axis=1)
        else:
            product = keras.ops.einsum("bik,iok->bok", rows, self.kernel)
        return self.activation(product + self.bias)


class Members(keras.Sequential):  # type: ignore[misc]
    """A keras.Sequential of MembersDense layers; XLA compiles its training if all are small.

    Keras' own `jit_compile` is ignored while op determinism is on, because XLA does not know every
    deterministic operation; those used here it knows.
    """

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on several batches, (batches, batch, columns, members), in one call."""
        train = self.train_on_batches
        if all(layer.small for layer in self.layers):
            train = tf.function(train, jit_compile=True)
        features, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        train(features, targets)
        return {}

    def train_on_batches(self, features: Any, targets: Any) -> None:
        for_each_batch(super().train_step, features, targets)


def build_members(members: int, inputs: int, classes: int, settings: Train) -> Members:
    """Return a compiled model: (rows, inputs, members) float32 in, logits out.

    The logits are (rows, classes, members); it is trained on targets as `sum_of_losses` wants them.
    """
    hidden = [MembersDense(units, settings.activation) for units in settings.hidden]
    features = keras.Input((inputs, members), name="features")
    network = Members([features, *hidden, MembersDense(classes, "linear")])
    network.compile(loss=sum_of_losses, optimizer=make_optimizer(settings), jit_compile=False)
    network.optimizer.build(network.trainable_variables)
    return network


def initial_weights(
    inputs: int, classes: int, settings: Train, rngs: Sequence[np.random.Generator]
) -> list[npt.NDArray[np.float32]]:
    """Return kernels (in, out, members) and biases (out, members), each member's from its own rng.

    They are distributed as those of a new `keras.layers.Dense`: biases 0, kernels uniform within
    sqrt(6 / (in + out)) (Glorot and Bengio, 2010, formula 16).
    """
    weights: list[npt.NDArray[np.float32]] = []
    for shape in pairwise([inputs, *settings.hidden, classes]):
        limit = np.sqrt(6 / sum(shape))
        kernels = [rng.uniform(-limit, limit, shape).astype(np.float32) for rng in rngs]
        weights += [np.stack(kernels, axis=-1), np.zeros((shape[1], len(rngs)), np.float32)]
    return weights


def sum_of_losses(targets: Any, logits: Any) -> Any:
    """Return the sum over the members of each one's mean cross-entropy.

    targets: (batch, classes, members), the one-hot labels of a member's rows, each divided by the
    number of its rows in the batch; zeros where it has none. The gradient of the sum by the weights
    of a member is that of its own mean. logits: (batch, classes, members).
    """
    weights = keras.ops.sum(targets, axis=1)
    log_totals = keras.ops.logsumexp(logits, axis=1)
    return keras.ops.sum(weights * log_totals) - keras.ops.sum(targets * logits)


@dataclass(frozen=True)
class Member:
    """One network: the numbers of its rows, and what it has learned from those it is trained on.

    rng: what its start and its shuffles are drawn from.
    """

    training: RowNumbers
    validation: RowNumbers
    test: RowNumbers
    learned: Learned
    rng: np.random.Generator


def train_and_score(
    data: Dataset,
    sizes: Sequence[int],
    member: Callable[[int], Member],
    settings: Train,
    advance: Callable[[int], object],
) -> dict[str, Scores]:
    """Return accuracy, loss and macro F1 of members on their test rows, each (members,).

    sizes: how many rows each is trained on; member: makes one, given its number, when its turn
    comes. As many are trained side by side as fit in MEMORY; which ones makes no difference.

    Raises:
        UserError: a network does not fit in memory, or its loss is not finite any more.
    """
    limit = max(1, MEMORY // bytes_per_member(data, max(sizes), settings))
    scores = {metric: np.empty(len(sizes)) for metric in METRICS}
    for numbers in side_by_side(sizes, settings.batch_size, limit):
        members = [member(int(number)) for number in numbers]
        try:
            network = train_members(data, members, settings, advance)
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(NO_MEMORY) from error
        found = score_members(
            network, data, [member.test for member in members], learned_by(members)
        )
        require_finite(found["loss"])
        for metric, values in found.items():
            scores[metric][numbers] = values
    return scores


def side_by_side(
    sizes: Sequence[int], batch_size: int, limit: int
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the numbers of members to train together: of as many batches, and `limit` at most."""
    batches = -(-np.array(sizes) // batch_size)
    for count in np.unique(batches):
        alike = np.flatnonzero(batches == count)
        parts = -(-len(alike) // limit)
        yield from (alike[part::parts] for part in range(parts))


def bytes_per_member(data: Dataset, rows: int, settings: Train) -> int:
    """Return about what it takes to train one: weights, activations of a batch, order of rows.

    Weights count six times, with their gradients, up to three of an optimizer and a copy;
    activations three times, with their gradients and products in between.
    """
    units = [data.features.shape[1], *settings.hidden, data.labels.shape[1]]
    weights = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
    batch = min(settings.batch_size, rows)
    return int(4 * (6 * weights + 3 * batch * sum(units) + 3 * rows))


def require_finite(losses: Scores) -> None:
    """Raise `UserError` if the training of a member has diverged."""
    diverged = int((~np.isfinite(losses)).sum())
    if diverged:
        raise UserError(
            f"training diverged: the loss of {diverged} of {len(losses)} models is not finite; "
            "try a smaller train.learning_rate"
        )


def train_members(
    data: Dataset, members: Sequence[Member], settings: Train, advance: Callable[[int], object]
) -> Members:
    """Return the members, trained; each must have as many batches in an epoch as the others.

    `advance` is called with the number of epochs that have been trained, over all members.
    """
    inputs, classes = data.features.shape[1], data.labels.shape[1]
    network = build_members(len(members), inputs, classes, settings)
    rngs = [member.rng for member in members]
    learned = learned_by(members)
    kernel, *weights = initial_weights(inputs, classes, settings, rngs)
    network.set_weights([without_unseen(kernel, learned), *weights])
    stop_early = StopEachEarly(network, data, members, settings.patience)
    for _ in range(settings.epochs):
        for block in batch_blocks(data, members, learned, settings):
            network.train_on_batch(*block)
        advance(len(members))
        if settings.patience and stop_early.after_epoch():
            break
    if settings.patience:
        stop_early.restore_best_weights()
    return network


def learned_by(members: Sequence[Member]) -> Learned:
    """Return what each has learned, (inputs, members)."""
    return stacked([member.learned for member in members])


def batch_blocks(
    data: Dataset, members: Sequence[Member], learned: Learned, settings: Train
) -> Iterator[tuple[Float32s, Float32s]]:
    """Yield an epoch's features and targets, some batches at a time.

    Each is (batches, batch, columns, members). Every member has its rows once, in an order drawn
    from its rng, gaps filled and numbers scaled as it has learned.
    """
    batch = min(settings.batch_size, max(len(member.training) for member in members))
    count = len(members)
    columns = data.features.shape[1] + data.labels.shape[1]
    size = max(1, BLOCK_CELLS // (batch * count * columns))
    steps = -(-len(members[0].training) // batch)
    shuffled = [member.rng.permutation(member.training) for member in members]
    order = stack_rows(shuffled, (steps, batch, count))
    return (gather(data, order[at : at + size], learned) for at in range(0, steps, size))


def stack_rows(rows: Sequence[RowNumbers], shape: tuple[int, ...]) -> RowNumbers:
    """Return the rows of every member side by side, filled up with NO_ROW, in the given shape."""
    stacked = np.full((math.prod(shape[:-1]), len(rows)), NO_ROW, np.int32)
    for place, of_member in enumerate(rows):
        stacked[: len(of_member), place] = of_member
    return stacked.reshape(shape)


def gather(data: Dataset, rows: RowNumbers, learned: Learned) -> tuple[Float32s, Float32s]:
    """Return the features and the targets of rows, (..., batch, members), members last."""
    exists = rows != NO_ROW
    counts = np.maximum(exists.sum(axis=-2, keepdims=True), 1)
    weights = (exists / counts).astype(np.float32)
    features = learned.apply(take_rows(data.features, rows))
    return features, take_rows(data.labels, rows) * weights[..., None, :]


def take_rows(table: npt.NDArray[Any], rows: RowNumbers) -> npt.NDArray[Any]:
    """Return the columns of rows (..., members) as (..., columns, members), any row for NO_ROW."""
    taken = np.empty((*rows.shape[:-1], table.shape[1], rows.shape[-1]), table.dtype)
    for place, column in enumerate(np.asarray(table).T):
        # Column by column into its place: a third of the time of taking rows and turning them.
        np.take(column, rows, out=taken[..., place, :], mode="clip")
    return taken


class StopEachEarly:
    """`keras.callbacks.EarlyStopping(restore_best_weights=True)`, for each member by itself.

    Members that have stopped are trained along until the last one has; it does not count.
    """

    def __init__(
        self, network: Members, data: Dataset, members: Sequence[Member], patience: int
    ) -> None:
        self.network, self.data, self.patience = network, data, patience
        self.rows, self.learned = [one.validation for one in members], learned_by(members)
        self.lowest = np.full(len(members), np.inf)
        self.waited = np.zeros(len(members), int)
        self.diverged = np.zeros(len(members), bool)
        self.best: list[Float32s] = network.get_weights()

    def after_epoch(self) -> bool:
        """Keep the weights of members that have got better; return whether all have stopped."""
        losses = score_members(self.network, self.data, self.rows, self.learned)["loss"]
        running = self.waited < self.patience
        self.diverged |= running & ~np.isfinite(losses)
        better = running & (losses < self.lowest)
        self.lowest = np.where(better, losses, self.lowest)
        self.waited = np.where(better, 0, self.waited + 1)
        weights = zip(self.network.get_weights(), self.best, strict=True)
        self.best = [np.where(better, new, old) for new, old in weights]
        return bool((self.waited >= self.patience).all())

    def restore_best_weights(self) -> None:
        """Put the best weights back; those of a member that has diverged are NaN."""
        self.network.set_weights(
            [np.where(self.diverged, np.float32(np.nan), weights) for weights in self.best]
        )


def score_members(
    network: Members, data: Dataset, rows: Sequence[RowNumbers], learned: Learned
) -> dict[str, Scores]:
    """Return accuracy, loss and macro F1 of each member on its own rows, each (members,)."""
    classes, members, longest = data.labels.shape[1], len(rows), max(map(len, rows))
    stacked = stack_rows(rows, (longest, members))
    size = max(1, BLOCK_CELLS // (members * (data.features.shape[1] + classes)))
    counts, loss = np.zeros((3, classes, members), int), np.zeros(members)
    for block in (stacked[at : at + size] for at in range(0, longest, size)):
        features, targets = gather(data, block, learned)
        logits, is_class = np.asarray(network(features), np.float64), targets > 0
        counts += count_hits(logits, is_class)
        with np.errstate(invalid="ignore"):  # of members that diverged
            loss += total_loss(logits, is_class)
    hits, actual, predicted = counts
    return {
        "accuracy": hits.sum(axis=0) / actual.sum(axis=0),
        "loss": loss / actual.sum(axis=0),
        "macro_f1": macro_f1(hits, actual, predicted),
    }


def count_hits(logits: Scores, is_class: Truths) -> npt.NDArray[np.intp]:
    """Return rows of each class that were predicted to be, that are, and that were predicted.

    Both arguments are (rows, classes, members), the second is all false where there is no row;
    the result is (3, classes, members).
    """
    best = logits.argmax(axis=1)[:, None]
    predicted = (np.arange(logits.shape[1])[:, None] == best) & is_class.any(axis=1, keepdims=True)
    return np.stack([each.sum(axis=0) for each in (predicted & is_class, is_class, predicted)])


def total_loss(logits: Scores, is_class: Truths) -> Scores:
    """Return the cross-entropy summed over the rows, (members,); arguments as in `count_hits`."""
    log_totals = np.logaddexp.reduce(logits, axis=1) * is_class.any(axis=1)
    return np.asarray((log_totals - (logits * is_class).sum(axis=1)).sum(axis=0))
