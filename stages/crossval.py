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


def summary(folds: pd.DataFrame, settings: Crossval, recipe: Train) -> dict[str, Any]:
    """Return the number of models and, if there are any, each metric with its error bar."""
    if not settings.folds:
        return {"models": 0}
    share = share_tested(settings.folds, recipe.validation_fraction)
    estimates = {metric: estimate(folds[metric].to_numpy(float), share) for metric in METRICS}
    return {"models": len(folds)} | estimates


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
