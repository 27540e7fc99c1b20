"""Many networks trained side by side on the same rows, and their mean as one keras.Sequential."""

from itertools import count
from typing import Any

from classifier.model.member import Member
from classifier.model.members import Epoch, train_members
from classifier.model.network import build_mean, compile_network
from classifier.model.runtime import keras
from classifier.params import Train
from classifier.rows.dataset import Dataset


def fit_average(data: Dataset, member: Member, settings: Train, callbacks: list[Any]) -> Any:
    """Return the mean of `train.members` networks, the siblings of a member, as one network.

    Each has its own start and its own order of rows, from `train.seed` and its number: member 3
    of 10 ends as member 3 of 5. The learning curves are the means of theirs.

    Raises:
        UserError: they do not fit in memory.
    """
    watching = keras.callbacks.CallbackList(callbacks)
    watching.on_train_begin()
    epochs = count()

    def after_epoch(epoch: Epoch) -> None:
        found = {name: values for name, values in vars(epoch).items() if values is not None}
        watching.on_epoch_end(next(epochs), {name: found[name].mean() for name in found})

    siblings = [member.sibling(number) for number in range(settings.members)]
    validate = len(member.validation) > 0
    networks = train_members(data, siblings, settings, after_epoch, validate=validate)
    watching.on_train_end()
    mean = build_mean(networks.get_weights(), settings, member.learned)
    compile_network(mean, settings)
    return mean
