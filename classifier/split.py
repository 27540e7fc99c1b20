"""Stratified sampling: every class keeps its share, to the row."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


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
        for index in np.unique(class_index):
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
