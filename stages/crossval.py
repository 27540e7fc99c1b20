"""crossval: the recipe trained a hundred times, each time tested on rows that were left out.

It says how well such a network does on rows it has not seen, and how sure that is.
"""

import hashlib
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file, rounded, write_json
from classifier.base.paths import CROSSVAL, FOLDS, TRAINING_ROWS
from classifier.base.process import run
from classifier.base.progress import Progress
from classifier.model.learned import learn
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.rows.stratified import split_rows, stratified_folds
from classifier.scoring.intervals import mean_interval
from classifier.scoring.scores import METRICS

if TYPE_CHECKING:
    from classifier.scoring.members import Member

COLUMNS = ["repeat", "fold", "test_rows", *METRICS]
LONG_WORK = 1_000_000_000  # rows to train on that take minutes

Place = tuple[int, int]  # repeat and fold, counted from 1


def main() -> None:
    params = load_params()
    settings, folds = params.crossval, pd.DataFrame(columns=COLUMNS)
    if settings.folds:
        folds = cross_validate(open_dataset(TRAINING_ROWS), settings, params.train)
    with replaced_file(FOLDS) as temporary:
        folds.to_csv(temporary, index=False)
    write_json(CROSSVAL, rounded(summary(folds, settings.folds)))


def cross_validate(data: Dataset, settings: Crossval, recipe: Train) -> pd.DataFrame:
    """Return the metrics of every model on its fold, rounded as in metrics files.

    `test_rows` is a hash of the numbers of the rows in the fold, by which `compare` knows folds.

    Raises:
        UserError: there are fewer rows than folds, or the models cannot be trained.
    """
    if len(data) < settings.folds:
        raise UserError(f"crossval.folds: {settings.folds} folds of {len(data)} rows; use fewer")
    places = list(product(range(1, settings.repeats + 1), range(1, settings.folds + 1)))
    sizes = [training_rows(len(data), fold, settings, recipe) for _, fold in places]
    announce(len(places), recipe.epochs, sizes[0])
    from classifier.scoring.members import train_and_score  # TensorFlow takes seconds

    with Progress(desc="crossval", total=len(places) * recipe.epochs, unit="epoch") as bar:
        scores = train_and_score(
            data,
            sizes,
            lambda number: member_at(places[number], data, settings, recipe),
            recipe,
            bar.update,
        )
    folds = pd.DataFrame(places, columns=["repeat", "fold"])
    return folds.assign(test_rows=fold_hashes(data, settings), **scores).round(6)


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


def fold_of_rows(data: Dataset, settings: Crossval, repeat: int) -> npt.NDArray[np.int32]:
    """Return the fold of each row in a repeat, counted from 0, (rows,)."""
    rng = np.random.default_rng([settings.seed, repeat])
    return stratified_folds(data.labels.argmax(axis=1), settings.folds, rng)


def fold_hashes(data: Dataset, settings: Crossval) -> list[str]:
    """Return 12 hexadecimal digits for each fold of each repeat, made from its row numbers."""
    return [
        hashlib.sha256(np.flatnonzero(fold_of_row == fold).astype("<i4").tobytes()).hexdigest()[:12]
        for repeat in range(1, settings.repeats + 1)
        for fold_of_row in [fold_of_rows(data, settings, repeat)]
        for fold in range(settings.folds)
    ]


def member_at(place: Place, data: Dataset, settings: Crossval, recipe: Train) -> "Member":
    """Return the rows of the model that is tested on a fold, and what it learns and draws."""
    from classifier.scoring.members import Member  # TensorFlow takes seconds

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
