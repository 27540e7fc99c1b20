"""What git keeps of a revision, and whether the results here are those of the params here."""

import json
import subprocess
import sys
from typing import Any

from classifier.base.errors import UserError
from classifier.base.paths import CROSSVAL, EVALUATION, PARAMS
from classifier.dvc_lock import Lock, flat
from classifier.params import written_params


def git(*arguments: str) -> str:
    """Return what git has written; raise `UserError` with its last words if it fails."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, encoding="utf-8", errors="surrogateescape"
    )
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def params_of(commit: str) -> dict[str, Any]:
    """Return all params of a commit, as `section.key`; raise `UserError` if they are not valid."""
    text = git("show", f"{commit}:{PARAMS}")
    return written_params(text, f"{PARAMS} of the commit {commit[:7]}")


def metrics_of(revision: str) -> dict[str, float]:
    """Return the numbers in a revision's metrics files, as `crossval.accuracy.mean`."""
    listed = git("ls-tree", "--name-only", revision, "metrics/").split()
    return dict(
        leaf
        for path in (CROSSVAL, EVALUATION)
        if str(path) in listed
        for leaf in flat(path.stem, _json_of(revision, str(path)))
    )


def _json_of(revision: str, path: str) -> Any:
    try:
        return json.loads(git("show", f"{revision}:{path}"))
    except ValueError as error:
        raise UserError(f"{path} of {revision}: is damaged") from error


def warn_of_changed_params(lock: Lock, *stages: str) -> None:
    """Say on standard error which params the results of the stages, by default all, do not have."""
    for key in lock.changed(written_params(PARAMS.read_bytes(), str(PARAMS)), *stages):
        print(f"{PARAMS}: {key} has changed since; run `dvc repro`", file=sys.stderr)
