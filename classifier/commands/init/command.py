"""The command: look at a table, write params.yaml, say what each column is taken for."""

import re
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from classifier.base.errors import UserError
from classifier.base.files import write_text
from classifier.base.paths import PARAMS

PLAIN = re.compile(r"(?!(?:null|true|false|yes|no|on|off|nan)$)[a-z_][\w./-]*", re.IGNORECASE)
COMMENTS = 20  # the column of params.yaml in which most begin


def init(
    table: Annotated[str, typer.Argument(help="A CSV file under data/source, or a URL.")],
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace settings that are not committed.")
    ] = False,
) -> None:
    """Write params.yaml for a table, and say what each column is taken for, and why.

    Then `dvc repro` runs with it. What is written are ordinary settings, their comments kept:
    change what you know better. Columns that seem to number or to name the rows are left out, as
    are those whose dates or amounts can be read in two ways.

    \b
    Examples:
      classifier init data/source/customers.csv
      classifier init data/source/customers.csv --label churned
      classifier init https://example.com/customers.csv
    """
    from classifier.commands.init.look import look_at_table
    from classifier.commands.revisions import git

    if not force and git("status", "--porcelain", "--", str(PARAMS)):
        raise UserError(f"{PARAMS}: has changes that are not committed; --force replaces them")
    with TemporaryDirectory() as scratch:
        found = look_at_table(local_copy(table, Path(scratch) / "table.csv"), label)
    settings = {"fetch": {"source": table, "sha256": None}} | found.settings()
    write_text(PARAMS, with_settings(PARAMS.read_text(), settings))
    print(*found.lines(), f"{PARAMS} is written; next is `dvc repro`", sep="\n")


def local_copy(table: str, target: Path) -> Path:
    """Return the table, copied or downloaded to `target`, and unpacked."""
    from classifier.fetching.download import download, unpack_source
    from classifier.params import load_params

    settings = load_params().fetch.model_copy(update={"source": table, "sha256": None})
    download(settings, target)
    unpack_source(settings, target)
    return target


def with_settings(text: str, settings: dict[str, dict[str, Any]]) -> str:
    """Return the text of params.yaml with these settings, all else as it was."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class WithNull(RoundTripRepresenter):
        """Writes null for what else would be nothing at all."""

    WithNull.add_representer(
        type(None), lambda it, _: it.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    round_trip = YAML(typ="rt")
    round_trip.preserve_quotes, round_trip.width = True, 10_000
    round_trip.Representer = WithNull
    params, written = round_trip.load(text), StringIO()
    params["check"] = as_yaml({})  # bounds were those of another table
    for section, values in settings.items():
        for key, value in values.items():
            if params[section][key] != value:
                params[section][key] = as_yaml(value)
                for comment in filter(None, params[section].ca.items.get(key, [])):
                    comment.column = COMMENTS
    round_trip.dump(params, written)
    return written.getvalue()


def as_yaml(value: Any) -> Any:
    """Return a value such that lists and dicts stand on one line, all but plain words in quotes."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return DoubleQuotedScalarString(value)
    if not isinstance(value, list | dict):
        return value
    found: Any = CommentedSeq(map(as_yaml, value))
    if isinstance(value, dict):
        found = CommentedMap((as_yaml(key), as_yaml(value[key])) for key in value)
    found.fa.set_flow_style()
    return found
