"""What is learned from the training rows: what fills a gap, and the scale of each number."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError, shown
from classifier.params import Prepare
from classifier.preparing.columns import Columns
from classifier.preparing.storing import BLOCK_CELLS, StoredRows
from classifier.table.schema import MISSING, Feature, NumberFeature, TextFeature


def learn_features(
    columns: Columns, rows: StoredRows, train: npt.NDArray[np.bool_], settings: Prepare
) -> list[Feature]:
    """Return the features with what is learned about them, fills and scales from training rows."""
    impute, scale = settings.missing == "impute", settings.scale == "standard"
    nothing: Sequence[float | None] = [None] * len(columns.table.numbers)
    fills = medians(columns, rows, train) if impute else nothing
    scales = scales_of(rows, train, fills) if scale else [(0.0, 1.0)] * len(fills)
    places = {name: place for place, name in enumerate(columns.texts)}
    learned = dict(zip(columns.table.numbers, zip(fills, scales, strict=True), strict=True))

    def feature(name: str) -> Feature:
        if name in learned:
            fill, (mean, std) = learned[name]
            return NumberFeature(name=name, fill=fill, mean=mean, std=std)
        categories = list(rows.vocabularies[name].places)
        fill_text = None
        if impute:
            codes = rows.features.codes[train, places[name]]
            if (codes == MISSING).all():
                raise no_value(columns, name)
            fill_text = categories[most_frequent(codes)]
        return TextFeature(name=name, fill=fill_text, categories=categories)

    return [feature(name) for name in columns.features]


def medians(
    columns: Columns, rows: StoredRows, train: npt.NDArray[np.bool_]
) -> Sequence[float | None]:
    """Return the median of each number over the training rows that have it.

    Raises:
        UserError: no training row has it.
    """
    found: list[float] = []
    step = max(1, BLOCK_CELLS // len(rows.labels))
    for at in range(0, len(columns.table.numbers), step):
        # The sum of the two in the middle may be too large for float32.
        group = rows.features.numbers[train, at : at + step].astype(np.float64)
        empty = np.flatnonzero(np.isnan(group).all(axis=0))
        if len(empty):
            raise no_value(columns, columns.table.numbers[at + int(empty[0])])
        found += np.nanmedian(group, axis=0).astype(np.float32).tolist()
    return found


def most_frequent(codes: npt.NDArray[np.int32]) -> int:
    """Return the code that is there most often, MISSING left out, the earliest of equals."""
    return int(np.bincount(codes[codes != MISSING]).argmax())


def no_value(columns: Columns, name: str) -> UserError:
    return UserError(f"{columns.table.path}: column {shown(name)}: has no value in a training row")


def scales_of(
    rows: StoredRows, train: npt.NDArray[np.bool_], fills: Sequence[float | None]
) -> list[tuple[float, float]]:
    """Return mean and standard deviation of each number over the training rows, gaps filled.

    Both are rounded to the sixth digit of the deviation, so that the last bits of a sum, which
    may differ between CPUs, do not show. Where all values are the same, the deviation counts as 1.
    """
    fill = np.array([np.nan if value is None else value for value in fills])
    total, squares = np.zeros(len(fills)), np.zeros(len(fills))
    for numbers in filled_blocks(rows, train, fill):
        total += numbers.sum(axis=0)
    mean = total / train.sum()
    for numbers in filled_blocks(rows, train, fill):
        squares += ((numbers - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / train.sum())
    std[std == 0] = 1
    digits = 5 - np.floor(np.log10(std)).astype(int)
    return [
        (round(m, d), round(s, d))
        for m, s, d in zip(mean.tolist(), std.tolist(), digits.tolist(), strict=True)
    ]


def filled_blocks(
    rows: StoredRows, train: npt.NDArray[np.bool_], fill: npt.NDArray[np.float64]
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the numbers of the training rows, gaps filled."""
    for block in rows.blocks():
        numbers = rows.features.numbers[block][train[block]].astype(np.float64)
        yield np.where(np.isnan(numbers), fill, numbers)
