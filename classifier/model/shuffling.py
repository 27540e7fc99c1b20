"""Rows in random order, a block at a time, so that memory does not grow with the rows."""

from collections.abc import Iterable, Iterator

import numpy as np

from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers

BLOCK_BYTES = 4 * 2**20  # of rows that are shuffled in memory at a time
RUNS = 128  # of rows that stand together in the table make up a block


def shuffled_blocks(
    rows: RowNumbers | range, size: int, rng: np.random.Generator
) -> Iterable[RowNumbers]:
    """Yield all rows in random order, `size` at a time; in the last block what is left."""
    if len(rows) <= size:  # thousands of times in an epoch where there are many members
        return (rng.permutation(as_rows(rows)),)
    return regrouped(shuffled(rows, size, rng), size)


def block_rows(data: Dataset, batch: int) -> int:
    """Return how many rows a block has: whole batches."""
    row_bytes = sum(part.itemsize * part.shape[1] for part in (data.features, data.labels))
    return int(max(1, BLOCK_BYTES // row_bytes // batch) * batch)


def shuffled(rows: RowNumbers | range, size: int, rng: np.random.Generator) -> Iterator[RowNumbers]:
    """Yield all rows in random order, about `size` at a time.

    Each block is made of runs of rows from all over the table, so that it is read in long pieces
    and yet looks like the whole.
    """
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
