"""What has changed since another revision: params, metrics, and whether that is noise."""

import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.repo import Repo

from classifier.base.dvc_lock import parse_lock
from classifier.base.errors import UserError
from classifier.base.files import md5_of_bytes
from classifier.base.paths import EVALUATION, FOLDS, HISTORY, LOCK, OUT_OF_FOLD, PARAMS
from classifier.commands.compare import WORKSPACE, Change, change_of, how_tested, side_of
from classifier.commands.report.plots import Records, drawn
from classifier.commands.revisions import files_at, lines_on_changes, repo_at
from classifier.scoring.scores import METRICS

Differences = dict[str, dict[str, Any]]  # by name: what is old, what is new


@dataclass(frozen=True)
class Against:
    """A revision that a run is compared with.

    outdated: a line for each param or file that its own results are not of; drawn: the rows to
    draw of each file; changes: of the cross-validated metrics, if both sides have them; how: how
    these were tested, or why not.
    """

    revision: str
    outdated: list[str]
    params: Differences
    metrics: Differences
    drawn: dict[str, Records]
    how: str
    changes: list[Change] = field(default_factory=list)


def compared_with(revision: str) -> Against:
    """Return what has changed since a revision.

    Raises:
        UserError: there is no such revision, or its results are not those that its dvc.lock names.
    """
    files = results_of(revision)
    outdated = []
    if LOCK in files:
        outdated = lines_on_changes(revision, parse_lock(files[LOCK], f"{revision}: {LOCK}"))
    with repo_at(None) as repo:
        params, metrics = differences(repo, "params", revision), differences(repo, "metrics", revision)
    return Against(revision, outdated, params, metrics, drawn_of(files), **tested(revision, files))


def results_of(revision: str) -> dict[Path, bytes]:
    """Return the files of a revision's results."""
    if not revision:
        raise UserError("an empty name is not a revision")
    files = files_at(revision, LOCK, EVALUATION, HISTORY, FOLDS, OUT_OF_FOLD)
    if LOCK in files:
        lock = parse_lock(files[LOCK], f"{revision}: {LOCK}")
        for path in (EVALUATION, HISTORY):
            recorded = lock.outs().get(str(path))
            if path in files and recorded and md5_of_bytes(files[path]) != recorded.md5:
                raise UserError(f"{revision}: {path}: is not of its {LOCK}; run `dvc repro` there")
    return files


def differences(repo: Repo, what: str, since: str) -> Differences:
    """Return what differs in params or metrics, as DVC says; raise `UserError` if one is broken."""
    path = {"params": PARAMS, "metrics": EVALUATION}[what]
    found = getattr(repo, what).diff(a_rev=since)
    for revision, errors in found.get("errors", {}).items():
        error = errors.get(str(path)) if isinstance(errors, dict) else errors
        if error and not isinstance(error, FileNotFoundError):
            raise UserError(f"{revision}: {path}: {error}")
    changes: Differences = found.get("diff", {}).get(str(path), {})
    return dict(sorted(changes.items()))


def tested(revision: str, files: dict[Path, bytes]) -> dict[str, Any]:
    """Return what `compare` says of the cross-validations, or why it says nothing."""
    try:
        before = side_of(revision, files)
        after = side_of(WORKSPACE, {path: path.read_bytes() for path in (OUT_OF_FOLD, LOCK)})
    except UserError as error:
        return {"how": f"Cross-validations are not compared. {error}."}
    changes = [change_of(metric, before, after) for metric in METRICS]
    return {"how": how_tested(before, after), "changes": changes}


def drawn_of(files: dict[Path, bytes]) -> dict[str, Records]:
    """Return the rows to draw of another revision's files; what it has not is left out."""
    found = {}
    for path in (HISTORY, FOLDS):
        with contextlib.suppress(KeyError, ValueError):
            found[str(path)] = drawn(pd.read_csv(io.BytesIO(files[path])))
    return found
