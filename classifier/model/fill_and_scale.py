"""What a network learns from its rows before it is trained: what fills a gap, and the scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers

BLOCK_CELLS = 2_000_000  # of rows that are in memory at a time
COLUMN_CELLS = 10_000_000  # of whole columns; one at least

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What is done to the inputs of one network, each (inputs,), or of many, (inputs, members).

    fill: float32, what a gap counts as, None where there are none; mean and std: float32, where a
    network reads (x - mean) * (1 / std), None where it reads x; unseen: bool, whether no row that
    was trained on has the input, so that it is to have no weight, None where each is known.
    """

    fill: Float32s | None = None
    mean: Float32s | None = None
    std: Float32s | None = None
    unseen: npt.NDArray[np.bool_] | None = None

    @cached_property
    def factor(self) -> Float32s | None:
        """What is multiplied by: TensorFlow makes that of a division by constants, now and then."""
        return None if self.std is None else np.float32(1) / self.std

    def apply(self, features: Float32s) -> Float32s:
        """Return features, (rows, inputs) or (..., inputs, members), changed in place."""
        if self.fill is not None:
            np.copyto(features, self.fill, where=np.isnan(features))
        if self.mean is not None and self.factor is not None:
            with np.errstate(over="ignore"):  # what is infinite then shows in the loss
                features -= self.mean
                features *= self.factor
        return features


NOTHING = Learned()


def stacked(each: Sequence[Learned]) -> Learned:
    """Return what was learned of the same inputs by each member, members last."""

    def stack(parts: list[npt.NDArray[Any] | None]) -> Any:
        found = [part for part in parts if part is not None]
        return np.stack(found, axis=-1) if found else None

    return Learned(
        fill=stack([one.fill for one in each]),
        mean=stack([one.mean for one in each]),
        std=stack([one.std for one in each]),
        unseen=stack([one.unseen for one in each]),
    )


def learn(data: Dataset, rows: RowNumbers | range, scale: bool) -> Learned:
    """Return what these rows say about the inputs.

    A gap in a number counts as the median, in a text as the most frequent category, the earliest of
    equals; with `scale`, numbers have mean 0 and standard deviation 1 when gaps are filled. A
    number that no row has, and a category, is unseen.
    """
    counts = category_counts(data, rows)
    is_category = category_mask(data)
    unseen, fill = is_category & (counts == 0), None
    if data.kinds.gaps:
        fill = most_frequent(data, counts)
        fill[~is_category] = medians(data, rows, np.flatnonzero(~is_category))
        unseen |= np.isnan(fill)
        np.nan_to_num(fill, copy=False)
    mean, std = scales(data, rows, fill, ~is_category) if scale else (None, None)
    return Learned(fill, mean, std, unseen)


def class_weights(data: Dataset, rows: RowNumbers | range, settings: Train) -> Float32s | None:
    """Return what the loss of a row of each class counts, (classes,); None: all count the same.

    Balanced, n / (classes * n_class), each class counts the same as a whole (King and Zeng, 2001;
    `class_weight="balanced"` of scikit-learn). One of which there is no row counts nothing.
    """
    if settings.class_weight == "none":
        return None
    counts = np.zeros(data.labels.shape[1])
    for block in label_blocks(data, rows):
        counts += block.sum(axis=0)
    weights, occurs = np.zeros(len(counts), np.float32), counts > 0
    weights[occurs] = len(rows) / (occurs.sum() * counts[occurs])
    return weights


def category_mask(data: Dataset) -> npt.NDArray[np.bool_]:
    """Return which inputs are categories, (inputs,); the others are numbers."""
    mask = np.zeros(data.features.shape[1], bool)
    for first, end in data.kinds.texts:
        mask[first:end] = True
    return mask


