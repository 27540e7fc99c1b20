"""Which rows each member of a cross-validation is trained, validated and tested on."""

import numpy as np
import numpy.typing as npt

from classifier.model.fill_and_scale import class_weights, learn
from classifier.model.member import Member
from classifier.params import Crossval, Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import split_rows, stratified_folds


def training_rows(rows: int, fold: int, settings: Crossval, recipe: Train) -> int:
    """Return how many rows the model that is tested on the fold is trained on."""
    others = rows - rows // settings.folds - (fold <= rows % settings.folds)
    return others - round(others * recipe.validation_fraction)


def fold_of_rows(data: Dataset, settings: Crossval, repeat: int) -> npt.NDArray[np.int32]:
    """Return the fold of each row in a repeat, counted from 0, (rows,)."""
    rng = np.random.default_rng([settings.seed, repeat])
    return stratified_folds(data.labels.argmax(axis=1), settings.folds, rng)


def models_of_rows(data: Dataset, settings: Crossval) -> npt.NDArray[np.int32]:
    """Return the number of the model that each row is tested by, (repeats, rows), from 0."""
    folds = [fold_of_rows(data, settings, repeat) for repeat in range(1, settings.repeats + 1)]
    return np.stack(folds) + settings.folds * np.arange(settings.repeats, dtype=np.int32)[:, None]


def member_at(place: tuple[int, int], data: Dataset, settings: Crossval, recipe: Train) -> Member:
    """Return the first member of the model that is tested on a fold.

    place: repeat and fold, counted from 1.
    """
    repeat, fold = place
    is_test = fold_of_rows(data, settings, repeat) == fold - 1
    others = np.flatnonzero(~is_test).astype(np.int32)
    training, validation = split_rows(
        data.labels[others].argmax(axis=1),
        data.labels.shape[1],
        recipe.validation_fraction,
        settings.seed,
    )
    return Member(
        training=others[training],
        validation=others[validation],
        learned=learn(data, others[training], recipe.scale == "standard"),
        test=np.flatnonzero(is_test).astype(np.int32),
        seed=[settings.seed, repeat, fold],
        weights=class_weights(data, others[training], recipe),
    )
