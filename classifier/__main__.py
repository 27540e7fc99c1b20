"""The command line: `classifier --help`, or `python -m classifier --help`."""

import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from classifier.base.errors import NO_DATABASE, UserError
from classifier.base.process import run
from classifier.commands.artifacts.pull import pull
from classifier.commands.artifacts.push import push
from classifier.commands.artifacts.verify import verify
from classifier.commands.check import check
from classifier.commands.compare import compare
from classifier.commands.init.command import init
from classifier.commands.predict import predict
from classifier.commands.rebuild.command import rebuild
from classifier.commands.report.command import report
from classifier.commands.sweep.command import sweep

EXAMPLES = """\b
Examples:
  dvc repro
  classifier predict 5.1 3.5 1.4 0.2
  classifier report --against HEAD~1
  classifier sweep -S train.epochs=50,100,150
  classifier report --help
"""

app = typer.Typer(
    help="Use what the pipeline has made; run the pipeline itself with `dvc repro`.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class CommandOfValues(TyperCommand):
    """A command among whose arguments -1.5 is a value and --jso is a misspelt option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; raise `click.UsageError` for an unknown option."""
        options = [arg for arg in args if not re.fullmatch(r"-[\d.][^h]*", arg)]
        self.make_parser(ctx).parse_args(options)
        ctx.ignore_unknown_options = True  # none is left but negative numbers, and no -h in one
        return super().parse_args(ctx, args)


@app.callback()
def require_top_folder() -> None:
    """End with exit code 2, as a wrong option does, unless the current folder is the project's."""
    if not Path("dvc.yaml").exists():
        print("error: run this in the project's top folder, where dvc.yaml is", file=sys.stderr)
        raise typer.Exit(2)


app.command(cls=CommandOfValues, no_args_is_help=True)(predict)

for command in (init, check, sweep, compare, report, verify, push, pull, rebuild):
    app.command()(command)


def use() -> None:
    if sys.stdout is None:
        raise UserError("standard output is closed: there is nowhere to write to")
    warn_of_other_code()
    try:
        app()
    except sqlite3.DatabaseError as error:
        raise UserError(f"{NO_DATABASE}: {error}") from error


def warn_of_other_code() -> None:
    """Say on standard error if this is another folder's code: it may conclude something else."""
    here, own = Path("classifier/__main__.py"), Path(__file__).resolve()
    if here.exists() and here.resolve() != own:
        folder = own.parents[1]
        words = f"this is the code in {folder}, not in this folder; `make` installs what is here"
        print(f"warning: {words}", file=sys.stderr)


def main() -> None:
    """The console script `classifier`."""
    run(use)


if __name__ == "__main__":
    main()