def category_counts(data: Dataset, rows: RowNumbers | range) -> npt.NDArray[np.intp]:
    """Return how many rows have each category, (inputs,); 0 for numbers."""
    counts = np.zeros(data.features.shape[1], np.intp)
    places = np.flatnonzero(category_mask(data))
    if len(places):
        for block in column_blocks(data, rows, places):
            counts[places] += (block == 1).sum(axis=0)
    return counts


def most_frequent(data: Dataset, counts: npt.NDArray[np.intp]) -> Float32s:
    """Return, (inputs,), 1 for the category of each text that most rows have, 0 for all others."""
    fill = np.zeros(len(counts), np.float32)
    for first, end in data.kinds.texts:
        fill[first + counts[first:end].argmax()] = counts[first:end].any()
    return fill


def medians(data: Dataset, rows: RowNumbers | range, places: npt.NDArray[np.intp]) -> list[float]:
    """Return the median of each of some inputs over the rows that have it, NaN where none has."""
    found: list[float] = []
    step = max(1, COLUMN_CELLS // len(rows))
    for at in range(0, len(places), step):
        group = [*column_blocks(data, rows, places[at : at + step])]
        found += [median(column) for column in np.concatenate(group).T]
    return found


def median(column: Float32s) -> float:
    """Return the median of the values, NaN if there are none."""
    values = column[~np.isnan(column)]
    if not len(values):
        return np.nan
    middle = [(len(values) - 1) // 2, len(values) // 2]
    values.partition(middle)
    return float(values[middle].mean(dtype=float))  # of two large ones, float32 has no sum


def scales(
    data: Dataset, rows: RowNumbers | range, fill: Float32s | None, is_number: npt.NDArray[np.bool_]
) -> tuple[Float32s, Float32s]:
    """Return mean and standard deviation of each input, 0 and 1 of categories.

    Both are rounded to the sixth digit of the deviation, so that the last bits of a sum, which
    may differ between CPUs, do not show. Where all values are the same, or as good as that for
    float32, the deviation counts as 1.
    """
    places = np.flatnonzero(is_number)
    fills = np.zeros(len(places)) if fill is None else fill[places].astype(float)
    total, squares = np.zeros(len(places)), np.zeros(len(places))
    for block in column_blocks(data, rows, places):
        total += np.where(np.isnan(block), fills, block).sum(axis=0)
    centre = total / len(rows)
    for block in column_blocks(data, rows, places):
        squares += ((np.where(np.isnan(block), fills, block) - centre) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(rows))
    mean, std = np.zeros(len(is_number), np.float32), np.ones(len(is_number), np.float32)
    mean[places], std[places] = rounded_as(centre, deviation), rounded_as(deviation, deviation)
    std[std < np.finfo(np.float32).tiny] = 1
    return mean, std


def rounded_as(values: Float64s, std: Float64s) -> list[float]:
    """Return the values, each rounded to the sixth digit of its deviation, or of 1 for 0."""
    digits = 5 - np.floor(np.log10(np.where(std == 0, 1, std)))
    return list(map(round, values.tolist(), digits.astype(int).tolist()))


def column_blocks(
    data: Dataset, rows: RowNumbers | range, places: npt.NDArray[np.intp]
) -> Iterator[Float32s]:
    """Yield some inputs of the rows, in their order, no more than fits in memory at a time."""
    for block in row_blocks(rows, BLOCK_CELLS // data.features.shape[1]):
        yield data.features[block][:, places]
        data.release()


def label_blocks(data: Dataset, rows: RowNumbers | range) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the one-hot labels of the rows, no more than fits in memory at a time."""
    for block in row_blocks(rows, BLOCK_CELLS // data.labels.shape[1]):
        yield data.labels[block]
        data.release()


def row_blocks(rows: RowNumbers | range, size: int) -> Iterator[RowNumbers | slice]:
    """Yield the rows in their order, `size` at a time, as what an array is indexed by."""
    for at in range(0, len(rows), max(1, size)):
        part = rows[at : at + max(1, size)]
        yield slice(part.start, part.stop) if isinstance(part, range) else part
