"""Commands of git, which knows what DVC does not: filters, branches, the index."""

import os
import subprocess
from collections.abc import Mapping

from classifier.base.errors import UserError


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


def of_no_repository() -> dict[str, str]:
    """Return the environment without what ties git to one repository.

    Git sets GIT_DIR and the like for aliases and hooks; commands in a clone would work here.
    """
    local = git("rev-parse", "--local-env-vars").split()
    return {name: value for name, value in os.environ.items() if name not in local}
