"""report: what was run and how well it did, as one page or as Markdown."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.commands.compare import (
    BETTER_WHEN,
    WORKSPACE,
    cells,
    change_of,
    checked_side,
    how_tested,
    load_side,
    warn_of_changed_params,
)
from classifier.errors import UserError
from classifier.experiments import git
from classifier.files import write_text

if TYPE_CHECKING:
    from classifier.page import Block, Section
    from classifier.plots import Rows
    from classifier.results import Run

EVALUATION, REPORT = "metrics/evaluation.json", Path("report.html")


def report(
    against: Annotated[
        str | None, typer.Option(help="A commit, branch, tag or experiment to compare with.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown, by default to standard output.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; by default report.html.")
    ] = None,
) -> None:
    """Report what was run and how well the model does.

    The page needs no network and no other file. Markdown is for a comment in a pull request; it
    has words where the page has pictures.

    \b
    Examples:
      python -m classifier report
      python -m classifier report --against main --output new.html
      python -m classifier report --against HEAD~1 --markdown | gh pr comment --body-file -
    """
    from dvc.exceptions import DvcException

    from classifier.page import to_html, to_markdown
    from classifier.report import sections
    from classifier.results import commit, load_run

    path = output or (None if markdown else REPORT)
    changes: list[Section] = []
    others: dict[str, dict[str, Rows]] = {}
    try:
        if path:
            refuse_to_replace(path)
        run = load_run()
        warn_of_changed_params(run.stages)
        if against is not None:
            changes, others = [changes_since(against, run)], {against: drawn_of(against)}
    except DvcException as error:
        raise UserError(str(error)) from error
    content = sections(run, commit(), changes, others)
    title = f"{name_of(run)}: report on the classifier"
    text = (to_markdown if markdown else to_html)(title, content)
    if path:
        write(path, text)
    print(path or text)


def refuse_to_replace(path: Path) -> None:
    """Raise `UserError` if git or DVC keeps what a file would replace, or it would have no folder.

    Whatever the path is called: links, and other names of a file, count as the file.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        outs = [Path(out.fs_path) for out in repo.index.outs]
        own = [Path(repo.root_dir, ".dvc"), Path(repo.root_dir, ".git")]
    # The place in a folder, and the one that a link there leads to.
    for place in (Path(os.path.realpath(path.parent), path.name), Path(os.path.realpath(path))):
        if not place.parent.is_dir():
            raise UserError(f"{path}: there is no folder {place.parent}")
        kept = [*outs, *own, *tracked(place.parent)]
        if any(is_same(part, one) for part in (place, *place.parents) for one in kept):
            raise UserError(f"{path}: is kept by git or DVC; choose another file")


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file or folder, which may be there or not."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def tracked(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that git tracks, if it is in a repository."""
    if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        names = git("-C", str(folder), "ls-files", "-z", ".").split("\0")
        yield from (folder / name for name in names if name and "/" not in name)


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all, or into a pipe or a device that is there."""
    if not path.exists() or path.is_file():
        write_text(Path(os.path.realpath(path)), text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except BrokenPipeError as error:
        raise UserError(f"{path}: is not read to its end") from error


def name_of(run: "Run") -> str:
    """Return the label's name, or the table's where the label is known by its position."""
    label = run.schema.label
    return Path(run.params["fetch"]["source"]).stem if label.isdigit() else label


def changes_since(revision: str, run: "Run") -> "Section":
    """Return what has changed since a revision: params, metrics, and whether it is noise.

    Raises:
        UserError, DvcException: there is no such revision.
    """
    from dvc.repo import Repo

    from classifier.page import Section

    if not revision:
        raise UserError("an empty name is no revision")
    try:
        with Repo() as repo:
            params = repo.params.diff(a_rev=revision).get("diff", {}).get("params.yaml", {})
            metrics = repo.metrics.diff(a_rev=revision).get("diff", {}).get(EVALUATION, {})
    except AttributeError as error:  # of git, about a file or a folder
        raise UserError(f"{revision}: is no commit, branch, tag or experiment") from error
    whole = {key: change for key, change in metrics.items() if ".per_class." not in key}
    return Section(
        f"Changes since {revision}",
        [
            difference("Parameters", revision, params),
            difference("Metrics of each data set", revision, whole),
            *verdicts(revision, run),
        ],
    )


def difference(what: str, revision: str, changes: dict[str, Any]) -> "Block":
    """Return a table of what differs; what one side has not is empty."""
    from classifier.page import Table

    if not changes:
        return f"{what}: no difference."
    rows = [
        [key, *("" if change[side] is None else f"{change[side]}" for side in ("old", "new"))]
        for key, change in sorted(changes.items())
    ]
    return Table(f"{what} that differ", ["name", revision, WORKSPACE], rows)


def verdicts(revision: str, run: "Run") -> "list[Block]":
    """Return what `compare` says of the cross-validations, or why it says nothing."""
    from classifier.page import Table

    try:
        before, after = load_side(revision), checked_side(WORKSPACE, run.folds, run.stages)
    except UserError as error:
        return [f"Cross-validations are not compared. {error}."]
    paired = before.split == after.split
    changes = [change_of(metric, before, after, paired) for metric in BETTER_WHEN]
    head, *rows = cells(before, after, changes)
    return [Table("Cross-validated metrics", head, rows), how_tested(before, after, paired)]


def drawn_of(revision: str) -> "dict[str, Rows]":
    """Return the rows to draw of another revision's files; what it has not is left out."""
    import pandas as pd
    from dvc.api import DVCFileSystem

    from classifier.results import FOLDS, HISTORY, drawn

    files, found = DVCFileSystem(rev=revision), {}
    for path in map(str, (HISTORY, FOLDS)):
        with contextlib.suppress(FileNotFoundError, ValueError):
            found[path] = drawn(pd.read_csv(io.StringIO(files.read_text(path))))
    return found
