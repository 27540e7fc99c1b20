"""Networks of this project on tables of which fresh rows tell the truth, thousands side by side."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.base.progress import Progress
from classifier.model.fill_and_scale import learn
from classifier.model.member import Member, learned_by
from classifier.model.members import (
    Members,
    count_hits,
    logit_blocks,
    total_loss,
    train_members,
)
from classifier.params import Crossval, Params
from classifier.rows.dataset import Dataset
from classifier.scoring.cross_validation import adder, out_of_fold, tally
from classifier.scoring.folds import member_at, models_of_rows
from classifier.scoring.out_of_fold import OutOfFold

Drawn = tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]  # features and classes


class Tables:
    """Tables of as many rows each, side by side, and fresh rows behind them.

    Folds and starts are drawn for each table anew.
    """

    def __init__(self, drawn: Sequence[Drawn], params: Params) -> None:
        """Take tables, (rows, inputs) and the class of each row; the last are the fresh rows."""
        self.count, self.rows = len(drawn) - 1, len(drawn[0][0])
        self.recipe, self.crossval = params.train, params.crossval
        features = np.concatenate([each for each, _ in drawn]).astype(np.float32)
        actual = np.concatenate([each for _, each in drawn])
        self.data = Dataset(features, np.eye(actual.max() + 1, dtype=np.uint8)[actual])

    def place(self, number: int) -> slice:
        return slice(number * self.rows, (number + 1) * self.rows)

    def table(self, number: int) -> Dataset:
        place = self.place(number)
        return Dataset(self.data.features[place], self.data.labels[place])

    def settings(self, number: int) -> Crossval:
        return self.crossval.model_copy(update={"seed": number})

    def members(self, number: int) -> list[Member]:
        """Return the members of the cross-validation of a table, by the numbers of all rows."""
        at, table, settings = self.place(number).start, self.table(number), self.settings(number)
        found = [
            member_at((repeat, fold), table, settings, self.recipe)
            for repeat in range(1, self.crossval.repeats + 1)
            for fold in range(1, self.crossval.folds + 1)
        ]
        return [replace(each, training=each.training + at, test=each.test + at) for each in found]

    def shipped(self, number: int) -> Member:
        """Return the member that is trained on the whole table."""
        place = self.place(number)
        rows = np.arange(place.start, place.stop, dtype=np.int32)
        learned = learn(self.data, rows, self.recipe.scale == "standard")
        return Member(rows, rows[:0], rows, learned, seed=[number])

    def train(self, members: Sequence[Member], bar: Progress) -> Members:
        return train_members(self.data, members, self.recipe, lambda _: bar.update())

    def answers(self, network: Members, members: Sequence[Member]) -> list[OutOfFold]:
        """Return what the rows of each table got of its members."""
        logs = np.full((self.crossval.repeats, *self.data.labels.shape), -np.inf, np.float32)
        repeats = np.tile(
            np.repeat(np.arange(self.crossval.repeats), self.crossval.folds), self.count
        )
        tally(network, self.data, members, adder(logs, repeats, members))
        return [
            out_of_fold(
                self.table(number),
                logs[:, self.place(number)],
                models_of_rows(self.table(number), self.settings(number)),
            )
            for number in range(self.count)
        ]

    def on_fresh_rows(
        self, network: Members, members: Sequence[Member]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
        """Return right, actual and predicted rows by class, (3, classes, members), and losses."""
        fresh = np.arange(self.count * self.rows, len(self.data), dtype=np.int32)
        counts = np.zeros((3, self.data.labels.shape[1], len(members)), np.intp)
        losses, rows = np.zeros(len(members)), [fresh] * len(members)
        for logits, is_class in logit_blocks(network, self.data, rows, learned_by(members)):
            counts += count_hits(logits, is_class)
            losses += total_loss(logits, is_class)
        return counts, losses / len(fresh)

    def by_table(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values of members, the last axis, as of tables and the members of each."""
        return values.reshape(*values.shape[:-1], self.count, -1)
