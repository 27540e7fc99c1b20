"""The command: look at a table, write params.yaml, say what each column is taken for."""

import re
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.base.errors import UserError, without_secrets
from classifier.base.files import write_text
from classifier.base.paths import PARAMS
from classifier.base.standard_streams import called

if TYPE_CHECKING:
    from classifier.table.cells import Layout

PLAIN = re.compile(r"(?!(?:null|true|false|yes|no|on|off|nan)$)[a-z_][\w./-]*", re.IGNORECASE)
COMMENTS = 20  # the column of params.yaml in which most begin


def init(
    table: Annotated[
        str,
        typer.Argument(
            help="A CSV, .tsv or .parquet file, or a folder of them, under data/source; or a URL."
        ),
    ],
    label: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column to predict.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace settings even if they are not committed.")
    ] = False,
) -> None:
    """Write params.yaml for a table, and say what each column is taken for, and why.

    `dvc repro` then runs with it. The comments stay, and the settings are ordinary ones: correct
    them where you know better. Columns that seem to number or to name the rows are left out, as
    are those whose dates or amounts can be read in two ways.

    \b
    Examples:
      classifier init data/source/customers.csv
      classifier init data/source/customers.csv --label churned
      classifier init data/source/customers.parquet
      classifier init https://example.com/customers.csv
    """
    from classifier.commands.init.look import look_at_table

    if not force and not is_committed():
        raise UserError(f"{PARAMS}: has uncommitted changes; --force replaces them")
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "table.csv"
        with called(copy, without_secrets(table)):
            found = look_at_table(copy, label, copy_table(table, copy))
    settings = {"fetch": {"source": table, "sha256": None}} | found.settings()
    write_text(PARAMS, with_settings(PARAMS.read_text(), settings))
    print(*found.lines(), f"{PARAMS} is written; now run `dvc repro`", sep="\n")


def is_committed() -> bool:
    """Return whether the last commit has params.yaml as it is; git status may be told to look away.

    Raises:
        UserError: this is no git repository.
    """
    from classifier.commands.git import git

    git("rev-parse", "--git-dir")
    try:
        committed = git("rev-parse", "--verify", f"HEAD:./{PARAMS}")
    except UserError:  # the last commit has none
        return False
    return committed == git("hash-object", "--", str(PARAMS))


def copy_table(table: str, target: Path) -> "Layout":
    """Copy or download a table to `target` as CSV, and return how that is written."""
    from classifier.commands.init.shape import PLAIN, layout_of, layout_of_parts
    from classifier.fetching.as_csv import become_csv
    from classifier.fetching.download import download
    from classifier.fetching.parts import find_parts, join
    from classifier.params import load_params

    settings = load_params().fetch.model_copy(update={"source": table, "sha256": None})
    if Path(table).is_dir():
        parts = find_parts(Path(table))
        layout = layout_of_parts(parts, target)
        join(parts, layout, target)
        return layout
    download(settings, target)
    was_parquet = become_csv(target, PLAIN, f"fetch.source: {without_secrets(table)}")
    return PLAIN if was_parquet else layout_of(target)


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
    # Of a list that is indented as its key is, ruamel would write what takes its place wrongly.
    round_trip.indent(sequence=4, offset=2)
    round_trip.dump(round_trip.load(text), indented := StringIO())
    params, written = round_trip.load(indented.getvalue()), StringIO()
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
