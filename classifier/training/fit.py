"""The network that ships: one, or the mean of many, trained on the rows of a data set."""

from pathlib import Path
from typing import Any

import numpy as np

from classifier.base.errors import UserError
from classifier.model.fill_and_scale import Learned, class_weights, learn
from classifier.model.member import Member
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.rows.stratified import RowNumbers, split_rows
from classifier.training.average import fit_average
from classifier.training.callbacks import (
    SMALLER_STEPS,
    EpochBar,
    LearningCurves,
    StopWhenDiverged,
)
from classifier.training.one_network import fit_one


def train(data: Dataset, settings: Train, history: Path) -> tuple[Any, Learned]:
    """Return a keras.Sequential trained on the data, and what it has learned of its inputs.

    It takes the features as they stand in the data. Its learning curves are in `history`, a CSV.

    Raises:
        UserError: a class has no row to train on, the network does not fit in memory, or its loss
            or a weight is not finite any more.
    """
    training, validation = split(data, settings)
    learned = learn(data, training, settings.scale == "standard")
    weights = class_weights(data, training, settings)
    nowhere = np.empty(0, np.int32)
    member = Member(training, validation, nowhere, learned, settings.seed, weights)
    callbacks = [StopWhenDiverged(), LearningCurves(history), EpochBar(settings.epochs)]
    fit = fit_one if settings.members == 1 else fit_average
    network = fit(data, member, settings, callbacks)
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise UserError(f"training diverged: a weight is not finite; {SMALLER_STEPS}")
    return network, learned


def split(data: Dataset, settings: Train) -> tuple[RowNumbers | range, RowNumbers]:
    """Return the numbers of the rows to train on, a range if these are all, and to validate on.

    Raises:
        UserError: a class would have no row to train on.
    """
    fraction, classes = settings.validation_fraction, data.labels.shape[1]
    if not fraction:
        return range(len(data)), np.empty(0, np.int32)
    labels = data.labels.argmax(axis=1)
    training, validation = split_rows(labels, data.groups, fraction, settings.seed)
    if not np.bincount(labels[training], minlength=classes).all():
        raise UserError(
            f"train.validation_fraction: {fraction} leaves no row of a class to train on"
        )
    return training, validation
