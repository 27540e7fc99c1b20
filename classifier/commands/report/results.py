"""The results of the last run, checked and of a bounded size."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifier.base import paths
from classifier.base.dvc_lock import STAGES, Entry, Lock, read_lock, require_recorded
from classifier.base.errors import UserError, one_line, without_secrets
from classifier.base.files import md5_of
from classifier.commands.artifacts.reach import not_in_commit
from classifier.commands.git import git
from classifier.commands.rebuild.digests import digest_of_file
from classifier.commands.report.against import DRAWN, Against, compared_with
from classifier.commands.report.plots import Records, Spec, drawn, dvc_plots
from classifier.commands.report.under_way import run_under_way
from classifier.commands.revisions import lines_on_changes, repo_at
from classifier.findings.finding import Finding, recorded_findings
from classifier.params import Params
from classifier.rows.dataset import open_dataset
from classifier.scoring.intervals import Interval, share_interval, spread, wilson
from classifier.scoring.out_of_fold import OutOfFold, read_out_of_fold
from classifier.table.schema import Schema

TEXTS = {"actual": str, "predicted": str}
COLUMNS = ["row", "actual", "predicted", "probability"]
WRONG_ROWS = 10
MATRIX_CLASSES = 12  # more do not fit into a matrix that can be read on a phone
Z95 = 1.959964  # of the normal distribution, two-sided


@dataclass(frozen=True)
class Answers:
    """What was answered for rows that were not trained on.

    pairs: actual, predicted, answers, the most frequent first; wrong: row, actual, predicted,
    probability, the most probable first; per_class: precision, recall, F1 and rows of each class;
    recalls: the intervals, of classes that have some.
    """

    pairs: pd.DataFrame
    wrong: pd.DataFrame
    per_class: dict[str, dict[str, Any]]
    recalls: dict[str, Interval]

    @property
    def mistakes(self) -> pd.DataFrame:
        return self.pairs[self.pairs.actual != self.pairs.predicted]

    def matrix(self) -> Records:
        """Return the pairs to draw, with a cell for each class on the diagonal; none if too many.

        Without it a class that is never answered would have no column.
        """
        if len(self.per_class) > MATRIX_CLASSES:
            return []
        never = [{"actual": name, "predicted": name, "answers": 0} for name in self.per_class]
        return self.pairs.to_dict("records") + never


@dataclass(frozen=True)
class Run:
    """All that was recorded of a run; crossval has no metrics where none is of this model.

    tables: those to draw; left_out: answers of the cross-validation, if any; others: those for each
    other data set, first those without rows trained on; outdated: a line for each param or file
    that is not as it was run; files: path, SHA-256, md5 and bytes of each artifact and of
    dvc.lock.
    """

    schema: Schema
    lock: Lock
    evaluation: dict[str, Any]
    crossval: dict[str, Any]
    tables: dict[Path, pd.DataFrame]
    left_out: Answers | None
    others: dict[str, Answers]
    findings: list[Finding]
    outdated: list[str]
    files: list[list[str]]
    against: Against | None = None

    @cached_property
    def params(self) -> dict[str, Any]:
        """What the stages were run with, as `section.key`."""
        found = self.lock.params(*STAGES)
        if {key.split(".")[0] for key in found} != {*Params.of_stages()}:
            raise UserError(f"{paths.LOCK}: is damaged; run `dvc repro`")
        return found | {"fetch.source": without_secrets(str(found["fetch.source"]))}

    @cached_property
    def plots(self) -> dict[str, Spec]:
        """The plots of dvc.yaml, with a revision that it is compared with laid over them."""
        own = {str(path): drawn(table) for path, table in self.tables.items()}
        own[str(paths.CONFUSION)] = self.left_out.matrix() if self.left_out else []
        each = self.others.items()
        own |= {f"{paths.PREDICTIONS}/{name}.csv": one.matrix() for name, one in each}
        others = {self.against.revision: self.against.drawn} if self.against else {}
        return dvc_plots({"workspace": own, **others})


def load_run(against: str | None = None) -> Run:
    """Return the results of the run that dvc.lock records, and say if another is under way.

    Raises:
        UserError: a file is missing, damaged or not of that run; or there is no such revision.
    """
    another = run_under_way()
    try:
        run = recorded_run(against)
    except UserError as error:
        if another:
            raise UserError(f"{another}; try again when it has ended ({error})") from error
        raise
    if another:
        run.outdated.insert(0, f"{another}; this report is of the run before it")
    return run


def recorded_run(against: str | None) -> Run:
    """Return what `load_run` does, whatever else is under way."""
    evaluation, lock = read_json(require_recorded(paths.EVALUATION)), read_lock()
    lock.require_one_run(str(paths.LOCK), *STAGES)
    lock.require_crossval_of_the_model(str(paths.LOCK))
    crossval, schema = read_json(require_recorded(paths.CROSSVAL)), Schema.load(paths.SCHEMA)
    for folder in (paths.PREDICTIONS, paths.PREPARED):
        require_recorded(folder)
    outs = lock.outs().values()
    here = {out.path: Path(out.path).exists() and md5_of(Path(out.path)) == out.md5 for out in outs}
    sets = (pair for pair in evaluation.items() if pair[0] != "train")
    others = {name: found["per_class"] for name, found in sorted(sets, key=share_trained_on)}
    return Run(
        schema=schema,
        lock=lock,
        evaluation=evaluation,
        crossval=crossval,
        tables={path: pd.read_csv(require_recorded(path)) for path in DRAWN},
        left_out=left_out(crossval, schema.classes) if crossval["models"] else None,
        others={name: other_answers(name, found, lock) for name, found in others.items()},
        findings=recorded_findings(),
        outdated=[*lines_on_changes(None, lock), *lines_on_other_files(here)],
        files=[row for out in outs for row in rows_of(out, here[out.path])] + row_of(paths.LOCK),
        against=None if against is None else compared_with(against, lock, evaluation),
    )


def rows_of(out: Entry, is_here: bool) -> Iterator[list[str]]:
    """Yield the row of an artifact, and those of the files in it if it is a folder.

    is_here: whether it is, as dvc.lock has it; else nothing tells its SHA-256, nor its files.
    """
    root, is_folder = Path(out.path), out.md5.endswith(".dir")
    if is_folder or not is_here:
        yield [f"{root}{'/' * is_folder}", "", out.md5, f"{out.size or 0:,}"]
    for path in sorted(root.rglob("*")) if is_folder else [root]:
        if is_here:
            yield from row_of(path)


def row_of(path: Path) -> list[list[str]]:
    """Return path, SHA-256, md5 and bytes of a file, of what is none no row."""
    digest = digest_of_file(path)
    return [[str(path), digest.sha256, digest.md5, f"{path.stat().st_size:,}"]] if digest else []


def lines_on_other_files(here: Mapping[str, bool]) -> Iterator[str]:
    """Yield a line for each artifact in whose place there is something else.

    here: whether each is, as dvc.lock has it, by its path.
    """
    for path in (path for path, is_here in here.items() if not is_here and Path(path).exists()):
        yield f"{path} is not what {paths.LOCK} names; run `classifier verify --repair`"


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a file of metrics holds; raise `UserError` if it holds none."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: is damaged; run `dvc repro`") from error


def left_out(crossval: dict[str, Any], classes: list[str]) -> Answers:
    """Return the answers of the cross-validation, with intervals of its recalls."""
    found = read_out_of_fold(require_recorded(paths.OUT_OF_FOLD))
    actual = open_dataset(paths.TRAINING_ROWS).labels[found.numbers].argmax(axis=1)
    of_classes = {name: actual == place for place, name in enumerate(classes)}
    pairs = pd.read_csv(require_recorded(paths.CONFUSION), dtype=TEXTS, keep_default_na=False)
    wrong = [{"row": int(row), **one} for row, one in crossval["confidently_wrong"].items()]
    return Answers(
        pairs.sort_values("answers", ascending=False, kind="stable"),
        pd.DataFrame(wrong, columns=COLUMNS).astype({"row": int}),
        crossval["per_class"],
        {name: recall(found, rows) for name, rows in of_classes.items() if rows.sum() > 1},
    )


def recall(found: OutOfFold, rows: Any) -> Interval:
    """Return the share of right answers for some rows, a mask of (n,), with its interval."""
    units = None if found.units is None else np.unique(found.units[rows], return_inverse=True)[1]
    return share_interval(spread(found.scores("accuracy")[:, rows], found.models[:, rows], units))


def vary_alone(lock: Lock) -> bool:
    """Whether no rows belong together, as the intervals of a share of rows have it."""
    settings = lock.params("prepare")
    return settings.get("prepare.group") is None and settings.get("prepare.time") is None


def share_trained_on(data_set: tuple[str, dict[str, Any]]) -> float:
    """Return the share of the rows of a data set, by its name and scores, that was trained on."""
    _, found = data_set
    share: float = found.get("rows_trained_on", 0) / found["rows"]
    return share


def other_answers(name: str, per_class: list[dict[str, Any]], lock: Lock) -> Answers:
    """Return the answers for a data set; while they are read, they take 10 bytes a row."""
    path = paths.PREDICTIONS / f"{name}.csv"
    counted = [one for one in per_class if one["rows"] and vary_alone(lock)]
    # Without their names, pandas would take the classes 01 and 1 for one number.
    classes = pd.CategoricalDtype([one["class"] for one in per_class])
    dtypes = {"row": "int32", "probability": "float32"} | dict.fromkeys(TEXTS, classes)
    given = pd.read_csv(path, usecols=COLUMNS, dtype=dtypes, keep_default_na=False)
    pairs = given.groupby([*TEXTS], observed=True).size().rename("answers").reset_index()
    wrong = given[given["actual"] != given["predicted"]]
    return Answers(
        pairs.astype(TEXTS).sort_values("answers", ascending=False, kind="stable"),
        wrong.nlargest(WRONG_ROWS, "probability"),
        {one["class"]: one for one in per_class},
        {one["class"]: wilson(one["recall"], one["rows"], Z95) for one in counted},
    )


def commit() -> str:
    """Return the commit that is checked out and whether it is what was run; "" if not known."""
    try:
        shown = git("log", "-1", "--no-show-signature", "--abbrev=12", "--format=%h of %cs: %s")
        is_edited = bool(git("status", "--porcelain", "-uno", "--", ".").strip())
        with repo_at(None) as repo:
            is_all_of_run = not any(not_in_commit(repo))
    except UserError as error:
        reason = one_line(str(error)).removeprefix("error: ")
        print(f"no git commit is known: {reason}", file=sys.stderr)
        return ""
    readable = shown.encode(errors="replace").decode().strip()
    if is_edited:
        return f"{readable}; with uncommitted changes"
    return readable + "; what was run is not all in it" * (not is_all_of_run)
