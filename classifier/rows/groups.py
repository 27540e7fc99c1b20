"""Rows that belong together, or that follow each other in time: they are split as a whole."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError

NEVER = -1  # the fold of rows that no model is tested on
UNKNOWN_GROUP = -1  # of rows in a test set that belong to none of those trained on


@dataclass(frozen=True)
class Groups:
    """The number of the group that each row belongs to, (rows,) int32, counted from 0.

    in_time: whether groups are points in time, in their order.
    """

    of_rows: npt.NDArray[np.int32]
    in_time: bool = False

    def take(self, rows: npt.NDArray[np.integer]) -> "Groups":
        """Return the groups of the rows with these numbers."""
        return Groups(self.of_rows[rows], self.in_time)

    def sizes(self) -> npt.NDArray[np.intp]:
        """Return how many rows each group has."""
        return np.bincount(self.of_rows)


def draw_groups(
    groups: Groups, class_index: npt.NDArray[np.integer], fraction: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which rows are drawn, (rows,): of about the fraction, whole groups, or the latest.

    Groups are drawn class by class, by the most frequent class of each, to the one with which a
    class has its share best.
    """
    sizes = groups.sizes()
    order, kinds = np.arange(len(sizes))[::-1], np.zeros(len(sizes), np.intp)
    if not groups.in_time:
        kinds = most_frequent_class(groups, class_index)
        shuffled = rng.permutation(len(sizes))
        order = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    drawn = np.zeros(len(sizes), bool)
    for kind in np.unique(kinds):
        of_kind = order[kinds[order] == kind]
        counted = np.cumsum(sizes[of_kind])
        drawn[of_kind] = counted - sizes[of_kind] / 2 <= fraction * counted[-1]
    return drawn[groups.of_rows]


def most_frequent_class(
    groups: Groups, class_index: npt.NDArray[np.integer]
) -> npt.NDArray[np.intp]:
    """Return the class that most rows of each group are of, (groups,)."""
    classes = int(class_index.max()) + 1
    pairs, counts = np.unique(
        groups.of_rows.astype(np.int64) * classes + class_index, return_counts=True
    )
    by_count = np.argsort(counts, kind="stable")
    found = np.zeros(int(groups.of_rows.max()) + 1, np.intp)
    found[pairs[by_count] // classes] = pairs[by_count] % classes  # the last one stays
    return found


def fold_groups(
    groups: Groups, class_index: npt.NDArray[np.integer], folds: int, rng: np.random.Generator
) -> npt.NDArray[np.int32]:
    """Return the fold of each row, (rows,): whole groups, or one stretch of time after the other.

    Groups are dealt, the largest of each class first, so that folds differ by about one group. In
    time, the first of folds + 1 stretches is NEVER tested on.

    Raises:
        UserError: there are too few groups for so many folds.
    """
    sizes = groups.sizes()
    if groups.in_time:
        middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
        fold_of = np.floor(middle * (folds + 1)).astype(np.int32) - 1
        needed = folds + 1
    else:
        kinds = most_frequent_class(groups, class_index)
        shuffled = rng.permutation(len(sizes))
        order = shuffled[np.lexsort((-sizes[shuffled], kinds[shuffled]))]
        rounds = np.tile(np.arange(folds, dtype=np.int32), (-(-len(sizes) // folds), 1))
        fold_of = np.empty(len(sizes), np.int32)
        fold_of[order] = rng.permuted(rounds, axis=1).ravel()[: len(sizes)]
        needed = folds
    if len(np.unique(fold_of)) < needed:
        thing, where = ("point", " in time") if groups.in_time else ("group", "")
        what = f"only {len(sizes)} {thing}{'s' * (len(sizes) != 1)}{where}"
        if len(sizes) >= needed:  # stretches of time are of about so many rows
            what = f"one {thing}{where} has {sizes.max() / sizes.sum():.0%} of the rows"
        raise UserError(f"crossval.folds: {folds} folds, but {what}; use fewer")
    return np.take(fold_of, groups.of_rows)
