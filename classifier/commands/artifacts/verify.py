"""verify: whether all artifacts match dvc.lock, and repairs of those that do not."""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.base.errors import NO_DATABASE, UserError, one_line

if TYPE_CHECKING:
    from classifier.commands.artifacts.repair import Verified


def require_name(name: str | None) -> str | None:
    """Return the name; raise `typer.BadParameter` of an empty one, as an unset variable has."""
    if name == "":
        raise typer.BadParameter("an empty name is not that of a remote")
    return name


Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        help="The remote's name, if it is not the default one.",
        callback=require_name,
    ),
]


def verify(
    remote: Annotated[bool, typer.Option("--remote", help="Read the remote too.")] = False,
    name: Name = None,
    with_repair: Annotated[
        bool, typer.Option("--repair", help="Restore what does not match dvc.lock.")
    ] = False,
    statement: Annotated[
        Path | None,
        typer.Option(help="What `rebuild --attest` wrote, to compare with by SHA-256."),
    ] = None,
) -> None:
    """Read all artifacts and say which do not match dvc.lock.

    Reads every byte of the workspace, the cache and, if asked to, the remote; DVC relies on times
    and names. Each file that is missing, damaged or changed is a line; the last line counts them.

    --repair takes a good copy from another place or from git. If none is left, it prints the
    command that makes the file again. What it replaces in the workspace is kept in .dvc/tmp.

    --statement compares by SHA-256, while dvc.lock has only md5: see docs/registry.md.

    A file that a commit puts outside its own folder is refused: nothing is written there.

    The exit code is 0 if all is well, also after a repair, 1 if something is not, 2 if it could not
    be checked.

    \b
    Examples:
      classifier verify
      classifier verify --remote
      classifier verify --repair --name backup
    """
    with could_not_look():
        from classifier.commands.artifacts.integrity import (
            cache_of,
            filled_remote_of,
            opened,
            survey,
            workspace_of,
        )
        from classifier.commands.artifacts.repair import Verified, repair
        from classifier.commands.rebuild.statement import differences

        with opened() as repo:
            places = [cache_of(repo), workspace_of(repo)]
            if remote or name:
                places.append(filled_remote_of(repo, name))
            seen = survey(repo.index.outs, places)
            outcome = Verified(seen.files, seen.findings, seen.findings)
            if with_repair:
                outcome = repair(repo, seen, places)
        others = differences(statement) if statement else []
    for line in [*lines(outcome, with_repair), *others]:
        print(line)
    print(f"{len(outcome.files)} files: {count(outcome)}")
    if statement and not others:
        print(f"{statement}: all artifacts that it names match by SHA-256")
    raise typer.Exit(1 if outcome.left or others else 0)


def lines(outcome: "Verified", with_repair: bool = False) -> Iterator[str]:
    """Yield a line for each file with all that is wrong with it."""
    wrong: dict[str, list[str]] = {}
    for file, place, what in outcome.found:
        wrong.setdefault(file.path, []).append(f"{what} ({place.name})")
    left = {finding.file.path for finding in outcome.left}
    for path, problems in wrong.items():
        name = path if path.isprintable() else repr(path)
        ending = (": not repaired" if path in left else ": repaired") if with_repair else ""
        yield f"{name}: {', '.join(problems)}{ending}"
    if outcome.aside:
        yield f"what was replaced is kept in {outcome.aside}"
    if outcome.remake:
        yield outcome.remake


def count(outcome: "Verified") -> str:
    """Say in words how many files were wrong, and how many of those are not."""
    found, left = (
        {finding.file.path for finding in side} for side in (outcome.found, outcome.left)
    )
    if not found:
        return "all match dvc.lock"
    repaired = f", {len(found - left)} repaired" if found - left else ""
    return f"{len(found)} missing, damaged or changed{repaired}"


@contextmanager
def could_not_look() -> Iterator[None]:
    """End with one line and exit code 2 where it cannot be known whether something is wrong."""
    from dvc.logger import setup

    if not logging.getLogger("dvc").handlers:
        setup(logging.WARNING)  # what DVC reports is one line, too
    try:
        yield
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        os._exit(130)  # else Python waits for threads that wait for a server
    except (UserError, OSError, sqlite3.DatabaseError) as error:
        place = f"{NO_DATABASE}: " if isinstance(error, sqlite3.DatabaseError) else ""
        print(one_line(f"{place}{error}"), file=sys.stderr)
        raise typer.Exit(2) from error
