"""Stratified sampling and folds: every class keeps its share, to the row."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.rows.groups import Groups, draw_groups, fold_groups

RowNumbers = npt.NDArray[np.int32]


def stratified_quotas(counts: Sequence[int], fraction: float) -> list[int]:
    """Return how many rows of each class make up `fraction` of all rows.

    The total is `fraction` of the rows, rounded; what is left after each class has its share
    rounded down goes to the largest remainders, earlier classes first (Hamilton's method).
    """
    shares = [count * fraction for count in counts]
    quotas = [int(share) for share in shares]
    left = round(sum(counts) * fraction) - sum(quotas)
    by_remainder = sorted(range(len(counts)), key=lambda index: quotas[index] - shares[index])
    for index in by_remainder[:left]:
        quotas[index] += 1
    return quotas


class StratifiedSampler:
    """Draws `quotas[c]` of the `counts[c]` rows of each class c from rows that come in chunks.

    Every subset with these quotas is equally likely. Memory does not grow with the rows.
    """

    def __init__(self, counts: Sequence[int], quotas: Sequence[int], seed: int) -> None:
        self.unseen = np.array(counts)
        self.wanted = np.array(quotas)
        self.rng = np.random.default_rng(seed)

    def draw(self, class_index: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Return which of the next rows are drawn, given the class of each."""
        drawn = np.zeros(len(class_index), bool)
        if not self.wanted.any():
            return drawn
        for index in np.flatnonzero(np.bincount(class_index)).tolist():
            rows = np.flatnonzero(class_index == index)
            drawn[self.rng.choice(rows, self._share(index, len(rows)), replace=False)] = True
        return drawn

    def _share(self, index: int, rows: int) -> int:
        """How many of the class' next rows are drawn: hypergeometric in what is still to come."""
        wanted, unseen = self.wanted[index], self.unseen[index]
        share = int(self.rng.hypergeometric(wanted, unseen - wanted, rows))
        self.wanted[index] -= share
        self.unseen[index] -= rows
        return share


def split_rows(
    class_index: npt.NDArray[np.intp], groups: Groups | None, fraction: float, seed: int
) -> tuple[RowNumbers, RowNumbers]:
    """Return the numbers of the rows to train on and, stratified, of those to validate on.

    Raises:
        UserError: the fraction is not 0 and leaves no row to the one or to the other.
    """
    if groups:
        kept = draw_groups(groups, class_index, fraction, np.random.default_rng(seed))
    else:
        counts = np.bincount(class_index).tolist()
        kept = StratifiedSampler(counts, stratified_quotas(counts, fraction), seed).draw(
            class_index
        )
    if kept.all() or (fraction and not kept.any()):
        which = "all" if kept.all() else "none"
        raise UserError(f"train.validation_fraction: keeps aside {which} of {len(kept)} rows")
    return np.flatnonzero(~kept).astype(np.int32), np.flatnonzero(kept).astype(np.int32)


def stratified_folds(
    class_index: npt.NDArray[np.intp],
    groups: Groups | None,
    folds: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Return the fold of each row, (rows,); of rows in groups, see `fold_groups`.

    The rows, shuffled within their class, are dealt to the folds in turn, so that folds differ by
    one row at most, in all and of each class; fold f has a row more than others where
    f < rows % folds.
    """
    if groups:
        return fold_groups(groups, class_index, folds, rng)
    shuffled = rng.permutation(len(class_index))
    dealt = shuffled[np.argsort(class_index[shuffled], kind="stable")]
    fold = np.empty(len(class_index), np.int32)
    fold[dealt] = np.arange(len(class_index)) % folds
    return fold
