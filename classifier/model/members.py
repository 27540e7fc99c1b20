"""Many networks of one shape, trained side by side as one Keras model.

Every weight has a member axis, its last. A product, an activation, a loss and an optimizer's update
of one member read nothing of another, so each ends as it would have ended alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.model.batches import (
    Block,
    epochs,
    row_blocks,
)
from classifier.model.fill_and_scale import Float32s, Float64s, Learned
from classifier.model.member import Member, learned_by
from classifier.model.network import NO_MEMORY, make_optimizer, without_unseen
from classifier.model.runtime import THREADS, keras, tf
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers

TOTALS = ("loss", "right", "rows")  # over the rows of some batches
LANES = 8  # numbers in a vector of AVX2
SMALL_PRODUCT = 512  # multiplications; from about here on matrix products are faster

Truths = npt.NDArray[np.bool_]


class MembersDense(keras.layers.Layer):  # type: ignore[misc]
    """`keras.layers.Dense` once for every member: (rows, in, members) to (rows, units, members).

    Thousands of small products cost less as one loop over all members, which XLA compiles. Larger
    ones cost less as matrix products, and those XLA must not have: it does them by instructions
    that differ between CPUs, and so do the bits. Bits would also change where threads share a
    member, or where values are the last ones, not computed by vectors: hence the padding.
    """

    def __init__(self, units: int, activation: str) -> None:
        super().__init__()
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, input_shape: tuple[int, int, int]) -> None:
        _, inputs, members = input_shape
        self.small = inputs * self.units <= SMALL_PRODUCT
        self.members = members
        self.kernel = self.add_weight(shape=(inputs, self.units, members), name="kernel")
        self.bias = self.add_weight(shape=(self.units, members), name="bias")

    def call(self, rows: Any) -> Any:
        if self.small:
            product = keras.ops.sum(rows[:, :, None] * self.kernel, axis=1)
        else:
            pairs = (padded(each, THREADS) for each in (rows, self.kernel))
            product = keras.ops.einsum("bik,iok->bok", *pairs)[..., : self.members]
        return self.activation(padded(product + self.bias, LANES))[..., : self.members]


def padded(values: Any, multiple: int) -> Any:
    """Return values, members last, with zeros for so many more that these are a multiple."""
    return keras.ops.pad(values, ((0, 0), (0, 0), (0, -values.shape[-1] % multiple)))


class Members(keras.Sequential):  # type: ignore[misc]
    """A keras.Sequential of MembersDense layers; XLA compiles its training if all are small.

    Keras' own `jit_compile` is ignored while op determinism is on, because XLA does not know every
    deterministic operation; those used here it knows.
    """

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on several batches, (batches, batch, columns, members), in one call.

        The last ones may have no rows: with them, blocks are of one shape, for which this is traced
        and compiled once. It returns, (members,) each, the sums over the rows of the loss, of right
        answers, and of 1.
        """
        train = self.train_on_batches
        if all(layer.small for layer in self.layers):
            train = tf.function(train, jit_compile=True, autograph=False)
        features, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        return dict(zip(TOTALS, train(features, targets), strict=True))

    def train_on_batches(self, features: Any, targets: Any) -> tuple[Any, ...]:
        def train(at: Any, *totals: Any) -> tuple[Any, ...]:
            found = self.train_on(features[at], targets[at])
            return at + 1, *(total + new for total, new in zip(totals, found, strict=True))

        zeros = tf.zeros(targets.shape[-1])
        has_rows = tf.reduce_any(targets > 0, axis=(1, 2, 3))
        batches = tf.reduce_sum(tf.cast(has_rows, tf.int32))
        start = (0, *(zeros for _ in TOTALS))
        _, *totals = tf.while_loop(lambda at, *_: at < batches, train, start, parallel_iterations=1)
        return tuple(totals)

    def train_on(self, features: Any, targets: Any) -> tuple[Any, Any, Any]:
        """Train on a batch; return what `train_step` does."""
        with tf.GradientTape() as tape:
            logits = self(features, training=True)
            losses = mean_losses(targets, logits)
            loss = keras.ops.sum(losses)
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        is_row = keras.ops.max(targets, axis=1) > 0
        is_right = keras.ops.argmax(logits, axis=1) == keras.ops.argmax(targets, axis=1)
        rows = keras.ops.sum(keras.ops.cast(is_row, "float32"), axis=0)
        right = keras.ops.sum(keras.ops.cast(is_row & is_right, "float32"), axis=0)
        return losses * rows, right, rows


def build_members(members: int, inputs: int, classes: int, settings: Train) -> Members:
    """Return a compiled model: (rows, inputs, members) float32 in, logits out.

    The logits are (rows, classes, members); it is trained on targets as `mean_losses` wants them.
    """
    hidden = [MembersDense(units, settings.activation) for units in settings.hidden]
    features = keras.Input((inputs, members), name="features")
    network = Members([features, *hidden, MembersDense(classes, "linear")])
    network.compile(optimizer=make_optimizer(settings), jit_compile=False)
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


