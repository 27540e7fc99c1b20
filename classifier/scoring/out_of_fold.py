"""How models do on rows that they were not trained on; each is a network, or the mean of many."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.model.members import (
    Epoch,
    Member,
    Members,
    count_hits,
    learned_by,
    logit_blocks,
    total_loss,
    train_members,
)
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.scoring.scores import METRICS, Scores, macro_f1

MEMORY = 512 * 2**20  # bytes for the members that are trained side by side


def train_and_score(
    data: Dataset,
    sizes: Sequence[int],
    first_member: Callable[[int], Member],
    settings: Train,
    after_epoch: Callable[[Epoch], object],
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Return accuracy, loss and macro F1 of models on their test rows, and of each's members.

    Those of models are (models,), of the mean of a model's probabilities; those of members,
    (models, members). sizes: how many rows each model is trained on; first_member: makes the first
    member of a model, given its number, when its turn comes; the others have its rows, and seeds of
    their own. As many are trained side by side as fit in MEMORY; which ones makes no difference.

    Raises:
        UserError: a network does not fit in memory, or its loss is not finite any more.
    """
    limit, count = max(1, MEMORY // bytes_per_member(data, max(sizes), settings)), settings.members
    of_members = {metric: np.empty(len(sizes) * count) for metric in METRICS}
    means = Means(data, len(sizes), count)
    for numbers in side_by_side(np.repeat(sizes, count), settings.batch_size, limit):
        members = members_at(numbers, first_member, count)
        network = train_members(data, members, settings, after_epoch)
        found = score(network, data, members, means.adder(numbers, members) if count > 1 else None)
        require_finite(found["loss"])
        for metric, values in found.items():
            of_members[metric][numbers] = values
        if count > 1:
            means.end(numbers, members)
    each = {metric: values.reshape(-1, count) for metric, values in of_members.items()}
    return (means.scores if count > 1 else {metric: each[metric][:, 0] for metric in each}), each


def score(
    network: Members,
    data: Dataset,
    members: Sequence[Member],
    also: Callable[[int, Scores], object] | None = None,
) -> dict[str, Scores]:
    """Return accuracy, loss and macro F1 of members on their test rows, (members,) each.

    also: is given the logits of some rows, (rows, classes, members), and the place of the first.
    """
    tally, at = Tally(data.labels.shape[1], len(members)), 0
    rows = [member.test for member in members]
    for logits, is_class in logit_blocks(network, data, rows, learned_by(members)):
        tally.add(logits, is_class)
        if also:
            also(at, logits)
        at += len(logits)
    return tally.scores()


def members_at(
    numbers: npt.NDArray[np.intp], first_member: Callable[[int], Member], count: int
) -> list[Member]:
    """Return members by their numbers: those of the first model, then those of the second, ..."""
    models, places = np.divmod(numbers, count)
    first = {int(model): first_member(int(model)) for model in np.unique(models)}
    return [
        first[model].sibling(place)
        for model, place in zip(models.tolist(), places.tolist(), strict=True)
    ]


def side_by_side(
    sizes: npt.NDArray[np.intp], batch_size: int, limit: int
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the numbers of members to train together: of as many batches, and `limit` at most."""
    batches = -(-sizes // batch_size)
    for number in np.unique(batches):
        alike = np.flatnonzero(batches == number)
        yield from np.array_split(alike, -(-len(alike) // limit))


def bytes_per_member(data: Dataset, rows: int, settings: Train) -> int:
    """Return about what it takes to train one: weights, activations of a batch, order of rows.

    Weights count six times, with their gradients, up to three of an optimizer and a copy;
    activations three times, with their gradients and products in between.
    """
    units = [data.features.shape[1], *settings.hidden, data.labels.shape[1]]
    weights = sum((inputs + 1) * outputs for inputs, outputs in pairwise(units))
    batch = min(settings.batch_size, rows)
    return int(4 * (6 * weights + 3 * batch * sum(units) + 3 * rows))


def require_finite(losses: Scores) -> None:
    """Raise `UserError` if the training of a member has diverged."""
    diverged = int((~np.isfinite(losses)).sum())
    if diverged:
        raise UserError(
            f"training diverged: the loss of {diverged} of {len(losses)} models is not finite; "
            "try a smaller train.learning_rate"
        )


class Tally:
    """Counts how members do on their rows, some at a time."""

    def __init__(self, classes: int, members: int) -> None:
        self.counts, self.loss = np.zeros((3, classes, members), int), np.zeros(members)

    def add(self, logits: Scores, is_class: npt.NDArray[np.bool_]) -> None:
        """Count rows; both are (rows, classes, members), as of `logit_blocks`."""
        self.counts += count_hits(logits, is_class)
        self.loss += total_loss(logits, is_class)

    def scores(self) -> dict[str, Scores]:
        """Return accuracy, loss and macro F1, (members,) each."""
        hits, actual, predicted = self.counts
        return {
            "accuracy": hits.sum(axis=0) / actual.sum(axis=0),
            "loss": self.loss / actual.sum(axis=0),
            "macro_f1": macro_f1(hits, actual, predicted),
        }


class Means:
    """The mean of the probabilities of each model's members, scored once all of them are there."""

    def __init__(self, data: Dataset, models: int, members: int) -> None:
        self.data, self.members = data, members
        self.scores = {metric: np.empty(models) for metric in METRICS}
        self.log_sums: dict[int, Scores] = {}  # (rows, classes), by model

    def adder(
        self, numbers: npt.NDArray[np.intp], members: Sequence[Member]
    ) -> Callable[[int, Scores], None]:
        """Return what adds the probabilities of these members, for `score` to call."""
        models = numbers // self.members
        for model, member in zip(models.tolist(), members, strict=True):
            if model not in self.log_sums:
                shape = len(member.test), self.data.labels.shape[1]
                self.log_sums[model] = np.full(shape, -np.inf)

        def add(at: int, logits: Scores) -> None:
            with np.errstate(invalid="ignore"):  # of members that diverged
                logs = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
                for model in np.unique(models).tolist():
                    new = np.logaddexp.reduce(logs[..., models == model], axis=-1)
                    sums = self.log_sums[model][at : at + len(logits)]
                    np.logaddexp(sums, new[: len(sums)], out=sums)

        return add

    def end(self, numbers: npt.NDArray[np.intp], members: Sequence[Member]) -> None:
        """Score the models whose last member is among these."""
        models, places = np.divmod(numbers, self.members)
        for model, place, member in zip(models.tolist(), places.tolist(), members, strict=True):
            if place == self.members - 1:
                tally = Tally(self.data.labels.shape[1], 1)
                is_class = self.data.labels[member.test] > 0
                tally.add(self.log_sums.pop(model)[..., None], is_class[..., None])
                for metric, values in tally.scores().items():
                    self.scores[metric][model] = values[0]
