"""rebuild: whether what is shared is what the commit makes, so that anyone can check it."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.base.dvc_lock import read_lock
from classifier.base.errors import UserError, one_line
from classifier.base.paths import ENVIRONMENT, KERAS_MODEL, LOCK, PIPELINE
from classifier.commands.artifacts.verify import Name, could_not_look

if TYPE_CHECKING:
    from classifier.commands.rebuild.digests import Row

SHORT = 16  # hexadecimal digits of a digest in the table; lines below it have all 64


def rebuild(
    commit: Annotated[str, typer.Argument(help="A commit, branch or tag.")] = "HEAD",
    attest: Annotated[
        Path | None,
        typer.Option("--attest", help="Write an in-toto statement if everything is the same."),
    ] = None,
    name: Name = None,
    same_environment: Annotated[
        bool,
        typer.Option(
            "--same-environment", help="Install nothing: use this one, if of the same lock."
        ),
    ] = False,
) -> None:
    """Make everything again from a commit, and compare it with what the commit and the remote hold.

    It makes a fresh clone in a temporary folder, installs the packages of its lock and runs every
    stage, taking nothing from a cache. Uncommitted edits do not count. It runs the commit's code:
    rebuild only what you trust that far.

    Each artifact is compared by SHA-256, and so is dvc.lock. What the remote lacks is taken from
    the cache. The first difference is printed, and what differs between the environments.

    The exit code is 0 if everything is the same, 1 if something is not or a stage has failed, 2 if
    it could not be checked.

    \b
    Examples:
      classifier rebuild
      classifier rebuild HEAD~1 --attest rebuilt.json
    """
    with could_not_look():
        from classifier.commands.destination import refuse_to_replace
        from classifier.commands.rebuild.clone import (
            commit_of,
            fresh_clone,
            run_stages,
            set_up,
            stages_in_order,
        )
        from classifier.commands.rebuild.statement import write_statement
        from classifier.commands.revisions import warn_of_namesakes
        from classifier.commands.termination import interrupted_by_sigterm

        if attest:
            refuse_to_replace(attest)
        sha = commit_of(commit)
        warn_of_namesakes(commit)
        with interrupted_by_sigterm(), TemporaryDirectory(prefix="rebuild-") as folder:
            clone = fresh_clone(sha, Path(folder) / "clone")
            set_up(clone, same_environment)
            before, lock = environment_of(clone), (clone / LOCK).read_bytes()
            stages = stages_in_order(clone)
            expected, where = look(clone, name)
            try:
                run_stages(clone, stages)
            except UserError as error:
                print(one_line(str(error)))
                raise typer.Exit(1) from error
            rows = compare(clone, expected, lock)
            after = environment_of(clone)
            same = all(row.same for row in rows)
            if attest and same:
                write_statement(attest, sha, rows, clone, after)
    print(table(rows))
    for line in summary(rows, where, before, after):
        print(line)
    if attest and not same:
        print(f"{attest}: not written")
    raise typer.Exit(0 if same else 1)


def look(clone: Path, name: str | None) -> "tuple[list[Row], str]":
    """Return what is expected of each artifact, and where that is from; bring tables of DVC's."""
    from dvc.repo import Repo

    from classifier.commands.artifacts.integrity import cache_of, filled_remote_of
    from classifier.commands.rebuild.clone import bring_tables, opened_clone
    from classifier.commands.rebuild.digests import expected_rows

    with Repo() as here, opened_clone(clone) as there:
        places, why = [cache_of(here)], ""
        try:
            places.insert(0, filled_remote_of(here, name))
        except UserError as error:
            why = f" ({str(error).partition(';')[0]})"
        bring_tables(there, places)
        where = " and ".join(place.name for place in places)
        return expected_rows(there, places), f"the commit, {where}{why}"


def compare(clone: Path, expected: "list[Row]", lock: bytes) -> "list[Row]":
    """Return all rows, after the stages have run."""
    from classifier.base.dvc_lock import parse_lock
    from classifier.commands.rebuild.clone import opened_clone
    from classifier.commands.rebuild.digests import rebuilt_rows, row_of_lock

    of_commit = parse_lock(lock, f"{LOCK} of the commit", (clone / PIPELINE).read_bytes())
    with opened_clone(clone) as there:
        rows = rebuilt_rows(there, expected, of_commit)
        return [*rows, row_of_lock(lock, clone)]


def environment_of(clone: Path) -> Any:
    """Return where the model was made, if that is known: it may have come from DVC's run cache."""
    with suppress(OSError, ValueError, KeyError, UserError):
        found = json.loads((clone / ENVIRONMENT).read_bytes())
        model = read_lock(clone / LOCK).outs().get(str(KERAS_MODEL))
        return found if model is None or found["model"] == model.md5 else {}
    return {}


def table(rows: "list[Row]") -> str:
    from tabulate import tabulate

    cells = [
        [
            row.path,
            row.expected.sha256[:SHORT] if row.expected else "not available",
            row.rebuilt.sha256[:SHORT] if row.rebuilt else "not made",
            "yes" if row.same else "no" if row.differs else "by md5",
        ]
        for row in rows
    ]
    head = ["artifact", "expected", "rebuilt", "same"]
    return str(tabulate(cells, head, disable_numparse=True))


def summary(rows: "list[Row]", where: str, before: Any, after: Any) -> Iterator[str]:
    """Yield how many are the same; else the first difference, and those of the environments."""
    same = sum(row.same for row in rows)
    yield f"{same} of {len(rows)} are the same by SHA-256; compared with {where}"
    if wrong := [row for row in rows if row.differs]:
        yield first_difference(wrong[0])
        yield from environment_lines(before, after)
    elif same < len(rows):
        yield "the others match dvc.lock by md5; run `classifier pull` to compare their bytes"


def first_difference(row: "Row") -> str:
    """Say of an artifact what is different, with all digests in full."""
    wanted, made = row.expected, row.rebuilt
    line = f"first difference: {row.path}, of {row.stage}: "
    line += f"expected SHA-256 {wanted.sha256}, md5 {wanted.md5}; " if wanted else ""
    line += f"rebuilt SHA-256 {made.sha256}, md5 {made.md5}" if made else "not made"
    if wanted and wanted.md5 != row.named:
        line += f"; dvc.lock names md5 {row.named}: `classifier verify --remote` finds the damage"
    elif not wanted:
        line += f"; dvc.lock names {f'md5 {row.named}' if row.named else 'no such file'}"
    return line


def environment_lines(before: Any, after: Any) -> Iterator[str]:
    """Yield what differs between the environment of the commit's results and that of the new."""
    if not before:
        yield f"where the commit's model was made is not known: {ENVIRONMENT} does not say"
        return
    old, new = ({k: v for k, v in leaves(each) if k != "model"} for each in (before, after))
    for key in [key for key in {**old, **new} if old.get(key) != new.get(key)]:
        yield f"environment: {key}: {old.get(key)} there, {new.get(key)} here"
    if old == new:
        yield "the environments are the same, according to metrics/environment.json"


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dicts, each with its keys: `packages.numpy`."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{key}.{name}" if key else name)
    else:
        yield key, value
