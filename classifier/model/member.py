"""One of many networks: its rows, what it has learned from them, and its random seed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from classifier.model.fill_and_scale import Float32s, Learned, stacked
from classifier.rows.stratified import RowNumbers


@dataclass(frozen=True)
class Member:
    """One network: the numbers of its rows, and what it has learned from those it is trained on.

    seed: of what its start and its shuffles are drawn from; weights: see `class_weights`.
    """

    training: RowNumbers | range
    validation: RowNumbers
    test: RowNumbers
    learned: Learned
    seed: int | Sequence[int]
    weights: Float32s | None = None

    @cached_property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def sibling(self, number: int) -> "Member":
        """Return the member of that number to average with this one, whose number is 0."""
        seeds = [self.seed] if isinstance(self.seed, int) else [*self.seed]
        return replace(self, seed=[*seeds, number]) if number else self


def learned_by(members: Sequence[Member]) -> Learned:
    """Return what each has learned, (inputs, members)."""
    return stacked([member.learned for member in members])


def weights_of(members: Sequence[Member]) -> Float32s | None:
    """Return the class weights of each, (classes, members), if any."""
    found = [member.weights for member in members if member.weights is not None]
    return np.stack(found, axis=-1) if found else None
