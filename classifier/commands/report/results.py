"""The results of the last run, checked and of a bounded size."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from psutil import pid_exists

from classifier.base.dvc_lock import Entry, Lock, read_lock, require_recorded
from classifier.base.errors import UserError, require_file, without_secrets
from classifier.base.paths import (
    CONFUSION,
    CROSSVAL,
    ENVIRONMENT,
    EVALUATION,
    FOLDS,
    HISTORY,
    LOCK,
    PARAMS,
    PREDICTIONS,
    PREPARED,
    RELIABILITY,
    SCHEMA,
)
from classifier.base.progress import Progress
from classifier.commands.artifacts.reach import out_of_reach
from classifier.commands.rebuild.digests import digest_of_file
from classifier.commands.revisions import git, lines_on_changes, repo_at
from classifier.findings.finding import Finding, recorded_findings
from classifier.params import Params
from classifier.table.reader import BAR_BYTES
from classifier.table.schema import Schema

TO_EVALUATE = ("fetch", "prepare", "train", "evaluate")
RWLOCK = Path(".dvc/tmp/rwlock")  # who reads and writes what, by DVC
COLUMNS = ["row", "actual", "predicted", "probability"]
CHUNK_ROWS = 200_000
WRONG_ROWS = 10
DRAWN_ROWS = 1_000  # of a curve, or of the folds


@dataclass(frozen=True)
class Predictions:
    """How often each class was taken for which, and the rows most surely taken for a wrong one.

    pairs: actual, predicted, rows, the most frequent first; wrong: row, actual, predicted,
    probability, the most probable first.
    """

    pairs: pd.DataFrame
    wrong: pd.DataFrame

    @property
    def mistakes(self) -> pd.DataFrame:
        return self.pairs[self.pairs.actual != self.pairs.predicted]


@dataclass(frozen=True)
class Run:
    """All that was recorded of a run; crossval has no metrics where none is of this model.

    outdated: a line for each param or file that is not as it was run; files: path, SHA-256, md5 and
    bytes of each artifact.
    """

    schema: Schema
    lock: Lock
    evaluation: dict[str, Any]
    crossval: dict[str, Any]
    history: pd.DataFrame
    folds: pd.DataFrame
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    environment: dict[str, Any]
    predictions: dict[str, Predictions]
    findings: list[Finding]
    outdated: list[str]
    files: list[list[str]]

    @property
    def params(self) -> dict[str, dict[str, Any]]:
        """The sections of params.yaml that the stages were run with."""
        params = {
            name: stage.params[str(PARAMS)][name]
            for name, stage in self.lock.stages.items()
            if name in stage.params.get(str(PARAMS), {})
        }
        source = without_secrets(str(params.get("fetch", {}).get("source")))
        return params | {"fetch": params.get("fetch", {}) | {"source": source}}


def load_run() -> Run:
    """Return the results of the run that dvc.lock records, and say if another is under way.

    Raises:
        UserError: a file is missing, damaged or not of that run.
    """
    another = run_under_way()
    try:
        run = recorded_run()
    except UserError as error:
        if another:
            raise UserError(f"{another}; try again when it has ended ({error})") from error
        raise
    if another:
        run.outdated.insert(0, f"{another}; this is of the run before it")
    return run


def run_under_way() -> str:
    """Say which process writes artifacts at this moment, as DVC has it, or "" if none does.

    DVC notes no host, and what it noted of a process that was killed stays.
    """
    try:
        noted = json.loads(RWLOCK.read_bytes())["write"].values()
        process = next(one for one in noted if one)
        program, *arguments = process["cmd"].split(" ")
        pid, command = process["pid"], " ".join([Path(program).name, *arguments])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return ""
    where = "here" if pid_exists(pid) else "on another machine, or was killed"
    return f"`{command}` is at work {where} (process {pid})"


def recorded_run() -> Run:
    """Return what `load_run` does, whatever else is under way."""
    evaluation, lock = read_json(require_recorded(EVALUATION)), read_lock()
    lock.require_one_run(str(LOCK), *TO_EVALUATE)
    crossval = read_json(require_recorded(CROSSVAL))
    schema = Schema.load(SCHEMA)
    run = Run(
        schema=schema,
        lock=lock,
        evaluation=evaluation,
        crossval=crossval if lock.crossval_is_of_the_model() else {"models": 0},
        history=read_csv(require_recorded(HISTORY)),
        folds=read_csv(require_recorded(FOLDS)),
        confusion=read_csv(require_recorded(CONFUSION), texts=("actual", "predicted")),
        reliability=read_csv(require_recorded(RELIABILITY)),
        findings=recorded_findings(),
        environment=read_json(ENVIRONMENT) if ENVIRONMENT.exists() else {},
        predictions={
            name: predictions_of(PREDICTIONS / f"{name}.csv", found["rows"])
            for name, found in evaluation.items()
        },
        outdated=lines_on_changes(None, lock),
        files=[row for out in lock.outs().values() for row in rows_of(out)],
    )
    if run.params.keys() != Params.of_stages().keys():
        raise damaged(LOCK)
    require_recorded(PREDICTIONS)
    require_recorded(PREPARED)
    return run


def rows_of(out: Entry) -> Iterator[list[str]]:
    """Yield the row of an artifact, and those of the files in it if it is a folder."""
    root = Path(out.path)
    if root.is_dir():
        yield [f"{root}/", "", out.md5, f"{out.size or 0:,}"]
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if digest := digest_of_file(path):
            yield [str(path), digest.sha256, digest.md5, f"{path.stat().st_size:,}"]


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise damaged(path) from error
    if not isinstance(content, dict):
        raise damaged(path)
    return content


def read_csv(path: Path, texts: Sequence[str] = ()) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=not texts)
    except ValueError as error:
        raise damaged(path) from error


def damaged(path: Path) -> UserError:
    return UserError(f"{path}: is damaged; run `dvc repro`")


def predictions_of(path: Path, rows: int) -> Predictions:
    """Return what evaluate wrote of a data set with this number of rows.

    Raises:
        UserError: the file is missing, damaged or of another run.
    """
    require_file(path, "run `dvc repro`, or `classifier pull`, first")
    try:
        found = read_predictions(path)
        fits = found.pairs["rows"].sum() == rows and found.wrong["row"].between(1, rows).all()
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise damaged(path) from error
    if not fits:
        raise UserError(f"{path}: is not of the run that dvc.lock names; run `dvc repro`")
    return found


def read_predictions(path: Path) -> Predictions:
    """Return what is needed of a file of predictions, no more than a chunk of it in memory."""
    counts, wrong = [], []
    for chunk in chunks(path):
        counts.append(chunk.groupby(["actual", "predicted"], as_index=False).size())
        mistakes = chunk[chunk["actual"] != chunk["predicted"]]
        wrong.append(mistakes.nlargest(WRONG_ROWS, "probability"))
    pairs = (
        pd.concat(counts).groupby(["actual", "predicted"])["size"].sum().reset_index(name="rows")
    )
    return Predictions(
        pairs.sort_values("rows", ascending=False, kind="stable"),
        pd.concat(wrong).nlargest(WRONG_ROWS, "probability"),
    )


def chunks(path: Path) -> Iterator[pd.DataFrame]:
    classes = {"actual": str, "predicted": str}
    size = path.stat().st_size
    bar = Progress(
        desc=f"report {path.stem}", total=size, unit="B", unit_scale=True, disable=size < BAR_BYTES
    )
    with path.open("rb") as file, bar:
        for chunk in pd.read_csv(
            file, usecols=COLUMNS, dtype=classes, keep_default_na=False, chunksize=CHUNK_ROWS
        ):
            yield chunk
            bar.update(file.tell() - bar.n)


def drawn(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table to draw: all, or as many evenly spaced ones as can be seen."""
    step = max(1, -(-len(table) // DRAWN_ROWS))
    return records(table.iloc[::step])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def commit() -> str:
    """Return the commit that is checked out and whether there are changes on top; "" if none.

    A table or a test set that was read and git does not have is a change.
    """
    try:
        shown = git("log", "-1", "--no-show-signature", "--abbrev=12", "--format=%h of %cs: %s")
        with repo_at(None) as repo:
            changed = git("status", "-s", "-uno").strip() or [*out_of_reach(repo)]
    except UserError:
        return ""
    readable = shown.encode(errors="replace").decode().strip()
    return readable + ("; and changes not committed" if changed else "")
