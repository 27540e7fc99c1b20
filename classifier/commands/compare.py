"""compare: whether the cross-validated metrics of two revisions differ by more than noise."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from classifier.base.errors import UserError, listed
from classifier.base.files import md5_of_bytes, rounded
from classifier.base.paths import LOCK, OUT_OF_FOLD, PIPELINE
from classifier.scoring.scores import BETTER_WHEN, FEW_MODELS, METRICS, largest_difference

if TYPE_CHECKING:
    from classifier.base.dvc_lock import Lock
    from classifier.scoring.intervals import Interval, Numbers
    from classifier.scoring.out_of_fold import OutOfFold

WORKSPACE = "workspace"
READ_OF_SIDE = (OUT_OF_FOLD, LOCK, PIPELINE)
LEADING_TO_CROSSVAL = ("fetch", "prepare", "crossval")


@dataclass(frozen=True)
class Side:
    """A revision that was cross-validated: its dvc.lock, and what each row got."""

    name: str
    found: "OutOfFold"
    lock: "Lock"

    @property
    def label(self) -> Any:
        """The column that is predicted, by name or position."""
        return self.lock.params("prepare").get("prepare.label")

    @property
    def units(self) -> str:
        """What varies as a whole where rows belong together."""
        in_time = self.lock.params("prepare").get("prepare.time") is not None
        return "stretches of time" if in_time else "groups of rows"

    def has_the_rows_of(self, other: "Side") -> bool:
        """Return whether both were tested on the same rows."""
        return (
            np.array_equal(self.found.actual, other.found.actual)
            and np.array_equal(self.found.numbers, other.found.numbers)
            and self.lock.table() == other.lock.table()
            and self.lock.choice_of_rows() == other.lock.choice_of_rows()
        )

    def has_the_folds_of(self, other: "Side") -> bool:
        """Return whether the models of both were tested on the same rows, model by model."""
        return self.has_the_rows_of(other) and np.array_equal(self.found.models, other.found.models)


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
        str, typer.Argument(help="Another; by default the files as they are now.")
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

    If both sides were tested on the same rows, they are compared row by row, otherwise by their
    means. Better and worse mean that the 95% interval of the difference excludes 0.

    \b
    Examples:
      classifier compare
      classifier compare main my-experiment
      classifier compare HEAD~1 --markdown --fail-if-worse
    """
    before, after = read_side(old), read_side(new)
    changes = [change_of(metric, before, after) for metric in METRICS]
    outdated = [line for side in (before, after) for line in outdated_of(side)]
    for line in outdated:
        print(line, file=sys.stderr)
    # Where these go, standard error may not.
    notes = [*(outdated if as_json or as_markdown else ()), *how_tested(before, after)]
    if as_json:
        print(to_json(before, after, changes, notes))
    else:
        print(to_table(before, after, changes, "github" if as_markdown else "simple"))
        print("", *notes, sep="\n")
    if fail_if_worse and any(change.verdict == "worse" for change in changes):
        raise typer.Exit(1)


def outdated_of(side: Side) -> list[str]:
    """Return a line for each thing of which a side's results are another version."""
    from classifier.commands.revisions import lines_on_changes

    revision = None if side.name == WORKSPACE else side.name
    return lines_on_changes(revision, side.lock, *LEADING_TO_CROSSVAL)


def read_side(name: str) -> Side:
    """Return the results of a revision, or of the workspace.

    Raises:
        UserError: there is no such revision, or it was not cross-validated.
    """
    from classifier.commands.revisions import files_at, warn_of_namesakes

    warn_of_namesakes(name, "the files as they are now" if name == WORKSPACE else None)
    return side_of(name, files_at(None if name == WORKSPACE else name, *READ_OF_SIDE))


def side_of(name: str, files: dict[Path, bytes]) -> Side:
    """Return a revision's side, from the bytes of what its rows got and of its lock.

    Raises:
        UserError: it was not cross-validated, or what its rows got is damaged or not of the lock.
    """
    from classifier.base.dvc_lock import parse_lock
    from classifier.scoring.out_of_fold import read_out_of_fold

    if LOCK not in files:
        raise UserError(f"{name}: has no {LOCK}; `dvc repro` writes it")
    lock = parse_lock(files[LOCK], f"{name}: {LOCK}", files.get(PIPELINE))
    folds = lock.params("crossval").get("crossval.folds")
    if folds is None:
        raise UserError(f"{name}: {LOCK} has no crossval: it or its run was cut off")
    if not folds:
        raise UserError(f"{name}: was not cross-validated (crossval.folds: 0)")
    if str(OUT_OF_FOLD) not in lock.outs():
        raise UserError(f"{name}: predates {OUT_OF_FOLD}; run `dvc repro` there")
    if OUT_OF_FOLD not in files:
        raise UserError(
            f"{name}: its {OUT_OF_FOLD} is not in the cache, and no remote could give it; "
            "run `dvc repro` there"
        )
    lock.require_crossval_of_the_model(name)
    lock.require_one_run(f"{name}: {LOCK}")
    if md5_of_bytes(files[OUT_OF_FOLD]) != lock.outs()[str(OUT_OF_FOLD)].md5:
        raise UserError(f"{name}: {OUT_OF_FOLD}: does not match this {LOCK}; run `dvc repro`")
    lock.table()  # raises where the lock does not say
    try:
        found = read_out_of_fold(io.BytesIO(files[OUT_OF_FOLD]))
    except ValueError as error:
        raise UserError(f"{name}: {OUT_OF_FOLD}: was not written by crossval") from error
    return Side(name, found, lock)


