"""Many networks trained side by side on the same rows, and their mean as one keras.Sequential."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from classifier.base.errors import UserError
from classifier.model.fill_and_scale import Learned, class_weights, learn
from classifier.model.members import Epoch, Member, train_members
from classifier.model.network import build_mean, compile_network
from classifier.model.runtime import keras
from classifier.params import Train
from classifier.rows.dataset import Dataset
from classifier.training.fit import SMALLER_STEPS, callbacks, split


def train_average(data: Dataset, settings: Train, history: Path) -> tuple[Any, Learned]:
    """Return the mean of `train.members` networks as `train` does that of one.

    Each has its own start and its own order of rows, from `train.seed` and its number: member 3
    of 10 ends as member 3 of 5. The learning curves are the means of theirs.

    Raises:
        UserError: as `train` does.
    """
    training, validation = split(data, settings)
    learned = learn(data, training, settings.scale == "standard")
    weights = class_weights(data, training, settings)
    nowhere = np.empty(0, np.int32)
    members = [
        Member(training, validation, nowhere, learned, [settings.seed, number], weights)
        for number in range(settings.members)
    ]
    watching = keras.callbacks.CallbackList(callbacks(settings, history))
    watching.on_train_begin()
    epochs = count()

    def after_epoch(epoch: Epoch) -> None:
        found = {name: values for name, values in vars(epoch).items() if values is not None}
        watching.on_epoch_end(next(epochs), {name: found[name].mean() for name in found})

    network = train_members(data, members, settings, after_epoch, validate=len(validation) > 0)
    watching.on_train_end()
    trained = network.get_weights()
    if not all(np.isfinite(weights).all() for weights in trained):
        raise UserError(f"training diverged: a weight is not finite; {SMALLER_STEPS}")
    mean = build_mean(trained, settings, learned)
    compile_network(mean, settings)
    return mean, learned
