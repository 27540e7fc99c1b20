"""report: what was run and how well it did, as one page or as Markdown."""

import contextlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.base.errors import UserError
from classifier.base.files import md5_of_bytes
from classifier.base.paths import EVALUATION, FOLDS, HISTORY, LOCK, OUT_OF_FOLD, PARAMS
from classifier.commands.compare import (
    WORKSPACE,
    cells,
    change_of,
    how_tested,
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

    path = output or (None if markdown else REPORT)
    changes: list[Section] = []
    others: dict[str, dict[str, Records]] = {}
    try:
        run = load_run()
        say(run.outdated)
        if path:
            refuse_to_replace(path)
        if against is not None:
            files = results_of(against)
            changes, others = [changes_since(against, files)], {against: drawn_of(files)}
    except DvcException as error:
        raise UserError(str(error)) from error
    content = sections(run, commit(), changes, others)
    title = f"{name_of(run)}: report on the classifier"
    text = (to_markdown if markdown else to_html)(title, content)
    if path:
        write_to(path, text)
    print(path or text)


def say(lines: list[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def name_of(run: "Run") -> str:
    """Return the label's name, or the table's where the label is known by its position."""
    label = run.schema.label
    return Path(run.params["fetch"]["source"]).stem if label.isdigit() else label


def results_of(revision: str) -> dict[Path, bytes]:
    """Return the files of a revision's results.

    Raises:
        UserError: there is no such revision, or they are not those that its dvc.lock names.
    """
    from classifier.base.dvc_lock import parse_lock
    from classifier.commands.revisions import files_at

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


def changes_since(revision: str, files: dict[Path, bytes]) -> "Section":
    """Return what has changed since a revision: params, metrics, and whether it is noise."""
    from classifier.base.dvc_lock import parse_lock
    from classifier.commands.report.page import Section
    from classifier.commands.revisions import lines_on_changes, repo_at

    outdated = []
    if LOCK in files:
        outdated = lines_on_changes(revision, parse_lock(files[LOCK], f"{revision}: {LOCK}"))
        say(outdated)
    with repo_at(None) as repo:
        params = changed(repo.params.diff(a_rev=revision), PARAMS)
        metrics = changed(repo.metrics.diff(a_rev=revision), EVALUATION)
    return Section(
        f"Changes since {revision}",
        [
            *outdated,
            table_of_changes("Parameters", revision, params),
            table_of_changes("Metrics of each data set", revision, metrics),
            *verdicts(revision, files),
        ],
    )


def changed(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what differs in a file, by what DVC says of all; raise `UserError` if it is broken."""
    for revision, errors in found.get("errors", {}).items():
        error = errors.get(str(path)) if isinstance(errors, dict) else errors
        if error and not isinstance(error, FileNotFoundError):
            raise UserError(f"{revision}: {path}: {error}")
    changes: dict[str, Any] = found.get("diff", {}).get(str(path), {})
    return changes


def table_of_changes(what: str, revision: str, changes: dict[str, Any]) -> "Block":
    """Return a table of what differs; what one side has not is empty."""
    from classifier.commands.report.page import Table

    if not changes:
        return f"{what}: no difference."
    rows = [
        [key, *("" if change[side] is None else f"{change[side]}" for side in ("old", "new"))]
        for key, change in sorted(changes.items())
    ]
    return Table(f"{what} that differ", ["name", revision, WORKSPACE], rows)


def verdicts(revision: str, files: dict[Path, bytes]) -> "list[Block]":
    """Return what `compare` says of the cross-validations, or why it says nothing."""
    from classifier.commands.report.page import Table

    try:
        before = side_of(revision, files)
        after = side_of(WORKSPACE, {path: path.read_bytes() for path in (OUT_OF_FOLD, LOCK)})
    except UserError as error:
        return [f"Cross-validations are not compared. {error}."]
    changes = [change_of(metric, before, after) for metric in METRICS]
    head, *rows = cells(before, after, changes)
    return [Table("Cross-validated metrics", head, rows), how_tested(before, after)]


def drawn_of(files: dict[Path, bytes]) -> "dict[str, Records]":
    """Return the rows to draw of another revision's files; what it has not is left out."""
    import pandas as pd

    from classifier.commands.report.results import drawn

    found = {}
    for path in (HISTORY, FOLDS):
        with contextlib.suppress(KeyError, ValueError):
            found[str(path)] = drawn(pd.read_csv(io.BytesIO(files[path])))
    return found
