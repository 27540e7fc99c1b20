"""report: what was run and how well it did, as one page, as Markdown or as a model card."""

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from classifier.base.errors import UserError
from classifier.base.paths import MODEL_CARD

REPORT = Path("report.html")


def report(
    against: Annotated[
        str | None, typer.Option(help="A commit, branch, tag or experiment to compare with.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown, or print it.")
    ] = False,
    model_card: Annotated[bool, typer.Option("--model-card", help=f"Write {MODEL_CARD}.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    output: Annotated[Path | None, typer.Option(help="The file, by default report.html.")] = None,
) -> None:
    """Report how good the model is, what is wrong, and what was run.

    The page needs no network and no other file. Markdown is for a comment in a pull request: under
    60 lines, the verdict first, words in place of pictures.

    \b
    Examples:
      classifier report --open
      classifier report --against main --output new.html
      classifier report --against HEAD~1 --markdown | gh pr comment --body-file -
      classifier report --model-card
    """
    from dvc.exceptions import DvcException

    from classifier.commands.destination import refuse_to_replace, write_to
    from classifier.commands.report import page, sections
    from classifier.commands.report.results import load_run

    if markdown + model_card + open_it > 1:
        raise UserError("--markdown, --model-card and --open exclude each other; choose one")
    path = output or (MODEL_CARD if model_card else None if markdown else REPORT)
    try:
        run = load_run(against)
        if model_card and run.outdated:  # what is there now does not matter to who gets the model
            raise UserError("; ".join(run.outdated))
        if path == MODEL_CARD and MODEL_CARD.is_symlink():
            raise UserError(f"{MODEL_CARD}: is a link, which may lead out of the clone; remove it")
        if path and path != MODEL_CARD:  # which may be committed
            refuse_to_replace(path)
    except DvcException as error:
        raise UserError(str(error)) from error
    for line in [*run.outdated, *(run.against.outdated if run.against else [])]:
        print(line, file=sys.stderr)
    if model_card:
        text = page.to_card(sections.front_matter(run), sections.title(run), sections.card(run))
    else:
        write = page.to_markdown if markdown else page.to_html
        text = write(
            sections.title(run), sections.lead(run), sections.first(run), sections.rest(run)
        )
    if path:
        write_to(path, text)
    print(path or text)
    if open_it and path and not webbrowser.open(path.absolute().as_uri()):
        raise UserError(f"no browser was found; open {path} in one")
