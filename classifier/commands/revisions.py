"""What git keeps of a revision, and whether the results here are those of the params here."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
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


def warn_of_namesakes(name: str) -> None:
    """Say on standard error which branch or tag has the name that DVC gives to the workspace."""
    for ref in git("for-each-ref", "--format=%(refname)", f"refs/*/{name}").split():
        print(f"{name}: the files as they are; it is also the name of {ref}", file=sys.stderr)


def warn_of_changes(revision: str | None, lock: Lock, *stages: str) -> None:
    """Say on standard error what `changed_since` returns."""
    for changed in changed_since(revision, lock, *stages):
        if revision:
            print(f"{revision}: its results are of another {changed}", file=sys.stderr)
        else:
            print(f"{changed} has changed since; run `dvc repro`", file=sys.stderr)


def changed_since(revision: str | None, lock: Lock, *stages: str) -> list[str]:
    """Return which params and files of a revision the results of the stages are not of.

    revision: None stands for the files as they are; stages: by default all.
    """
    from dvc.dependency import ParamsDependency
    from dvc.repo import Repo

    name = f"{PARAMS} of {revision}" if revision else str(PARAMS)
    made, wanted = lock.outs().keys(), stages or tuple(lock.stages)
    with Repo() as repo, repo.switch(revision) if revision else nullcontext():
        # Before DVC reads them, which says less of what is wrong.
        params = written_params(repo.dvcfs.read_bytes(str(PARAMS)), name)
        changed = lock.changed(params, *stages)
        deps = [dep for stage in repo.index.stages if stage.name in wanted for dep in stage.deps]
        files = {str(dep): dep for dep in deps if not isinstance(dep, ParamsDependency)}
        sources = (
            path for path in files if not any(Path(path).is_relative_to(out) for out in made)
        )
        return changed + [path for path in sources if files[path].status()]
