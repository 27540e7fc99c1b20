"""Models trained side by side, each without the rows of a fold, and their predictions for it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from classifier.base.errors import UserError
from classifier.model.member import Member, learned_by
from classifier.model.members import (
    Epoch,
    Members,
    count_hits,
    logit_blocks,
    total_loss,
    train_members,
)
from classifier.params import Crossval, Train
from classifier.rows.dataset import Dataset
from classifier.rows.groups import NEVER
from classifier.scoring.folds import fold_of_rows, member_at, models_of_rows, rows_of_model
from classifier.scoring.out_of_fold import OutOfFold
from classifier.scoring.scores import Scores, Tally

MEMORY = 512 * 2**20  # bytes for the members that are trained side by side
MOST_CELLS = 250_000_000  # repeats x rows x classes, of which each takes 4 bytes


def cross_validate(
    data: Dataset, settings: Crossval, recipe: Train, after_epoch: Callable[[Epoch], object]
) -> tuple[OutOfFold, npt.NDArray[np.float32], Tally]:
    """Return what each row got in each repeat, the probabilities, and the tally of all members.

    Probabilities are (repeats, rows, classes), the means of those of a model's members. The tally
    is (models, members), each on the rows of its fold. As many are trained side by side as fit in
    MEMORY; which ones makes no difference.

    Raises:
        UserError: a network does not fit in memory, or its loss is not finite any more.
    """
    models, count = models_of_rows(data, settings), recipe.members
    require_room(models.size * data.labels.shape[1])
    sizes = [
        len(rows_of_model(fold, folds, data, settings, recipe)[0])
        for folds in (fold_of_rows(data, settings, at + 1) for at in range(settings.repeats))
        for fold in range(settings.folds)
    ]
    counts = np.empty((3, data.labels.shape[1], len(sizes) * count), np.intp)
    losses = np.empty(len(sizes) * count)
    logs = np.full((*models.shape, data.labels.shape[1]), -np.inf, np.float32)
    limit = max(1, MEMORY // bytes_per_member(data, max(sizes), recipe))
    for numbers in side_by_side(np.repeat(sizes, count), recipe.batch_size, limit):
        members = members_at(numbers, data, settings, recipe)
        network = train_members(data, members, recipe, after_epoch)
        repeats = numbers // count // settings.folds
        found = tally(network, data, members, adder(logs, repeats, members))
        require_finite(found.losses)
        counts[..., numbers], losses[numbers] = found.counts, found.losses
    logs -= np.float32(np.log(count))
    each = Tally(counts.reshape(*counts.shape[:2], -1, count), losses.reshape(-1, count))
    answers = out_of_fold(data, logs, models)
    return answers, np.exp(logs, out=logs)[:, answers.numbers], each


def require_room(cells: int) -> None:
    """Raise `UserError` if the probabilities of all rows and classes do not fit in memory."""
    if cells > MOST_CELLS:
        raise UserError(
            f"crossval.repeats: repeats x rows x classes are {cells:,}, more than "
            f"{MOST_CELLS:,}; use fewer, or `crossval.folds: 0`"
        )


def out_of_fold(
    data: Dataset, logs: npt.NDArray[np.float32], models: npt.NDArray[np.int32]
) -> OutOfFold:
    """Return what the answers come to; logs: their logarithms, (repeats, rows, classes).

    Rows of a group vary as a whole. In time, so do those of a fold: one stretch of it is not as
    another.
    """
    numbers = np.flatnonzero(models[0] != NEVER).astype(np.int32)
    actual = data.labels.argmax(axis=1).astype(np.int32)
    losses = -np.take_along_axis(logs, actual[None, :, None], axis=-1)[..., 0].astype(float)
    units = None
    if data.groups:
        units = models[0, numbers] if data.groups.in_time else data.groups.of_rows[numbers]
    return OutOfFold(
        actual=actual[numbers],
        predicted=logs.argmax(axis=-1).astype(np.int32)[:, numbers],
        losses=losses[:, numbers],
        models=models[:, numbers],
        numbers=numbers,
        units=units,
    )


def adder(
    logs: npt.NDArray[np.float32], repeats: npt.NDArray[np.intp], members: Sequence[Member]
) -> Callable[[int, Scores], None]:
    """Return what adds the probabilities of members to those of their models, for `tally` to call.

    logs: (repeats, rows, classes), their logarithms, of which each row of a member is added to.
    """

    def add(at: int, logits: Scores) -> None:
        with np.errstate(invalid="ignore"):  # of members that diverged
            new = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
            for place, (repeat, member) in enumerate(zip(repeats, members, strict=True)):
                rows = member.test[at : at + len(logits)]
                sums = logs[repeat, rows]
                logs[repeat, rows] = np.logaddexp(sums, new[: len(rows), :, place])

    return add


def tally(
    network: Members,
    data: Dataset,
    members: Sequence[Member],
    also: Callable[[int, Scores], object] | None = None,
) -> Tally:
    """Return what the members come to on their test rows, (members,).

    also: is given the logits of some rows, (rows, classes, members), and the place of the first.
    """
    counts: npt.NDArray[np.intp] = np.zeros((3, data.labels.shape[1], len(members)), np.intp)
    losses, at = np.zeros(len(members)), 0
    rows = [member.test for member in members]
    for logits, is_class in logit_blocks(network, data, rows, learned_by(members)):
        counts += count_hits(logits, is_class)
        losses += total_loss(logits, is_class)
        if also:
            also(at, logits)
        at += len(logits)
    return Tally(counts, losses)


def members_at(
    numbers: npt.NDArray[np.intp], data: Dataset, settings: Crossval, recipe: Train
) -> list[Member]:
    """Return members by their numbers: those of the first model, then those of the second, ..."""
    models, places = np.divmod(numbers, recipe.members)
    first = {
        model: member_at((model // settings.folds + 1, model % settings.folds + 1),
                         data, settings, recipe)
        for model in np.unique(models).tolist()
    }  # fmt: skip
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
