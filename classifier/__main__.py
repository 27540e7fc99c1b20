"""The command line for people: `python -m classifier --help`."""

import re
from typing import Any

import typer
from typer.core import TyperCommand

from classifier.commands.compare import compare
from classifier.commands.predict import predict
from classifier.commands.push import push
from classifier.commands.report import report
from classifier.commands.verify import verify
from classifier.errors import run

app = typer.Typer(
    help="Use what the pipeline has made; run the pipeline itself with `dvc repro`.",
    no_args_is_help=True,
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


app.command(cls=CommandOfValues, no_args_is_help=True)(predict)

app.command()(compare)

app.command()(verify)

app.command()(push)

app.command()(report)


if __name__ == "__main__":
    run(lambda: app(prog_name="python -m classifier"))