def mean_losses(targets: Any, logits: Any) -> Any:
    """Return each member's mean cross-entropy over its rows, (members,).

    targets: (batch, classes, members), the one-hot labels of a member's rows, each divided by the
    number of its rows in the batch; zeros where it has none. The gradient of their sum by the
    weights of a member is that of its own mean. logits: (batch, classes, members).
    """
    weights = keras.ops.sum(targets, axis=1)
    log_totals = keras.ops.logsumexp(padded(logits, LANES), axis=1)[..., : logits.shape[-1]]
    return keras.ops.sum(weights * log_totals, axis=0) - keras.ops.sum(
        targets * logits, axis=(0, 1)
    )


@dataclass(frozen=True)
class Epoch:
    """What came of an epoch, (members,) each; nothing of validation where none was asked for."""

    loss: Float64s
    accuracy: Float64s
    val_loss: Float64s | None = None
    val_accuracy: Float64s | None = None


def train_members(
    data: Dataset,
    members: Sequence[Member],
    settings: Train,
    after_epoch: Callable[[Epoch], object],
    validate: bool = False,
) -> Members:
    """Return the members, trained; each must have as many batches in an epoch as the others.

    validate: whether an epoch tells of validation rows where it is not needed to stop early.

    Raises:
        UserError: the members do not fit in memory.
    """
    inputs, classes = data.features.shape[1], data.labels.shape[1]
    learned = learned_by(members)
    try:
        network = build_members(len(members), inputs, classes, settings)
        kernel, *others = initial_weights(inputs, classes, settings, [each.rng for each in members])
        network.set_weights([without_unseen(kernel, learned), *others])
        validation = Validation(network, data, members, settings.patience)
        for blocks in epochs(data, members, learned, settings):
            epoch = train_epoch(network, blocks, len(members))
            if validate or settings.patience:
                epoch = validation.of(epoch)
            after_epoch(epoch)
            if validation.have_stopped():
                break
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(NO_MEMORY) from error
    if settings.patience:
        validation.restore_best_weights()
    return network


def train_epoch(network: Members, blocks: Iterable[Block], members: int) -> Epoch:
    """Train on the blocks of an epoch; return how the members did meanwhile."""
    totals = np.zeros((len(TOTALS), members))
    for features, targets in blocks:
        found = network.train_on_batch(features, targets, return_dict=True)
        totals += [found[name] for name in TOTALS]
    loss, right, rows = totals
    return Epoch(loss / rows, right / rows)


class Validation:
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

    def of(self, epoch: Epoch) -> Epoch:
        """Return the epoch with what the rows kept aside say; keep the weights that are best."""
        rows, right, losses = np.zeros((3, len(self.rows)))
        for logits, is_class in logit_blocks(self.network, self.data, self.rows, self.learned):
            hits, actual, _ = count_hits(logits, is_class)
            rows, right = rows + actual.sum(axis=0), right + hits.sum(axis=0)
            losses = losses + total_loss(logits, is_class)
        if self.patience:
            self.keep_better(losses / rows)
        return replace(epoch, val_loss=losses / rows, val_accuracy=right / rows)

    def keep_better(self, losses: Float64s) -> None:
        running = self.waited < self.patience
        self.diverged |= running & ~np.isfinite(losses)
        better = running & (losses < self.lowest)
        self.lowest = np.where(better, losses, self.lowest)
        self.waited = np.where(better, 0, self.waited + 1)
        weights = zip(self.network.get_weights(), self.best, strict=True)
        self.best = [np.where(better, new, old) for new, old in weights]

    def have_stopped(self) -> bool:
        return bool(self.patience and (self.waited >= self.patience).all())

    def restore_best_weights(self) -> None:
        """Put the best weights back; those of a member that has diverged are NaN."""
        self.network.set_weights(
            [np.where(self.diverged, np.float32(np.nan), weights) for weights in self.best]
        )


def logit_blocks(
    network: Members, data: Dataset, rows: Sequence[RowNumbers], learned: Learned
) -> Iterator[tuple[Float64s, Truths]]:
    """Yield what the network says of each member's own rows, in their order, some at a time.

    Logits and whether a row is of a class, (rows, classes, members) both; of a row that a member
    does not have any more, it is of none.
    """
    for features, targets in row_blocks(data, rows, learned):
        yield np.asarray(network(features), np.float64), targets > 0


def count_hits(logits: Float64s, is_class: Truths) -> npt.NDArray[np.intp]:
    """Return rows of each class that were predicted to be, that are, and that were predicted.

    Both arguments are (rows, classes, members), the second is all false where there is no row;
    the result is (3, classes, members).
    """
    best = logits.argmax(axis=1)[:, None]
    predicted = (np.arange(logits.shape[1])[:, None] == best) & is_class.any(axis=1, keepdims=True)
    return np.stack([each.sum(axis=0) for each in (predicted & is_class, is_class, predicted)])


def total_loss(logits: Float64s, is_class: Truths) -> Float64s:
    """Return the cross-entropy summed over the rows, (members,); arguments as in `count_hits`."""
    with np.errstate(invalid="ignore"):  # of members that diverged
        log_totals = np.logaddexp.reduce(logits, axis=1) * is_class.any(axis=1)
        return np.asarray((log_totals - (logits * is_class).sum(axis=1)).sum(axis=0))
