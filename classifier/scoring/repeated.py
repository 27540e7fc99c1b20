"""Rows that a model was trained on too: on them it looks better than it is."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.rows.dataset import Dataset

BLOCK_CELLS = 2_000_000  # that are hashed at a time


def count_repeated(data: Dataset, train: Dataset) -> int:
    """Return how many rows of a data set stand among those trained on too, label and all."""
    hashes, counts = np.unique(np.concatenate([*row_hashes(data)]), return_counts=True)
    is_repeated = np.zeros(len(hashes), bool)
    for known in row_hashes(train):
        places = np.searchsorted(hashes, known).clip(max=len(hashes) - 1)
        is_repeated[places[hashes[places] == known]] = True
    return int(counts[is_repeated].sum())


def count_copies(data: Dataset) -> int:
    """Return how many rows there are of which the data set has another, label and all."""
    _, counts = np.unique(np.concatenate([*row_hashes(data)]), return_counts=True)
    return int(counts[counts > 1].sum())


def row_hashes(data: Dataset) -> Iterator[npt.NDArray[np.uint64]]:
    """Yield a hash of each row, of 64 bits, in blocks: equal rows have equal ones."""
    width = data.features.shape[1]
    weights = np.random.default_rng(0).integers(2**64, size=width + 1, dtype=np.uint64) | 1
    step = max(1, BLOCK_CELLS // width)
    for start in range(0, len(data), step):
        features, labels = data.take(slice(start, start + step))
        bits = (features + np.float32(0)).view(np.uint32)  # -0 is 0
        hashed = pd.util.hash_array(bits.ravel()).reshape(bits.shape)
        yield hashed @ weights[:-1] + labels.argmax(axis=1).astype(np.uint64) * weights[-1]
