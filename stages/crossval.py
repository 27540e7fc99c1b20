"""crossval: the recipe trained a hundred times, each time tested on rows that were left out.

It says how well such a network does on rows it has not seen, how sure that is, and whether less
would do: the most frequent class, or a network without hidden layers.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import quoting, replaced_file, rounded, write_json
from classifier.base.paths import (
    CONFUSION,
    CROSSVAL,
    FOLDS,
    OUT_OF_FOLD,
    RELIABILITY,
    TRAINING_ROWS,
)
from classifier.base.process import run_stage
from classifier.base.progress import Progress
from classifier.params import Crossval, Train, load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.rows.groups import NEVER, Groups
from classifier.scoring.answers import CONFUSION_COLUMNS, RELIABILITY_COLUMNS, Answers
from classifier.scoring.baselines import majority
from classifier.scoring.folds import fold_of_rows, rows_of_model
from classifier.scoring.intervals import INTERVALS
from classifier.scoring.out_of_fold import (
    HEAD,
    OutOfFold,
    count_one_answer,
    difference,
    write_out_of_fold,
)
from classifier.scoring.repeated import count_copies
from classifier.scoring.scores import METRICS, Tally

FOLD_COLUMNS = ["repeat", "fold", *METRICS]
LONG_WORK = 1_000_000_000  # rows to train on that take minutes
# What rows got, the probabilities of each class, and the tally of each model's members.
Results = tuple[OutOfFold, npt.NDArray[np.float32], Tally]


def main() -> None:
    params = load_params()
    settings, recipe = params.crossval, params.train
    if not settings.folds:
        write_nothing()
        return
    data = open_dataset(TRAINING_ROWS)
    say_how_many_are_copies(data, settings)
    say_if_models_are_hardly_tested(data, settings)
    found, probabilities, of_members = cross_validate(data, settings, recipe)
    baselines = {"majority": majority(found, data.labels.shape[1])}
    if recipe.hidden:
        plain = recipe.model_copy(update={"hidden": []})
        baselines["no_hidden_layer"] = cross_validate(data, settings, plain, "no hidden layer")[0]
    answers = Answers(found, probabilities, [*data.kinds.classes])
    kept = probabilities if settings.probabilities else None
    write_out_of_fold(found, kept, answers.classes, OUT_OF_FOLD)
    write_table(folds_of(found, of_members, settings.folds), FOLDS)
    write_table(answers.mixed_up(), CONFUSION, answers.classes)
    write_table(answers.reliability, RELIABILITY)
    write_json(CROSSVAL, rounded(summary(answers, of_members, baselines)))


def write_nothing() -> None:
    """Write the files of a cross-validation that is left out."""
    columns = {
        OUT_OF_FOLD: HEAD,
        FOLDS: FOLD_COLUMNS,
        CONFUSION: CONFUSION_COLUMNS,
        RELIABILITY: RELIABILITY_COLUMNS,
    }
    for path, names in columns.items():
        write_table(pd.DataFrame(columns=names), path)
    write_json(CROSSVAL, {"models": 0})


def write_table(table: pd.DataFrame, path: Path, texts: Sequence[str] = ()) -> None:
    """Write a table in which these texts may stand."""
    with replaced_file(path) as temporary:
        table.round(6).to_csv(temporary, index=False, quoting=quoting([*texts]))


def say_if_models_are_hardly_tested(data: Dataset, settings: Crossval) -> None:
    units, unit = len(data), "row"
    if data.groups:
        units, unit = len(data.groups.sizes()), "group"
    if settings.folds == units and settings.repeats == 1:
        print(
            f"crossval: each model is tested on one {unit}, so nothing tells how much models "
            "differ; take fewer crossval.folds or more crossval.repeats",
            file=sys.stderr,
        )


def say_how_many_are_copies(data: Dataset, settings: Crossval) -> None:
    if data.groups and data.groups.in_time:  # those of one stretch are apart from no other
        data = replace(data, groups=Groups(fold_of_rows(data, settings, repeat=1) - NEVER))
    if copies := count_copies(data):
        print(
            f"crossval: {copies:,} of {len(data):,} rows are duplicates; a "
            "model that was trained on one is tested on the other as if it had not seen it",
            file=sys.stderr,
        )


def cross_validate(
    data: Dataset, settings: Crossval, recipe: Train, title: str = "crossval"
) -> Results:
    """Return what each row got of models that it did not train.

    Raises:
        UserError: there are fewer rows or groups than folds, or the models cannot be trained.
    """
    if len(data) < settings.folds:
        raise UserError(
            f"crossval.folds: {settings.folds} folds, but only {len(data)} rows; use fewer"
        )
    networks = settings.repeats * settings.folds * recipe.members
    folds = fold_of_rows(data, settings, repeat=1)
    last, _, _ = rows_of_model(settings.folds - 1, folds, data, settings, recipe)
    announce(networks, recipe.epochs, len(last))
    from classifier.scoring import cross_validation  # TensorFlow takes seconds

    with Progress(desc=title, total=networks * recipe.epochs, unit="epoch") as bar:
        return cross_validation.cross_validate(
            data, settings, recipe, lambda epoch: bar.update(len(epoch.loss))
        )


def announce(networks: int, epochs: int, rows: int) -> None:
    """Say what is to be done if it will take long."""
    if networks * epochs * rows >= LONG_WORK:
        print(
            f"crossval: {networks} networks, {epochs} epochs, {rows:,} rows each; "
            "`crossval.folds: 0` skips it",
            file=sys.stderr,
        )


def folds_of(found: OutOfFold, of_members: Tally, folds: int) -> pd.DataFrame:
    """Return the metrics of every model on its fold, and what one of its members scores."""
    models = np.arange(found.models.max() + 1)
    table = pd.DataFrame({"repeat": models // folds + 1, "fold": models % folds + 1})
    table = table.assign(**found.by_model())
    for metric, scores in of_members.scores().items():
        if scores.shape[1] > 1:
            table[f"{metric}_of_one"] = scores.mean(axis=1)
            table[f"{metric}_of_one_std"] = scores.std(axis=1, ddof=1)
    return table


def summary(answers: Answers, of_members: Tally, baselines: dict[str, OutOfFold]) -> dict[str, Any]:
    """Return each metric with its interval, and what else there is to say.

    Without a list, so that DVC, which is told that it is a plot, has nothing to draw.
    """
    found = answers.found
    by_model = found.by_model()
    result: dict[str, Any] = {"models": int(found.models.max()) + 1} | count_one_answer(found)
    spreads = {metric: found.spread(metric) for metric in METRICS}
    for metric, spread in spreads.items():
        std = float(by_model[metric].std(ddof=1))
        result[metric] = {"mean": spread.mean, "std": std} | INTERVALS[metric](spread, False).ends
    beside: dict[str, dict[str, Any]] = {}
    if found.tells_models_apart:
        beside["shipped"] = by_metric(lambda metric: INTERVALS[metric](spreads[metric], True).ends)
    if of_members.losses.shape[1] > 1:
        beside["one_network"] = one_network(of_members)
    for name, baseline in baselines.items():
        of = partial(difference, found, baseline)
        beside[name] = by_metric(of) | {"balanced_accuracy": of("balanced_accuracy")}
    return result | {
        "beside": beside,
        "out_of_fold": answers.scores(),
        "per_class": answers.per_class,
        "confidently_wrong": answers.confidently_wrong(),
    }


def by_metric(of: Callable[[str], dict[str, float]]) -> dict[str, dict[str, float]]:
    return {metric: of(metric) for metric in METRICS}


def one_network(of_members: Tally) -> dict[str, dict[str, float]]:
    """Return what the members are worth alone, on all rows, and how far they differ on a fold."""
    of_folds, of_all = of_members.scores(), of_members.total().scores()
    return by_metric(
        lambda metric: {
            "mean": float(of_all[metric].mean()),
            "std_on_fold": float(np.sqrt(of_folds[metric].var(axis=1, ddof=1).mean())),
        }
    )


if __name__ == "__main__":
    run_stage(main)
