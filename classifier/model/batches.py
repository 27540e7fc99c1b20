"""Batches of many networks side by side, made while the last ones are trained on."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from classifier.model.fill_and_scale import Float32s, Learned
from classifier.model.member import Member, weights_of
from classifier.model.shuffling import block_rows, shuffled_blocks
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers

NO_ROW = -1  # where a member has no row in a batch
BLOCK_CELLS = 2_000_000  # numbers of the batches that are made at a time
END_OF_EPOCH = None  # stands among blocks

Block = tuple[Float32s, Float32s]  # features and targets of some batches
Item = TypeVar("Item")


def made_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items; a thread makes the next one while the reader uses the last."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        following: Future[Item | object] = pool.submit(next, iterator, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, iterator, end)
            yield cast(Item, item)


def epochs(
    data: Dataset, members: Sequence[Member], learned: Learned, settings: Train
) -> Iterator[Iterator[Block]]:
    """Yield the blocks of each epoch, the next one made while the last is trained on."""
    blocks = made_ahead(epochs_of_blocks(data, members, learned, settings))
    for _ in range(settings.epochs):
        yield epoch_of(blocks)


def epoch_of(blocks: Iterator[Block | None]) -> Iterator[Block]:
    """Yield the next blocks, up to END_OF_EPOCH."""
    while (block := next(blocks)) is not END_OF_EPOCH:
        yield block


def epochs_of_blocks(
    data: Dataset, members: Sequence[Member], learned: Learned, settings: Train
) -> Iterator[Block | None]:
    """Yield the blocks of each epoch, and END_OF_EPOCH after them."""
    for _ in range(settings.epochs):
        yield from batch_blocks(data, members, learned, settings)
        yield END_OF_EPOCH


def batch_blocks(
    data: Dataset, members: Sequence[Member], learned: Learned, settings: Train
) -> Iterator[Block]:
    """Yield an epoch's features and targets, some batches at a time.

    Each is (batches, batch, columns, members), as many batches in all blocks; the last may be
    empty. Every member has its rows once, in an order drawn from its rng, gaps filled and numbers
    scaled as it has learned.
    """
    longest = max(len(member.training) for member in members)
    batch, weights = min(settings.batch_size, longest), weights_of(members)
    length = block_rows(data, batch)
    size = block_batches(data, batch, len(members), -(-min(length, longest) // batch))
    for rows in zip(
        *(shuffled_blocks(each.training, length, each.rng) for each in members), strict=True
    ):
        blocks = -(-len(rows[0]) // (batch * size))
        for order in stack_rows(rows, (blocks, size, batch, len(members))):
            yield gather(data, order, learned, weights)
        data.release()  # not before: pages of these rows are read again and again


def block_batches(data: Dataset, batch: int, members: int, steps: int) -> int:
    """Return how many batches a block has, so that blocks of about one size hold all the steps."""
    columns: int = data.features.shape[1] + data.labels.shape[1]
    most = max(1, BLOCK_CELLS // (batch * members * columns))
    blocks = -(-steps // most)
    return -(-steps // blocks)


def row_blocks(data: Dataset, rows: Sequence[RowNumbers], learned: Learned) -> Iterator[Block]:
    """Yield features and targets of each member's own rows, in their order, some at a time.

    Each is (rows, columns, members).
    """
    columns, longest = data.features.shape[1] + data.labels.shape[1], max(map(len, rows))
    stacked = stack_rows(rows, (longest, len(rows)))
    size = max(1, BLOCK_CELLS // (len(rows) * columns))
    for at in range(0, longest, size):
        yield gather(data, stacked[at : at + size], learned)


def stack_rows(rows: Sequence[RowNumbers], shape: tuple[int, ...]) -> RowNumbers:
    """Return the rows of every member side by side, filled up with NO_ROW, in the given shape."""
    stacked = np.full((math.prod(shape[:-1]), len(rows)), NO_ROW, np.int32)
    for place, of_member in enumerate(rows):
        stacked[: len(of_member), place] = of_member
    return stacked.reshape(shape)


def gather(
    data: Dataset, rows: RowNumbers, learned: Learned, weights: Float32s | None = None
) -> tuple[Float32s, Float32s]:
    """Return the features and the targets of rows, (..., batch, members), members last.

    weights: (classes, members), what the loss of a row of each class counts; None: the same.
    """
    exists = rows != NO_ROW
    counts = np.maximum(exists.sum(axis=-2, keepdims=True), 1)
    shares = (exists / counts).astype(np.float32)
    features = learned.apply(take_rows(data.features, rows))
    targets = take_rows(data.labels, rows) * shares[..., None, :]
    return features, targets if weights is None else targets * weights


def take_rows(table: npt.NDArray[Any], rows: RowNumbers) -> npt.NDArray[Any]:
    """Return the columns of rows (..., members) as (..., columns, members), any row for NO_ROW."""
    taken = np.take(table, rows, axis=0, mode="clip")
    return np.ascontiguousarray(taken.swapaxes(-1, -2))
