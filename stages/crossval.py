"""crossval: the recipe trained a hundred times, each time tested on rows that were left out.

It says how well such a network does on rows it has not seen, and how sure that is.
"""

import sys
from collections.abc import Iterator
from itertools import groupby, pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file, rounded, write_json
from classifier.base.process import run
from classifier.base.progress import Progress
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import PREPARED, Dataset, open_dataset
from classifier.rows.split import split_rows, stratified_folds
from classifier.scoring.intervals import mean_interval

if TYPE_CHECKING:
    from classifier.training.members import Member

FOLDS = Path("metrics/folds.csv")
CROSSVAL = Path("metrics/crossval.json")
METRICS = ["accuracy", "loss", "macro_f1"]
MEMORY = 512 * 2**20  # bytes for the members that are trained side by side
LONG_WORK = 1_000_000_000  # rows to train on; so many take minutes

Place = tuple[int, int]  # repeat and fold, counted from 1


def main() -> None:
    params = load_params()
    settings, folds = params.crossval, pd.DataFrame(columns=["repeat", "fold", *METRICS])
    if settings.folds:
        folds = cross_validate(open_dataset(PREPARED / "train"), settings, params.train)
    with replaced_file(FOLDS) as temporary:
        folds.to_csv(temporary, index=False)
    write_json(CROSSVAL, rounded(summary(folds, settings.folds)))


def cross_validate(data: Dataset, settings: Crossval, recipe: Train) -> pd.DataFrame:
    """Return the metrics of every model on its fold, rounded as in metrics files.

    Raises:
        UserError: there are fewer rows than folds, or a model's loss is no number.
    """
    if len(data) < settings.folds:
        raise UserError(f"crossval.folds: {settings.folds} folds of {len(data)} rows; use fewer")
    places = all_places(settings)
    announce(len(places), recipe.epochs, training_rows(len(data), 1, settings, recipe))
    with Progress(desc="crossval", total=len(places) * recipe.epochs, unit="epoch") as bar:
        groups = [
            train_and_test(data, group, settings, recipe, bar)
            for group in side_by_side(places, data, settings, recipe)
        ]
    return pd.concat(groups).sort_values(["repeat", "fold"], ignore_index=True).round(6)


def all_places(settings: Crossval) -> list[Place]:
    return list(product(range(1, settings.repeats + 1), range(1, settings.folds + 1)))


def announce(models: int, epochs: int, rows: int) -> None:
    """Say what is to be done if it will take long."""
    if models * epochs * rows >= LONG_WORK:
        print(
            f"crossval: {models} models, {epochs} epochs, {rows:,} rows each; "
            "`crossval.folds: 0` leaves it out",
            file=sys.stderr,
        )


def training_rows(rows: int, fold: int, settings: Crossval, recipe: Train) -> int:
    """Return how many rows the model that is tested on the fold is trained on."""
    others = rows - rows // settings.folds - (fold <= rows % settings.folds)
    return others - round(others * recipe.validation_fraction)


def side_by_side(
    places: list[Place], data: Dataset, settings: Crossval, recipe: Train
) -> Iterator[list[Place]]:
    """Yield the places of models to train together: of as many batches, in memory all at once."""
    rows = {fold: training_rows(len(data), fold, settings, recipe) for _, fold in places}

    def batches(place: Place) -> int:
        return -(-rows[place[1]] // recipe.batch_size)

    limit = max(1, MEMORY // bytes_per_model(data, max(rows.values()), recipe))
    for _, group in groupby(sorted(places, key=batches), key=batches):
        alike = list(group)
        parts = -(-len(alike) // limit)
        yield from (alike[part::parts] for part in range(parts))


def bytes_per_model(data: Dataset, rows: int, recipe: Train) -> int:
    """Return about what it takes to train one: weights, activations of a batch, order of rows.

    Weights count six times, with their gradients, up to three of an optimizer and a copy;
    activations three times, with their gradients and products in between.
    """
    sizes = [data.features.shape[1], *recipe.hidden, data.labels.shape[1]]
    weights = sum((inputs + 1) * units for inputs, units in pairwise(sizes))
    batch = min(recipe.batch_size, rows)
    return int(4 * (6 * weights + 3 * batch * sum(sizes) + 3 * rows))


def train_and_test(
    data: Dataset, places: list[Place], settings: Crossval, recipe: Train, bar: Progress
) -> pd.DataFrame:
    """Return repeat, fold and metrics of the models of a group."""
    from classifier.model.runtime import tf
    from classifier.training.members import score_members, train_members  # TensorFlow takes seconds

    members = [member_at(place, data, settings, recipe) for place in places]
    try:
        network = train_members(data, members, recipe, bar.update)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError("train.hidden: so large a network does not fit in memory") from error
    scores = score_members(network, data, [member.test for member in members])
    diverged = int((~np.isfinite(scores["loss"])).sum())
    if diverged:
        raise UserError(
            f"training diverged: the loss of {diverged} of {len(places)} models is no number; "
            "try a smaller train.learning_rate"
        )
    return pd.DataFrame(places, columns=["repeat", "fold"]).assign(**scores)


def member_at(place: Place, data: Dataset, settings: Crossval, recipe: Train) -> "Member":
    """Return the rows and the random numbers of the model that is tested on a fold."""
    from classifier.training.members import Member  # TensorFlow takes seconds

    (repeat, fold), class_index = place, data.labels.argmax(axis=1)
    folds = stratified_folds(
        class_index, settings.folds, np.random.default_rng([settings.seed, repeat])
    )
    others = np.flatnonzero(folds != fold - 1).astype(np.int32)
    training, validation = split_rows(
        class_index[others], data.labels.shape[1], recipe.validation_fraction, settings.seed
    )
    return Member(
        training=others[training],
        validation=others[validation],
        test=np.flatnonzero(folds == fold - 1).astype(np.int32),
        rng=np.random.default_rng([settings.seed, repeat, fold]),
    )


def summary(folds: pd.DataFrame, count: int) -> dict[str, Any]:
    """Return the number of models and, if there are any, each metric with its error bar."""
    return {"models": len(folds)} | {
        metric: estimate(folds[metric].to_numpy(float), count) for metric in METRICS if count
    }


def estimate(values: npt.NDArray[np.float64], folds: int) -> dict[str, float]:
    """Return mean, sample standard deviation and 95% interval of a metric over the models."""
    interval = mean_interval(values, folds)
    return {
        "mean": interval.mean,
        "std": float(values.std(ddof=1)),
        "ci95_low": interval.low,
        "ci95_high": interval.high,
    }


if __name__ == "__main__":
    run(main)
