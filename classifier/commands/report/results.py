"""The results of the last run, checked and of a bounded size."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from classifier.base.dvc_lock import Lock, read_lock, require_recorded
from classifier.base.errors import UserError, without_secrets
from classifier.base.paths import (
    CONFUSION,
    CROSSVAL,
    ENVIRONMENT,
    EVALUATION,
    FOLDS,
    HISTORY,
    LOCK,
    OUT_OF_FOLD,
    PARAMS,
    PREDICTIONS,
    PREPARED,
    RELIABILITY,
    SCHEMA,
    TRAINING_ROWS,
)
from classifier.base.progress import Progress
from classifier.commands.report.against import Against
from classifier.commands.report.plots import Records, Spec, drawn, dvc_plots, records
from classifier.commands.revisions import git, lines_on_changes
from classifier.findings.finding import Finding, recorded_findings
from classifier.params import Params
from classifier.rows.dataset import open_dataset
from classifier.scoring.intervals import Interval, share_interval, spread, wilson
from classifier.scoring.out_of_fold import read_out_of_fold
from classifier.table.reader import BAR_BYTES
from classifier.table.schema import Schema

TO_EVALUATE = ("fetch", "prepare", "train", "evaluate")
TEXTS = {"actual": str, "predicted": str}
COLUMNS = ["row", *TEXTS, "probability"]
CHUNK_ROWS = 200_000
WRONG_ROWS = 10
MATRIX_CLASSES = 25  # more do not fit into a matrix that can be read
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
        return records(self.pairs) + never


@dataclass(frozen=True)
class Run:
    """All that was recorded of a run; crossval has no metrics where none is of this model.

    left_out: answers of the cross-validation, if any; others: those for each data set that was not
    trained on; outdated: a line for each param or file that is not as it was run.
    """

    schema: Schema
    lock: Lock
    evaluation: dict[str, Any]
    crossval: dict[str, Any]
    history: pd.DataFrame
    folds: pd.DataFrame
    reliability: pd.DataFrame
    environment: dict[str, Any]
    left_out: Answers | None
    others: dict[str, Answers]
    findings: list[Finding]
    outdated: list[str]
    commit: str
    against: Against | None = None

    @cached_property
    def params(self) -> dict[str, dict[str, Any]]:
        """The sections of params.yaml that the stages were run with."""
        params = {
            name: stage.params[str(PARAMS)][name]
            for name, stage in self.lock.stages.items()
            if name in stage.params.get(str(PARAMS), {})
        }
        source = without_secrets(str(params.get("fetch", {}).get("source")))
        return params | {"fetch": params.get("fetch", {}) | {"source": source}}

    @cached_property
    def plots(self) -> dict[str, Spec]:
        """The plots of dvc.yaml, with a revision that it is compared with laid over them."""
        own = {str(HISTORY): drawn(self.history), str(FOLDS): drawn(self.folds)}
        own[str(RELIABILITY)] = records(self.reliability)
        own[str(CONFUSION)] = self.left_out.matrix() if self.left_out else []
        own |= {f"{PREDICTIONS}/{name}.csv": one.matrix() for name, one in self.others.items()}
        others = {self.against.revision: self.against.drawn} if self.against else {}
        return dvc_plots({"workspace": own, **others})


def load_run(against: Against | None = None) -> Run:
    """Return the results of the run that dvc.lock records.

    Raises:
        UserError: a file is missing, damaged or not of that run.
    """
    evaluation, lock = json.loads(require_recorded(EVALUATION).read_bytes()), read_lock()
    lock.require_one_run(str(LOCK), *TO_EVALUATE)
    crossval = json.loads(require_recorded(CROSSVAL).read_bytes())
    schema = Schema.load(SCHEMA)
    require_recorded(PREDICTIONS)
    require_recorded(PREPARED)
    if not lock.crossval_is_of_the_model():
        crossval = {"models": 0}
    run = Run(
        schema=schema,
        lock=lock,
        evaluation=evaluation,
        crossval=crossval,
        history=pd.read_csv(require_recorded(HISTORY)),
        folds=pd.read_csv(require_recorded(FOLDS)),
        reliability=pd.read_csv(require_recorded(RELIABILITY)),
        environment=read_environment(),
        left_out=left_out(crossval, schema.classes) if crossval["models"] else None,
        others={
            name: other_answers(name, found)
            for name, found in evaluation.items()
            if name != "train"
        },
        findings=recorded_findings(),
        outdated=lines_on_changes(None, lock),
        commit=commit(),
        against=against,
    )
    if run.params.keys() != Params.of_stages().keys():
        raise UserError(f"{LOCK}: is damaged; run `dvc repro`")
    return run


def read_environment() -> dict[str, Any]:
    """Return what the last training here ran in, which dvc.lock does not record; {} if unknown."""
    try:
        content: dict[str, Any] = dict(json.loads(ENVIRONMENT.read_bytes()))
        return content
    except FileNotFoundError:
        return {}
    except (TypeError, ValueError) as error:
        raise UserError(f"{ENVIRONMENT}: is damaged; run `dvc repro`") from error


def left_out(crossval: dict[str, Any], classes: list[str]) -> Answers:
    """Return the answers of the cross-validation, with intervals for other rows and other models."""
    found = read_out_of_fold(require_recorded(OUT_OF_FOLD))
    actual = open_dataset(TRAINING_ROWS).labels.argmax(axis=1)
    right, recalls = found.scores("accuracy"), {}
    for place, name in enumerate(classes):
        if (rows := actual == place).sum() > 1:
            recalls[name] = share_interval(spread(right[:, rows], found.models[:, rows]))
    pairs = pd.read_csv(require_recorded(CONFUSION), dtype=TEXTS, keep_default_na=False)
    wrong = [{"row": int(row), **one} for row, one in crossval["confidently_wrong"].items()]
    return Answers(
        pairs.sort_values("answers", ascending=False, kind="stable"),
        pd.DataFrame(wrong, columns=COLUMNS),
        crossval["per_class"],
        recalls,
    )


def other_answers(name: str, scores: dict[str, Any]) -> Answers:
    """Return the answers for a data set, no more than a chunk of them in memory."""
    counts, wrong = [], []
    for chunk in chunks(PREDICTIONS / f"{name}.csv"):
        counts.append(chunk.groupby([*TEXTS], as_index=False).size())
        mistakes = chunk[chunk["actual"] != chunk["predicted"]]
        wrong.append(mistakes.nlargest(WRONG_ROWS, "probability"))
    pairs = pd.concat(counts).groupby([*TEXTS])["size"].sum().reset_index(name="answers")
    per_class = {one["class"]: one for one in scores["per_class"]}
    return Answers(
        pairs.sort_values("answers", ascending=False, kind="stable"),
        pd.concat(wrong).nlargest(WRONG_ROWS, "probability"),
        per_class,
        {
            name: wilson(one["recall"], one["rows"], Z95)
            for name, one in per_class.items()
            if one["rows"]
        },
    )


def chunks(path: Path) -> Iterator[pd.DataFrame]:
    size = path.stat().st_size
    bar = Progress(
        desc=f"report {path.stem}", total=size, unit="B", unit_scale=True, disable=size < BAR_BYTES
    )
    with path.open("rb") as file, bar:
        for chunk in pd.read_csv(
            file, usecols=COLUMNS, dtype=TEXTS, keep_default_na=False, chunksize=CHUNK_ROWS
        ):
            yield chunk
            bar.update(file.tell() - bar.n)


def commit() -> str:
    """Return the commit that is checked out and whether there are changes on top; "" if none."""
    try:
        shown = git("log", "-1", "--no-show-signature", "--abbrev=12", "--format=%h of %cs: %s")
        changed = git("status", "-s", "-uno").strip()
    except UserError:
        return ""
    readable = shown.encode(errors="replace").decode().strip()
    return readable + ("; and changes not committed" if changed else "")
