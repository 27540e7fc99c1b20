"""The command line for people: `python -m classifier --help`."""

import os
import re
import sqlite3
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from classifier.commands.compare import compare
from classifier.commands.predict import predict
from classifier.commands.pull import pull
from classifier.commands.push import push
from classifier.commands.report import report
from classifier.commands.sweep import sweep
from classifier.commands.verify import verify
from classifier.errors import UserError, run

# Set by classifier/launcher.sh, whose name a shell can complete.
LAUNCHER = os.environ.get("CLASSIFIER_LAUNCHER")
EXAMPLES = """\b
Examples:
  dvc repro
  python -m classifier predict 5.1 3.5 1.4 0.2
  python -m classifier report --against HEAD~1
  python -m classifier sweep -S train.epochs=50,100,150
  python -m classifier report --help

`classifier` is short for `python -m classifier`; `classifier --install-completion` makes the shell
complete its commands and options.
"""


class Grouped(TyperGroup):
    """Lists commands by their panels, as Typer does with Rich, but in plain text, and sooner."""

    def format_commands(self, _: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = str(getattr(command, "rich_help_panel", None) or "Commands")
            panels.setdefault(panel, []).append((name, command.get_short_help_str(formatter.width)))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Grouped,
    help="Use what the pipeline has made; run the pipeline itself with `dvc repro`.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=LAUNCHER is not None,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class CommandOfValues(TyperCommand):
    """A command among whose arguments -1.5 is a value and --jso is a misspelt option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raise `click.UsageError` for an unknown option."""
        self.make_parser(ctx).parse_args([arg for arg in args if not re.match(r"-[\d.]", arg)])
        ctx.ignore_unknown_options = True  # none is left but negative numbers
        return super().parse_args(ctx, args)


USE, TRY, LOOK = "Use the model", "Try other settings", "Look at results"
KEEP = "Keep and share artifacts"

app.command(cls=CommandOfValues, no_args_is_help=True, rich_help_panel=USE)(predict)

app.command(rich_help_panel=TRY)(sweep)

app.command(rich_help_panel=LOOK)(compare)

app.command(rich_help_panel=LOOK)(report)

app.command(rich_help_panel=KEEP)(verify)

app.command(rich_help_panel=KEEP)(push)

app.command(rich_help_panel=KEEP)(pull)


def main() -> None:
    try:
        app(prog_name=LAUNCHER or "python -m classifier")
    except sqlite3.OperationalError as error:
        raise UserError(f"DVC cannot use its database in .dvc/tmp: {error}") from error


if __name__ == "__main__":
    run(main)
