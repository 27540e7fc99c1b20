"""Commands of git, which knows what DVC does not: filters, branches, the index."""

import os
import re
import subprocess
from collections.abc import Mapping

from classifier.base.errors import UserError

PROMISOR = re.compile(r"remote\.(.*)\.promisor")  # a remote that has what a partial clone lacks


def git(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what git has written; raise `UserError` with its last words if it fails."""
    return bytes_of_git(*arguments, environment=environment).decode("utf-8", "surrogateescape")


def bytes_of_git(*arguments: str, environment: Mapping[str, str] | None = None) -> bytes:
    """Return what git has written; raise `UserError` with its last words if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, env=environment)
    if done.returncode:
        words = done.stderr.decode("utf-8", "surrogateescape").strip()
        raise UserError(f"git {arguments[0]}: {words or done.returncode}")
    return done.stdout


def paths_of_git(command: str, *arguments: str) -> list[str]:
    """Return the paths that a command of git lists."""
    return list(filter(None, git(command, "-z", *arguments).split("\0")))


def fetch_objects(commit: str) -> None:
    """Have a partial clone get the files of a commit: only git itself fetches them as it reads."""
    settings = git("config", "--list", "--name-only").splitlines()
    quiet = ["--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"]
    for setting in filter(PROMISOR.fullmatch, settings):
        before: list[str] = []
        while (missing := missing_objects(commit)) not in ([], before):  # folders, then their files
            git("fetch", *quiet, PROMISOR.sub(r"\1", setting), *missing)
            before = missing


def missing_objects(commit: str) -> list[str]:
    """Return what a partial clone lacks of the files of a commit, as far as it can know."""
    found = git("rev-list", "--objects", "--no-walk", "--missing=print", commit).splitlines()
    return [line[1:] for line in found if line.startswith("?")]


def of_no_repository() -> dict[str, str]:
    """Return the environment without what ties git to one repository.

    Git sets GIT_DIR and the like for aliases and hooks; commands in a clone would work here.
    """
    local = git("rev-parse", "--local-env-vars").split()
    return {name: value for name, value in os.environ.items() if name not in local}
