"""Rows that a model was also trained on: on them it looks better than it is."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.rows.dataset import Dataset

BLOCK_CELLS = 2_000_000  # that are hashed at a time
OF_CLASS = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no two classes get one number


def count_repeated(data: Dataset, train: Dataset) -> int:
    """Return how many rows of a data set stand among those trained on too, label and all."""
    hashes, counts = np.unique(np.concatenate([*row_hashes(data)]), return_counts=True)
    is_repeated = np.zeros(len(hashes), bool)
    for known in row_hashes(train):
        places = np.searchsorted(hashes, known).clip(max=len(hashes) - 1)
        is_repeated[places[hashes[places] == known]] = True
    return int(counts[is_repeated].sum())


def count_copies(data: Dataset) -> int:
    """Return how many rows there are of which the data set has another, label and all.

    Where rows belong together, another of their own group does not count: no fold has only one.
    """
    hashes = np.concatenate([*row_hashes(data)])
    if data.groups is None:
        _, counts = np.unique(hashes, return_counts=True)
        return int(counts[counts > 1].sum())
    _, alike, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return int(counts[groups_of_sets(alike, data.groups.of_rows) > 1].sum())


def groups_of_sets(
    sets: npt.NDArray[np.intp], groups: npt.NDArray[np.integer]
) -> npt.NDArray[np.intp]:
    """Return how many groups each set of rows is of; both count from 0, (rows,)."""
    count = int(groups.max()) + 1
    return np.bincount(np.unique(sets * count + groups) // count)


def count_like_others(data: Dataset) -> tuple[int, int]:
    """Return how many rows have the features of another of their class, and of another class.

    Of the first, only those of another group count, where rows belong together.
    """
    bits = np.uint64(data.labels.shape[1].bit_length())  # in which the class takes the hash's place
    found = ((hashes >> bits << bits) + classes.astype(np.uint64)
             for hashes, classes in feature_hashes(data))  # fmt: skip
    keys = np.concatenate([*found])
    order = None if data.groups is None else np.argsort(keys)
    keys.sort()
    other_rows = np.append(True, keys[1:] != keys[:-1])
    keys >>= bits
    other_features = np.append(True, keys[1:] != keys[:-1])
    copies, alike = group_sizes(other_rows), group_sizes(other_features)
    classes_of_group = np.add.reduceat(other_rows, np.flatnonzero(other_features), dtype=np.intp)
    are_apart = copies > 1
    if data.groups is not None:
        groups = data.groups.of_rows[order]
        are_apart = groups_of_sets(np.cumsum(other_rows) - 1, groups) > 1
    return int(copies[are_apart].sum()), int(alike[classes_of_group > 1].sum())


def group_sizes(is_first: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return how many rows each group has, by which of them are the first of one."""
    return np.diff(np.flatnonzero(is_first), append=len(is_first))


def row_hashes(data: Dataset) -> Iterator[npt.NDArray[np.uint64]]:
    """Yield a hash of each row, of 64 bits, in blocks: equal rows have equal ones."""
    for hashes, classes in feature_hashes(data):
        yield hashes + classes.astype(np.uint64) * OF_CLASS


def feature_hashes(data: Dataset) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.intp]]]:
    """Yield a hash of each row's features, of 64 bits, and its class, in blocks."""
    width = data.features.shape[1]
    weights = np.random.default_rng(0).integers(2**64, size=width, dtype=np.uint64) | 1
    step = max(1, BLOCK_CELLS // width)
    for start in range(0, len(data), step):
        features, labels = data.take(slice(start, start + step))
        bits = (features + np.float32(0)).view(np.uint32)  # -0 is 0
        hashed = pd.util.hash_array(bits.ravel()).reshape(bits.shape)
        yield hashed @ weights, labels.argmax(axis=1)
