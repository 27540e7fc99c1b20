"""report: what was run and how well it did, as one page or as Markdown."""

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.base.errors import UserError
from classifier.base.paths import EVALUATION, FOLDS, HISTORY, LOCK, PARAMS
from classifier.commands.compare import (
    WORKSPACE,
    cells,
    change_of,
    has_md5,
    how_tested,
    read_side,
    side_of,
)
from classifier.scoring.scores import METRICS

if TYPE_CHECKING:
    from classifier.commands.report.page import Block, Section
    from classifier.commands.report.plots import Records
    from classifier.commands.report.results import Run

REPORT = Path("report.html")


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
      classifier report
      classifier report --against main --output new.html
      classifier report --against HEAD~1 --markdown | gh pr comment --body-file -
    """
    from dvc.exceptions import DvcException

    from classifier.commands.report.destination import refuse_to_replace, write_to
    from classifier.commands.report.page import to_html, to_markdown
    from classifier.commands.report.results import commit, load_run
    from classifier.commands.report.sections import sections
    from classifier.commands.revisions import warn_of_changes

    path = output or (None if markdown else REPORT)
    changes: list[Section] = []
    others: dict[str, dict[str, Records]] = {}
    try:
        run = load_run()
        warn_of_changes(None, run.lock)
        if path:
            refuse_to_replace(path)
        if against is not None:
            require_own_results(against)
            changes, others = [changes_since(against, run)], {against: drawn_of(against)}
    except DvcException as error:
        raise UserError(str(error)) from error
    content = sections(run, commit(), changes, others)
    title = f"{name_of(run)}: report on the classifier"
    text = (to_markdown if markdown else to_html)(title, content)
    if path:
        write_to(path, text)
    print(path or text)


def name_of(run: "Run") -> str:
    """Return the label's name, or the table's where the label is known by its position."""
    label = run.schema.label
    return Path(run.params["fetch"]["source"]).stem if label.isdigit() else label


def require_own_results(revision: str) -> None:
    """Say on standard error of which other params or files a revision's results are.

    Raises:
        UserError: they are not those that its dvc.lock names.
    """
    from dvc.api import DVCFileSystem

    from classifier.commands.revisions import warn_of_changes
    from classifier.dvc_lock import parse_lock

    if not revision:
        raise UserError("an empty name is not a revision")
    with contextlib.suppress(FileNotFoundError, AttributeError):  # which what follows tells
        files = DVCFileSystem(rev=revision)
        lock = parse_lock(files.read_text(str(LOCK)), f"{revision}: {LOCK}")
        for path in map(str, (EVALUATION, HISTORY)):
            content, outs = files.read_bytes(path), lock.outs()
            if path in outs and not has_md5(content, outs[path].md5):
                raise UserError(f"{revision}: {path}: is not of its {LOCK}; run `dvc repro` there")
        warn_of_changes(revision, lock)


def changes_since(revision: str, run: "Run") -> "Section":
    """Return what has changed since a revision: params, metrics, and whether it is noise.

    Raises:
        UserError, DvcException: there is no such revision.
    """
    from dvc.repo import Repo

    from classifier.commands.report.page import Section

    try:
        with Repo() as repo:
            params = changed(repo.params.diff(a_rev=revision), PARAMS)
            metrics = changed(repo.metrics.diff(a_rev=revision), EVALUATION)
    except AttributeError as error:  # of git, about a file or a folder
        raise UserError(f"{revision}: is not a commit, branch, tag or experiment") from error
    whole = {
        key: change for key, change in metrics.items() if not is_of_a_class(key, run.evaluation)
    }
    return Section(
        f"Changes since {revision}",
        [
            difference("Parameters", revision, params),
            difference("Metrics of each data set", revision, whole),
            *verdicts(revision, run),
        ],
    )


def is_of_a_class(key: str, data_sets: Iterable[str]) -> bool:
    """Return whether a metric is of one class; a data set may have any name, also .per_class. ."""
    name = max((name for name in data_sets if key.startswith(f"{name}.")), key=len, default="")
    return ".per_class." in key[len(name) :]


def changed(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what differs in a file, by what DVC says of all; raise `UserError` if it is broken."""
    for revision, errors in found.get("errors", {}).items():
        error = errors.get(str(path)) if isinstance(errors, dict) else errors
        if error and not isinstance(error, FileNotFoundError):
            raise UserError(f"{revision}: {path}: {error}")
    changes: dict[str, Any] = found.get("diff", {}).get(str(path), {})
    return changes


def difference(what: str, revision: str, changes: dict[str, Any]) -> "Block":
    """Return a table of what differs; what one side has not is empty."""
    from classifier.commands.report.page import Table

    if not changes:
        return f"{what}: no difference."
    rows = [
        [key, *("" if change[side] is None else f"{change[side]}" for side in ("old", "new"))]
        for key, change in sorted(changes.items())
    ]
    return Table(f"{what} that differ", ["name", revision, WORKSPACE], rows)


def verdicts(revision: str, run: "Run") -> "list[Block]":
    """Return what `compare` says of the cross-validations, or why it says nothing."""
    from classifier.commands.report.page import Table

    try:
        before = read_side(revision)
        after = side_of(WORKSPACE, FOLDS.read_text(), run.lock)
    except UserError as error:
        return [f"Cross-validations are not compared. {error}."]
    paired = after.has_the_folds_of(before)
    changes = [change_of(metric, before, after, paired) for metric in METRICS]
    head, *rows = cells(before, after, changes)
    return [Table("Cross-validated metrics", head, rows), how_tested(before, after, paired)]


def drawn_of(revision: str) -> "dict[str, Records]":
    """Return the rows to draw of another revision's files; what it has not is left out."""
    import pandas as pd
    from dvc.api import DVCFileSystem

    from classifier.commands.report.results import drawn

    files, found = DVCFileSystem(rev=revision), {}
    for path in map(str, (HISTORY, FOLDS)):
        with contextlib.suppress(FileNotFoundError, ValueError):
            found[path] = drawn(pd.read_csv(io.StringIO(files.read_text(path))))
    return found