def change_of(metric: str, before: Side, after: Side, comparisons: int = 1) -> Change:
    """Return how a metric differs: row by row where both sides were tested on the same rows.

    comparisons: see `difference_interval`.
    """
    from classifier.scoring.intervals import (
        difference_interval,
        of_other_rows,
        of_the_same_rows,
        spread,
    )
    from classifier.scoring.out_of_fold import as_rare_classes_have_it

    old, new = (side.found.scores(metric) for side in (before, after))
    spreads = before.found.spread(metric), after.found.spread(metric)
    units = units_of_both(before, after)
    if after.has_the_rows_of(before):
        difference = (
            spread(new - old, after.found.models, units)
            if after.has_the_folds_of(before)
            else of_the_same_rows(new.mean(axis=0) - old.mean(axis=0), *spreads, units)
        )
        difference = as_rare_classes_have_it(difference, metric, after.found, before.found)
    else:
        difference = of_other_rows(*spreads)
    interval = difference_interval(difference, largest_difference(metric), comparisons)
    return Change(metric, float(old.mean()), float(new.mean()), interval)


def units_of_both(before: Side, after: Side) -> "Numbers | None":
    """Return the groups of the rows of either side, (rows,), the fewer ones if both have some."""
    units = [side.found.units for side in (before, after) if side.found.units is not None]
    return min(units, key=np.max, default=None)


def how_tested(before: Side, after: Side) -> Iterator[str]:
    """Yield, in a sentence or two each, which test it was, and what it does not say."""
    rows, old_rows = f"{len(after.found.actual):,} rows", f"{len(before.found.actual):,}"
    if after.has_the_folds_of(before):
        test = f"Paired: the same {rows} in the same folds on both sides."
    elif after.has_the_rows_of(before):
        test = f"Paired: the same {rows} on both sides, in different folds."
    else:
        are_alike = np.array_equal(before.found.actual, after.found.actual)
        differ = "may differ" if are_alike else "differ"
        test = f"Unpaired: the rows {differ}, {old_rows} and {rows}."
    grouped = [side.units for side in (after, before) if side.found.units is not None]
    units = grouped[0] if grouped else "rows"
    yield f"{test} Variances by {units} and by models, Student's t; see docs/statistics.md."
    models = min(int(side.found.models.max()) + 1 for side in (before, after))
    if models < FEW_MODELS:
        yield (
            f"With only {models} models, how much they differ is poorly known: more "
            "crossval.repeats would help."
        )
    yield from caveats(before, after)
    old, new = (side.lock.code(*LEADING_TO_CROSSVAL) for side in (before, after))
    if paths := [path for path in {**old, **new} if old.get(path) != new.get(path)]:
        yield f"The code or packages differ, which may be the reason: {listed(paths)}."
    yield "No more than noise means that the interval contains 0, not that both are equal."


def caveats(before: Side, after: Side) -> Iterator[str]:
    """Yield why the two sides may be of different tasks, a sentence each."""
    if before.lock.table() != after.lock.table():
        yield "The tables differ: one may be easier than the other, whatever the model."
    if before.label != after.label and not after.has_the_rows_of(before):
        labels = f"{before.label} and {after.label}"
        yield f"prepare.label differs, {labels}: the tasks may be different."
    for name, old, new in different_folds(before.lock, after.lock):
        yield f"{name} differs, {old} and {new}: one test may be harder, whatever the model."


def different_folds(before: "Lock", after: "Lock") -> Iterator[tuple[str, Any, Any]]:
    """Yield the params by which folds are harder on one side, and what they are on each.

    Of fewer folds, models are trained on fewer rows; rows that belong together tell of each other.
    """
    for name in ("prepare.group", "prepare.time", "crossval.folds"):
        old, new = (lock.params("prepare", "crossval").get(name) for lock in (before, after))
        if old != new:
            yield name, "none" if old is None else old, "none" if new is None else new


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


def to_json(before: Side, after: Side, changes: list[Change], notes: list[str]) -> str:
    metrics = {
        change.metric: {
            "old": change.old,
            "new": change.new,
            "difference": change.difference.mean,
            **change.difference.ends,
            "verdict": change.verdict,
        }
        for change in changes
    }
    paired = after.has_the_rows_of(before)
    sides = {"old": before.name, "new": after.name, "paired": paired}
    return json.dumps(rounded(sides | {"metrics": metrics, "notes": notes}), indent=2)
