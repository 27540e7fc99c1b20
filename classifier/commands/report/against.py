"""What has changed since another revision: params, metrics, and whether that is noise."""

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from classifier.base.dvc_lock import Lock, parse_lock
from classifier.base.errors import UserError, without_secrets
from classifier.base.files import md5_of_bytes
from classifier.base.paths import EVALUATION, FOLDS, HISTORY, LOCK, PIPELINE, RELIABILITY
from classifier.commands.compare import (
    READ_OF_SIDE,
    WORKSPACE,
    Change,
    caveats,
    change_of,
    how_tested,
    side_of,
)
from classifier.commands.report.plots import Records, drawn
from classifier.commands.revisions import files_at, lines_on_changes, warn_of_namesakes
from classifier.scoring.scores import METRICS

DRAWN = (HISTORY, FOLDS, RELIABILITY)


@dataclass(frozen=True)
class Against:
    """A revision that a run is compared with.

    outdated: a line for each param or file that its own results are not of; differences: name, old
    and new of what differs; changes: of the cross-validated metrics, if both sides have them; how:
    how these were tested, or why not; caveats: why they may be of different tasks; drawn: the rows
    to draw of each file.
    """

    revision: str
    outdated: list[str]
    differences: list[list[str]]
    changes: list[Change]
    how: str
    caveats: list[str]
    drawn: dict[str, Records]


def compared_with(revision: str, lock: Lock, evaluation: dict[str, Any]) -> Against:
    """Return what has changed since a revision, to a run with this lock and evaluation.

    Raises:
        UserError: there is no such revision, or its results are not those that its dvc.lock names.
    """
    if revision == WORKSPACE:
        raise UserError(f"{revision}: means the files as they are now, which the report is of")
    warn_of_namesakes(revision)
    files = files_at(revision, *READ_OF_SIDE, EVALUATION, *DRAWN)
    if LOCK not in files:
        raise UserError(f"{revision}: has no {LOCK}; `dvc repro` writes it")
    before = parse_lock(files[LOCK], f"{revision}: {LOCK}", files.get(PIPELINE))
    for path in (path for path in files if path not in (LOCK, PIPELINE)):
        recorded = before.outs().get(str(path))
        if recorded is None or md5_of_bytes(files[path]) != recorded.md5:
            raise UserError(f"{revision}: {path}: does not match its {LOCK}; run `dvc repro` there")
    outdated = lines_on_changes(revision, before)
    old_metrics = metrics(json.loads(files.get(EVALUATION, b"{}")))
    old = before.params() | before.tables() | before.code() | old_metrics
    new = lock.params() | lock.tables() | lock.code() | metrics(evaluation)
    records = {
        str(path): drawn(pd.read_csv(BytesIO(files[path]))) for path in DRAWN if path in files
    }
    return Against(revision, outdated, differences(old, new), *tested(revision, files), records)


def metrics(evaluation: dict[str, Any]) -> dict[str, float]:
    """Return the metrics on rows that were not trained on, as `test.accuracy`."""
    others = {name: found for name, found in evaluation.items() if name != "train"}
    return {f"{name}.{key}": found[key] for name, found in others.items() for key in METRICS}


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[list[str]]:
    """Return name, old and new of what differs; what one side does not have is empty."""
    names = (name for name in sorted({*old, *new}) if old.get(name) != new.get(name))
    return [[name, cell(old.get(name)), cell(new.get(name))] for name in names]


def cell(value: Any) -> str:
    return "" if value is None else without_secrets(str(value))


def tested(revision: str, files: dict[Path, bytes]) -> tuple[list[Change], str, list[str]]:
    """Return what `compare` says of the cross-validations, or why it says nothing."""
    try:
        before = side_of(revision, files)
        after = side_of(WORKSPACE, files_at(None, *READ_OF_SIDE))
    except UserError as error:
        return [], f"The cross-validations cannot be compared: {error}.", []
    changes = [change_of(metric, before, after) for metric in METRICS]
    return changes, "\n".join(how_tested(before, after)), [*caveats(before, after)]
