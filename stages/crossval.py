"""crossval: the recipe trained a hundred times, each time tested on rows that were left out.

It says how well such a network does on rows it has not seen, and how sure that is.
"""

import sys
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file, rounded, write_json
from classifier.base.paths import CROSSVAL, FOLDS, TRAINING_ROWS
from classifier.base.process import run
from classifier.base.progress import Progress
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.scoring.folds import fold_hashes, member_at, training_rows
from classifier.scoring.intervals import mean_interval, share_tested
from classifier.scoring.scores import METRICS

COLUMNS = ["repeat", "fold", "test_rows", *METRICS]
LONG_WORK = 1_000_000_000  # rows to train on that take minutes


def main() -> None:
    params = load_params()
    settings, folds = params.crossval, pd.DataFrame(columns=COLUMNS)
    if settings.folds:
        folds = cross_validate(open_dataset(TRAINING_ROWS), settings, params.train)
    with replaced_file(FOLDS) as temporary:
        folds.to_csv(temporary, index=False)
    write_json(CROSSVAL, rounded(summary(folds, settings, params.train)))


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
    announce(len(places) * recipe.members, recipe.epochs, sizes[0])
    from classifier.scoring.out_of_fold import train_and_score  # TensorFlow takes seconds

    epochs = len(places) * recipe.members * recipe.epochs
    with Progress(desc="crossval", total=epochs, unit="epoch") as bar:
        scores, of_members = train_and_score(
            data,
            sizes,
            lambda number: member_at(places[number], data, settings, recipe),
            recipe,
            lambda epoch: bar.update(len(epoch.loss)),
        )
    folds = pd.DataFrame(places, columns=["repeat", "fold"])
    folds = folds.assign(test_rows=fold_hashes(data, settings), **scores)
    if recipe.members > 1:
        folds = folds.assign(**of_one(of_members))
    return folds.round(6)


def of_one(of_members: dict[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    """Return what one member of each model scores: the mean, and the deviation by its start."""
    return {
        f"{metric}_of_one{name}": values
        for metric, scores in of_members.items()
        for name, values in (("", scores.mean(axis=1)), ("_std", scores.std(axis=1, ddof=1)))
    }


def announce(models: int, epochs: int, rows: int) -> None:
    """Say what is to be done if it will take long."""
    if models * epochs * rows >= LONG_WORK:
        print(
            f"crossval: {models} networks, {epochs} epochs, {rows:,} rows each; "
            "`crossval.folds: 0` leaves it out",
            file=sys.stderr,
        )


def summary(folds: pd.DataFrame, settings: Crossval, recipe: Train) -> dict[str, Any]:
    """Return the number of models and, if there are any, each metric with its error bar."""
    if not settings.folds:
        return {"models": 0}
    share = share_tested(settings.folds, recipe.validation_fraction)
    found: dict[str, Any] = {
        metric: estimate(folds[metric].to_numpy(float), share) for metric in METRICS
    }
    if recipe.members > 1:
        found["one_network"] = {metric: estimate_of_one(folds, metric) for metric in METRICS}
    return {"models": len(folds)} | found


def estimate_of_one(folds: pd.DataFrame, metric: str) -> dict[str, float]:
    """Return what one network scores: the mean, and how far networks of a fold differ."""
    mean, std = (folds[f"{metric}_of_one{name}"].to_numpy(float) for name in ("", "_std"))
    return {"mean": float(mean.mean()), "std_by_start": float(np.sqrt((std**2).mean()))}


def estimate(values: npt.NDArray[np.float64], share: float) -> dict[str, float]:
    """Return mean, sample standard deviation and 95% interval of a metric over the models."""
    interval = mean_interval(values, share)
    return {
        "mean": interval.mean,
        "std": float(values.std(ddof=1)),
        "ci95_low": interval.low,
        "ci95_high": interval.high,
    }


if __name__ == "__main__":
    run(main)
