"""The command line for people: `python -m classifier --help`."""

import typer

from classifier.commands.compare import compare
from classifier.commands.predict import predict
from classifier.errors import run

app = typer.Typer(
    help="Use what the pipeline has made; run the pipeline itself with `dvc repro`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# A value may be negative: -1.5 is no option.
app.command(no_args_is_help=True, context_settings={"ignore_unknown_options": True})(predict)
app.command()(compare)


if __name__ == "__main__":
    run(lambda: app(prog_name="python -m classifier"))
