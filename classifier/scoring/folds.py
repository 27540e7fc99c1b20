"""Which rows each member of a cross-validation is trained, validated and tested on."""

import numpy as np
import numpy.typing as npt

from classifier.model.fill_and_scale import class_weights, learn
from classifier.model.member import Member
from classifier.params import Crossval, Train
from classifier.rows.dataset import Dataset
from classifier.rows.groups import NEVER
from classifier.rows.stratified import RowNumbers, split_rows, stratified_folds


def fold_of_rows(data: Dataset, settings: Crossval, repeat: int) -> npt.NDArray[np.int32]:
    """Return the fold of each row in a repeat, counted from 0, (rows,); NEVER for none.

    Raises:
        UserError: there are too few groups for so many folds.
    """
    rng = np.random.default_rng([settings.seed, repeat])
    return stratified_folds(data.labels.argmax(axis=1), data.groups, settings.folds, rng)


def other_rows(data: Dataset, folds: npt.NDArray[np.int32], fold: int) -> RowNumbers:
    """Return the numbers of the rows that may be known when a fold is tested."""
    in_time = data.groups is not None and data.groups.in_time
    return np.flatnonzero(folds < fold if in_time else folds != fold).astype(np.int32)


def models_of_rows(data: Dataset, settings: Crossval) -> npt.NDArray[np.int32]:
    """Return the number of the model that each row is tested by, (repeats, rows), from 0.

    It is NEVER for rows that are not tested.
    """
    folds = np.stack([fold_of_rows(data, settings, at + 1) for at in range(settings.repeats)])
    models = folds + settings.folds * np.arange(settings.repeats, dtype=np.int32)[:, None]
    return np.where(folds == NEVER, np.int32(NEVER), models)


def rows_of_model(
    fold: int, folds: npt.NDArray[np.int32], data: Dataset, settings: Crossval, recipe: Train
) -> tuple[RowNumbers, RowNumbers, RowNumbers]:
    """Return the rows that the model tested on a fold is trained, validated and tested on.

    folds: of all rows, from `fold_of_rows`.

    Raises:
        UserError: no row is left to train or to validate on.
    """
    others = other_rows(data, folds, fold)
    training, validation = split_rows(
        data.labels[others].argmax(axis=1),
        data.groups and data.groups.take(others),
        recipe.validation_fraction,
        settings.seed,
    )
    test = np.flatnonzero(folds == fold).astype(np.int32)
    return others[training], others[validation], test


def member_at(place: tuple[int, int], data: Dataset, settings: Crossval, recipe: Train) -> Member:
    """Return the first member of the model that is tested on a fold.

    place: repeat and fold, counted from 1.
    """
    repeat, fold = place
    folds = fold_of_rows(data, settings, repeat)
    training, validation, test = rows_of_model(fold - 1, folds, data, settings, recipe)
    return Member(
        training=training,
        validation=validation,
        learned=learn(data, training, recipe.scale == "standard"),
        test=test,
        seed=[settings.seed, repeat, fold],
        weights=class_weights(data, training, recipe),
    )
