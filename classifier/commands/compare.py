"""compare: whether the cross-validated metrics of two revisions differ by more than noise."""

import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier.errors import UserError
from classifier.experiments import recorded_params
from classifier.files import rounded
from classifier.params import PARAMS, load_params

if TYPE_CHECKING:
    import pandas as pd

    from classifier.statistics import Interval

BETTER_WHEN = {"accuracy": "higher", "loss": "lower", "macro_f1": "higher"}
WORKSPACE = "workspace"
# What prepare does to the numbers of a row, not to which rows there are.
OF_NUMBERS = {"text", "scale", "unknown", "max_categories"}


@dataclass(frozen=True)
class Side:
    """A revision: the metrics of each model, the number of folds, which rows are in which."""

    name: str
    table: "pd.DataFrame"
    folds: int
    split: dict[str, Any]


@dataclass(frozen=True)
class Change:
    """How a metric has changed; the interval is of the difference, new minus old."""

    metric: str
    old: float
    new: float
    difference: "Interval"

    @property
    def verdict(self) -> str:
        if self.difference.low <= 0 <= self.difference.high:
            return "no more than noise"
        higher = "higher" if self.difference.mean > 0 else "lower"
        return "better" if higher == BETTER_WHEN[self.metric] else "worse"


def compare(
    old: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment.")] = "HEAD",
    new: Annotated[
        str, typer.Argument(help="Another; by default the files as they are.")
    ] = WORKSPACE,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Write a Markdown table.")
    ] = False,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit with 1 if any metric is worse.")
    ] = False,
) -> None:
    """Say whether cross-validated metrics differ by more than noise.

    Where both sides were tested on the same folds, the differences fold by fold are tested, else
    the two means. Better and worse mean that the 95% interval of the difference leaves out 0.

    \b
    Examples:
      python -m classifier compare
      python -m classifier compare main my-experiment
      python -m classifier compare HEAD~1 --markdown --fail-if-worse
    """
    before, after = load_side(old), load_side(new)
    paired = before.split == after.split
    changes = [change_of(metric, before, after, paired) for metric in BETTER_WHEN]
    if as_json:
        print(to_json(before, after, changes, paired))
    else:
        print(to_table(before, after, changes, "github" if as_markdown else "simple"))
        print(f"\n{how_tested(before, after, paired)}")
    if fail_if_worse and any(change.verdict == "worse" for change in changes):
        raise typer.Exit(1)


