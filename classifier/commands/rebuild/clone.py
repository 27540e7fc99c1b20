"""A fresh clone of a commit, with the packages of its own lock, in which every stage is run."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from networkx import topological_sort

from classifier.base.errors import UserError
from classifier.commands.artifacts.integrity import (
    Place,
    cache_of,
    loaded,
    recorded_files,
    require_usable,
)
from classifier.commands.artifacts.transfer import check_out, fetch
from classifier.commands.git import fetch_objects, git, of_no_repository
from classifier.commands.revisions import pipeline_of, stages_elsewhere

# Settings of this shell that would be others elsewhere.
OURS = ("DVC_", "GIT_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV")
STDERR = 2
NO_SHARED_CACHE = "[cache]\n    dir = cache\n"  # whatever the commit or this machine has set


def commit_of(revision: str) -> str:
    """Return the hash of a commit; raise `UserError` if there is none of that name."""
    try:
        return git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
    except UserError as error:
        raise UserError(f"{revision}: is not a commit, branch or tag") from error


def fresh_clone(commit: str, folder: Path) -> Path:
    """Return the project's top folder in a new clone of the commit."""
    top, prefix = git("rev-parse", "--show-toplevel").strip(), git("rev-parse", "--show-prefix")
    quiet = ["-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"]
    there = of_no_repository()
    fetch_objects(commit)
    git(*quiet, "clone", "--quiet", "--no-checkout", top, str(folder), environment=there)
    git("-C", str(folder), *quiet, "checkout", "--quiet", "--detach", commit, environment=there)
    clone = folder / prefix.strip()
    (clone / ".dvc/config.local").write_text(NO_SHARED_CACHE)
    return clone


@contextmanager
def opened_clone(clone: Path) -> Iterator[Repo]:
    """Yield DVC's repository of the clone; raise `UserError` if the commit has none that is usable.

    Only once its environment is set up: until then DVC's site cache is where everybody can write.
    """
    try:
        with Repo(str(clone)) as repo:
            for out in loaded(repo).outs:
                require_usable(out)
            yield repo
    except DvcException as error:
        raise UserError(str(error)) from error


def set_up(clone: Path, same_environment: bool) -> None:
    """Install the packages of the clone's lock, or link this environment if it is of that lock."""
    if same_environment:
        (clone / ".venv").symlink_to(sys.prefix)
    python = os.path.realpath(sys.executable)
    run(["make", "environment", f"PYTHON={python}"], clone, "its packages cannot be installed")


def bring_tables(there: Repo, places: list[Place]) -> None:
    """Put what `dvc add` or `dvc import-url` tracks into the clone: no stage makes it."""
    outs = [out for out in there.index.outs if not out.stage.cmd]
    files, left = recorded_files(outs, places)
    for place in places if outs else ():
        left = fetch(files, cache_of(there), lambda place=place: place)  # type: ignore[misc]
    for file, place, problem in left:
        raise UserError(f"{file.path}: {problem} ({place.name}); `classifier pull` may get it")
    for out in outs:
        check_out(out, [file for file in files if file.out is out])


def stages_in_order(clone: Path) -> list[str]:
    """Return the addresses of the stages that the results are of, each behind those it needs.

    Without those of DVC itself: of an import, it would record what is at its source by now.

    Raises:
        UserError: one is frozen, so that DVC would not run it.
    """
    with opened_clone(clone) as there:
        wanted = {*pipeline_of(there), *stages_elsewhere(there)}
        stages = [stage for stage in topological_sort(there.index.graph) if stage in wanted]
    addresses = {f"{stage.path_in_repo}:{stage.name}": stage.frozen for stage in reversed(stages)}
    for address, is_frozen in addresses.items():
        if is_frozen:
            raise UserError(f"{address}: is frozen, so it would not run; `dvc unfreeze {address}`")
    return [*addresses]


def run_stages(clone: Path, stages: list[str]) -> None:
    """Run these stages, none from a cache."""
    command = ["dvc", "repro", "--force", "--no-run-cache", "--single-item", *stages]
    run(command, clone, "a stage has failed")


def run(command: list[str], clone: Path, otherwise: str) -> None:
    """Run a command in the clone, with what it writes on standard error; raise `UserError`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    environment["PATH"] = f"{clone}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=STDERR,
        start_new_session=True,
    )
    try:
        code = process.wait()
    except BaseException:  # Ctrl-C: what the command has started has to end, too
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code:
        raise UserError(f"{otherwise}: `{shlex.join(command[:2])}` in a fresh clone")
