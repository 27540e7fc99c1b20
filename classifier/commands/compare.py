"""compare: whether the cross-validated metrics of two revisions differ by more than noise."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier.base.errors import UserError
from classifier.base.files import md5_of_bytes, rounded
from classifier.base.paths import FOLDS, LOCK
from classifier.scoring.scores import BETTER_WHEN, METRICS

if TYPE_CHECKING:
    import pandas as pd

    from classifier.base.dvc_lock import Lock
    from classifier.scoring.intervals import Interval

WORKSPACE = "workspace"
LEADING_TO_CROSSVAL = ("fetch", "prepare", "crossval")


@dataclass(frozen=True)
class Side:
    """A revision that was cross-validated: its dvc.lock and the metrics of each model."""

    name: str
    table: "pd.DataFrame"
    lock: "Lock"

    @property
    def label(self) -> Any:
        """The column that is predicted, by name or position."""
        return self.lock.params("prepare").get("prepare.label")

    @property
    def share_tested(self) -> float:
        """How many rows a model was tested on for each that it was trained on."""
        from classifier.scoring.intervals import share_tested

        kept_aside = self.lock.params("crossval").get("train.validation_fraction", 0.0)
        return share_tested(int(self.table["fold"].max()), kept_aside)

    def has_the_folds_of(self, other: "Side") -> bool:
        """Return whether the models of both were tested on the same rows, model by model."""
        places = ["repeat", "fold", "test_rows"]
        return (
            {*places} <= {*self.table} & {*other.table}
            and self.table[places].equals(other.table[places])
            and self.lock.table() == other.lock.table()
            and self.lock.choice_of_rows() == other.lock.choice_of_rows()
        )


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
      classifier compare
      classifier compare main my-experiment
      classifier compare HEAD~1 --markdown --fail-if-worse
    """
    before, after = load_side(old), load_side(new)
    paired = after.has_the_folds_of(before)
    changes = [change_of(metric, before, after, paired) for metric in METRICS]
    if as_json:
        print(to_json(before, after, changes, paired))
    else:
        print(to_table(before, after, changes, "github" if as_markdown else "simple"))
        print(f"\n{how_tested(before, after, paired)}")
    if fail_if_worse and any(change.verdict == "worse" for change in changes):
        raise typer.Exit(1)


def load_side(name: str) -> Side:
    """Return what `read_side` does, and say on standard error if it is of other params or files."""
    from classifier.commands.revisions import lines_on_changes

    side, revision = read_side(name), None if name == WORKSPACE else name
    for line in lines_on_changes(revision, side.lock, *LEADING_TO_CROSSVAL):
        print(line, file=sys.stderr)
    return side


def read_side(name: str) -> Side:
    """Return the results of a revision, or of the workspace.

    Raises:
        UserError: there is no such revision, or it was not cross-validated.
    """
    from classifier.commands.revisions import files_at, warn_of_namesakes

    if not name:
        raise UserError("an empty name is not a revision")
    if name == WORKSPACE:
        warn_of_namesakes(name)
    return side_of(name, files_at(None if name == WORKSPACE else name, FOLDS, LOCK))


def side_of(name: str, files: dict[Path, bytes]) -> Side:
    """Return a revision's side, from the bytes of its folds and its lock.

    Raises:
        UserError: it was not cross-validated, or the folds are damaged or not of the lock.
    """
    import pandas as pd

    from classifier.base.dvc_lock import parse_lock

    if not {FOLDS, LOCK} <= files.keys():
        raise UserError(f"{name}: has no {FOLDS} or no {LOCK}; `dvc repro` writes both")
    lock, folds = parse_lock(files[LOCK], f"{name}: {LOCK}"), files[FOLDS]
    try:
        table = pd.read_csv(io.BytesIO(folds), dtype={"test_rows": str})
    except ValueError as error:
        raise UserError(f"{name}: {FOLDS}: is damaged") from error
    columns = ["repeat", "fold", *METRICS]
    if not {*columns} <= {*table}:
        raise UserError(f"{name}: {FOLDS}: expected the columns {', '.join(columns)}")
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").astype(float)
    if not np.isfinite(numbers).all(axis=None):
        raise UserError(f"{name}: {FOLDS}: expected numbers")
    if table.empty or "crossval" not in lock.stages:
        why = "crossval.folds: 0" if table.empty else f"{LOCK} does not name crossval"
        raise UserError(f"{name}: was not cross-validated ({why})")
    if not lock.crossval_is_of_the_model():
        raise UserError(f"{name}: was cross-validated on other rows or settings; run `dvc repro`")
    lock.require_one_run(f"{name}: {LOCK}")
    if not is_of(lock, folds, len(table)):
        raise UserError(f"{name}: {FOLDS}: is not of this {LOCK}; run `dvc repro`")
    lock.table()  # raises where the lock does not say
    return Side(name, table, lock)


def is_of(lock: "Lock", folds: bytes, models: int) -> bool:
    """Return whether a lock names these folds by their md5, and by the number of models."""
    params = lock.params("crossval")
    if models != params.get("crossval.folds", 0) * params.get("crossval.repeats", 0):
        return False
    return str(FOLDS) in lock.outs() and md5_of_bytes(folds) == lock.outs()[str(FOLDS)].md5


def change_of(metric: str, before: Side, after: Side, paired: bool) -> Change:
    from classifier.scoring.intervals import difference_interval, mean_interval

    old, new = (side.table[metric].to_numpy(float) for side in (before, after))
    if paired:
        difference = mean_interval(new - old, max(before.share_tested, after.share_tested))
    else:
        difference = difference_interval(old, new, before.share_tested, after.share_tested)
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
    if before.lock.table() != after.lock.table():
        test += "\nThe tables differ: one may be easier than the other, whatever the model."
    if before.label != after.label:
        test += f"\nThe labels differ, {before.label} and {after.label}: these are two tasks."
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