def load_side(name: str) -> Side:
    """Return the results of a revision, or of the workspace.

    Raises:
        UserError: there is no such revision, or it was not cross-validated.
    """
    import pandas as pd
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import ParseError, parse_yaml

    if not name:
        raise UserError("an empty name is no revision")
    try:
        files = DVCFileSystem(rev=None if name == WORKSPACE else name)
        table = pd.read_csv(io.StringIO(files.read_text("metrics/folds.csv")))
        stages = parse_yaml(files.read_text("dvc.lock"), "dvc.lock")["stages"]
    except FileNotFoundError as error:
        missing = f"{name}: has no metrics/folds.csv or no dvc.lock"
        raise UserError(f"{missing}; `dvc repro` writes both") from error
    except (ParseError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{name}: metrics/folds.csv or dvc.lock is damaged") from error
    except DvcException as error:
        raise UserError(str(error)) from error
    except AttributeError as error:  # of git, about a file or a folder
        raise UserError(f"{name}: is no commit, branch, tag or experiment") from error
    side = checked_side(name, table, stages)
    if name == WORKSPACE:
        warn_of_changed_params(stages)
    return side


def warn_of_changed_params(stages: dict[str, Any]) -> None:
    """Say on standard error that the results are not those of the params as they are.

    Raises:
        UserError: something is wrong with the params.
    """
    from dvc.utils.serialize import load_yaml

    load_params()
    now, then = load_yaml(PARAMS), recorded_params(stages.values())
    for key, value in then.items():
        section, _, name = key.partition(".")
        if now[section].get(name, value) != value:
            print(f"{PARAMS}: {key} has changed since; run `dvc repro`", file=sys.stderr)


def checked_side(name: str, table: "pd.DataFrame", stages: dict[str, Any]) -> Side:
    """Raise `UserError` unless the folds are there and are those of the dvc.lock."""
    import pandas as pd

    from classifier.artifacts import is_crossval_of_the_model

    columns = ["repeat", "fold", *BETTER_WHEN]
    if list(table) != columns:
        raise UserError(f"{name}: metrics/folds.csv: expected the columns {', '.join(columns)}")
    if table.empty or "crossval" not in stages:
        raise UserError(f"{name}: was not cross-validated (crossval.folds: 0)")
    if not np.isfinite(table.apply(pd.to_numeric, errors="coerce")).all(axis=None):
        raise UserError(f"{name}: metrics/folds.csv: expected numbers")
    try:
        split, is_of_the_model = split_of(stages), is_crossval_of_the_model(stages)
        folds, repeats = split["crossval"]["folds"], split["crossval"]["repeats"]
    except (AttributeError, LookupError, TypeError) as error:
        raise UserError(
            f"{name}: dvc.lock is of another version of the project, or damaged"
        ) from error
    if not is_of_the_model:
        raise UserError(f"{name}: was cross-validated on other rows or settings; run `dvc repro`")
    if len(table) != folds * repeats:
        raise UserError(f"{name}: metrics/folds.csv is not of this dvc.lock; run `dvc repro`")
    return Side(name, table, folds, split)


def split_of(stages: dict[str, Any]) -> dict[str, Any]:
    """Return, from the stages of a dvc.lock, all that decides which rows each fold holds."""
    deps = {dep["path"]: dep["md5"] for name in stages for dep in stages[name].get("deps", [])}
    prepare = stages["prepare"]["params"]["params.yaml"]["prepare"]
    left_out = OF_NUMBERS if prepare["missing"] == "drop" else OF_NUMBERS | {"features"}
    return {
        "crossval": stages["crossval"]["params"]["params.yaml"]["crossval"],
        "prepare": {key: value for key, value in prepare.items() if key not in left_out},
        "table": deps["data/raw.csv"],
        "code": deps["classifier/split.py"],
    }


def change_of(metric: str, before: Side, after: Side, paired: bool) -> Change:
    from classifier.statistics import difference_interval, mean_interval

    old, new = (side.table[metric].to_numpy(float) for side in (before, after))
    if paired:
        difference = mean_interval(new - old, before.folds)
    else:
        difference = difference_interval(old, new, before.folds, after.folds)
    return Change(metric, float(old.mean()), float(new.mean()), difference)


def how_tested(before: Side, after: Side, paired: bool) -> str:
    """Say in words which test it was, and what it does not say."""
    if paired:
        test = (
            f"Paired: the same {len(before.table)} folds on both sides. "
            "Corrected resampled t-test (Nadeau and Bengio, 2003)."
        )
    else:
        test = (
            f"Unpaired: the folds differ ({len(before.table)} and {len(after.table)} models). "
            "Corrected resampled variances (Nadeau and Bengio, 2003), Welch's t-test."
        )
    if before.split["table"] != after.split["table"]:
        test += "\nThe tables differ: one may be easier than the other, whatever the model."
    return f"{test}\nNo more than noise: the interval holds 0. That does not prove them equal."


def to_table(before: Side, after: Side, changes: list[Change], style: str) -> str:
    from tabulate import tabulate

    head, *rows = cells(before, after, changes)
    return str(tabulate(rows, head, tablefmt=style, disable_numparse=True))


def cells(before: Side, after: Side, changes: list[Change]) -> list[list[str]]:
    """Return a table for people: its head, then a row for each metric."""
    head = ["metric", before.name, after.name, "difference", "95% interval", "verdict"]
    rows = [
        [
            change.metric,
            f"{change.old:.4f}",
            f"{change.new:.4f}",
            f"{change.difference.mean:+.4f}",
            f"{change.difference.low:+.4f} to {change.difference.high:+.4f}",
            change.verdict,
        ]
        for change in changes
    ]
    return [head, *rows]


def to_json(before: Side, after: Side, changes: list[Change], paired: bool) -> str:
    metrics = {
        change.metric: {
            "old": change.old,
            "new": change.new,
            "difference": change.difference.mean,
            "ci95_low": change.difference.low,
            "ci95_high": change.difference.high,
            "verdict": change.verdict,
        }
        for change in changes
    }
    sides = {"old": before.name, "new": after.name, "paired": paired}
    return json.dumps(rounded(sides | {"metrics": metrics}), indent=2)
