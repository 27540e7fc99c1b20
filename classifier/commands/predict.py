"""predict: the class of new rows, from the ONNX model, without TensorFlow."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt
import typer

from classifier.base.dvc_lock import RUN_ANEW, read_lock, require_read, require_recorded
from classifier.base.errors import UserError, shown
from classifier.base.paths import LOCK, ONNX_MODEL, PARAMS, SCHEMA
from classifier.base.run_inputs import records_here
from classifier.base.standard_streams import called
from classifier.evaluating.unfamiliar import Unfamiliar, count_unfamiliar, say_unfamiliar
from classifier.fetching.as_csv import as_csv, own_layout, split_name
from classifier.params import written_params
from classifier.table.cells import counted
from classifier.table.parallel import map_in_order
from classifier.table.schema import UNSEEN, Rows, Schema

if TYPE_CHECKING:
    from classifier.table.reader import Chunk, Table

KINDS = {"tensor(float)": "number", "tensor(string)": "text"}
# And evaluate, which has read what the others wrote.
LEADING_TO_THE_MODEL = ("fetch", "prepare", "train", "evaluate")
NO_CATEGORY = "\0"  # no table has it
# Where onnxruntime would look for weights that are not in the model's own file: nowhere.
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
STDIN = Path("/dev/stdin")
TOO_LARGE = "the model has no answer: the numbers are too large for it"


def predict(
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="VALUES...",
            help="The values of one row, in the order of prepare.features or else of the table; or "
            "a file (CSV, .tsv or .parquet, also .gz); or - to read one from standard input.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, one line per row.")] = False,
) -> None:
    """Classify one row, or every row of a file.

    Prints the class of one row, or writes a file to standard output with the class of each row and
    the probability of each class added. The columns of a file stay; without --json, none may be
    called `predicted` or `probability_CLASS`, as the added ones are. With a header, the columns may
    be in any order, and there may be others. Without one, they are all columns of the table, or
    only the features, in the order of prepare.features or else of the table. The output is UTF-8,
    whatever prepare.encoding says of the input. Params that have changed since the model was made
    are named on standard error; `classifier check` also looks at files.

    \b
    Examples:
      classifier predict 5.1 3.5 1.4 0.2
      classifier predict --json 5.1 3.5 1.4 0.2
      classifier predict flowers.csv > predicted.csv
      zcat flowers.csv.gz | classifier predict - | head
    """
    schema = Schema.load(SCHEMA)
    model, unseen = load_model(ONNX_MODEL, schema)
    schema = schema.without(unseen)
    require_read("train", SCHEMA)  # what a gap is, it says, and not the model
    say_what_has_changed()
    source = file_named(values, schema)
    if source is None:
        predict_row(schema, model, values, sys.stdout, as_json)
        return
    with rereadable(source) as path, TemporaryDirectory() as scratch:
        layout = own_layout(path, schema.layout)
        with as_csv(path, layout, Path(scratch) / "table.csv") as file:
            own = schema.model_copy(update={"layout": layout})
            predict_file(own, model, file, sys.stdout, as_json)


def say_what_has_changed() -> None:
    """Say on standard error which params, or rows, are not those that the model was made with."""
    lock = read_lock()
    try:  # after a run that was interrupted, data/prepared is newer than the model
        lock.require_one_run(str(LOCK), *LEADING_TO_THE_MODEL)
    except UserError as error:
        print(error, file=sys.stderr)
    if PARAMS.exists():
        params = written_params(PARAMS.read_bytes(), str(PARAMS))
        for key in lock.changed_params(params, *LEADING_TO_THE_MODEL):
            print(f"{key} has changed since; run `dvc repro`", file=sys.stderr)
    for line in lock.other_runs(records_here(), *LEADING_TO_THE_MODEL):
        print(f"{line}; {RUN_ANEW}", file=sys.stderr)


def file_named(values: list[str], schema: Schema) -> Path | None:
    """Return the file whose rows are meant, None where it is the row of these values.

    Raises:
        UserError: there is no such file.
    """
    source = STDIN if values == ["-"] else Path(values[0])
    exists = values[0] != "" and source.exists()  # Path("") is the current folder
    if len(values) > 1 and any(split_name(value)[1] for value in values):
        raise UserError("found a file among values; expected the values of a row or one file")
    is_name = exists or split_name(source.name)[1] != ""
    if len(values) > 1 or (len(schema.features) == 1 and not is_name):
        return None
    if not exists:
        expected = counted(len(schema.features), "value")
        raise UserError(
            f"{shown(values[0])}: no such file; expected one, or {expected} "
            f"({schema.feature_names()})"
        )
    return source


def load_model(path: Path, schema: Schema) -> tuple[Any, list[str]]:
    """Return an onnxruntime.InferenceSession on the model, and which inputs it was not trained on.

    Nothing but its file is read.

    Raises:
        UserError: it is not the file that dvc.lock names, or the schema is another model's.
    """
    # It would write into the home folder and send what it is used for to Microsoft.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # here, because --help does not need it

    content = require_recorded(path).read_bytes()
    onnxruntime.set_default_logger_severity(4)  # what is wrong is said once, below
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(WEIGHTS_FOLDER, os.devnull)
    try:
        model = onnxruntime.InferenceSession(content, options, enable_fallback=0)
        inputs = {each.name: KINDS.get(each.type, each.type) for each in model.get_inputs()}
        metadata = model.get_modelmeta().custom_metadata_map
        schema.require_fit(path, metadata, inputs)
        unseen = json.loads(metadata.get(UNSEEN, "[]"))
        numbers, texts = len(schema.numbers), len(schema.texts)
        anything = Rows(np.zeros((1, numbers), np.float32), np.zeros((1, texts), np.int32))
        (answer,) = probabilities(schema, model, anything)
        if len(answer) != len(schema.classes):
            raise ValueError("has another number of classes")
    except UserError:
        raise
    except Exception as error:  # damage shows in errors of almost any class
        raise UserError(f"{path}: is damaged or not an ONNX model; run `dvc repro`") from error
    return model, unseen


@contextmanager
def rereadable(source: Path) -> Iterator[Path]:
    """Yield the file itself, or a copy of what comes from a pipe: a table is read twice."""
    if source.is_dir() or (source.is_file() and not is_read_in_part(source)):
        yield source
        return
    with open_once(source) as pipe, NamedTemporaryFile() as copy:
        shutil.copyfileobj(pipe, copy)
        copy.flush()
        name = "standard input" if source == STDIN else str(source)
        with called(Path(copy.name), name):
            yield Path(copy.name)


def is_read_in_part(source: Path) -> bool:
    """Return whether it is standard input, of which something before has read the first part."""
    return source == STDIN and os.lseek(0, 0, os.SEEK_CUR) > 0


def open_once(source: Path) -> BinaryIO:
    """Open what cannot be read twice; standard input as it is, not from its beginning."""
    return open(0, "rb", closefd=False) if source == STDIN else source.open("rb")


def probabilities(schema: Schema, model: Any, rows: Rows) -> npt.NDArray[np.float64]:
    """Return (rows, classes); 6 digits of each hold."""
    _, output = model.get_outputs()
    (result,) = model.run([output.name], model_inputs(schema, rows))
    return np.asarray(result, np.float64)


def model_inputs(schema: Schema, rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Return the columns by name, (rows, 1) each: float32, or texts as objects."""
    inputs: dict[str, npt.NDArray[Any]] = {
        feature.name: column[:, None]
        for feature, column in zip(schema.numbers, rows.numbers.T, strict=True)
    }
    for feature, codes in zip(schema.texts, rows.codes.T, strict=True):
        # MISSING and UNKNOWN are places from the end.
        texts = [*feature.categories, NO_CATEGORY, schema.gap or ""]
        inputs[feature.name] = np.array(texts, object)[codes][:, None]
    return inputs


def predict_row(
    schema: Schema, model: Any, values: list[str], output: TextIO, as_json: bool
) -> None:
    """Print the predicted class, then each class with its probability."""
    features = schema.row(values)
    (row,) = probabilities(schema, model, features)
    if np.isnan(row).any():
        raise UserError(TOO_LARGE)
    say_unfamiliar(schema, count_unfamiliar(schema, features))
    predicted = schema.classes[row.argmax()]
    pairs = dict(zip(schema.classes, row.round(6).tolist(), strict=True))
    if as_json:
        print(json_line(predicted, pairs), file=output)
    else:
        width = max(map(len, schema.classes))
        lines = [f"  {name:{width}}  {probability:.6f}" for name, probability in pairs.items()]
        print(predicted, *lines, sep="\n", file=output)


def json_line(predicted: str, pairs: dict[str, float]) -> str:
    return json.dumps({"predicted": predicted, "probabilities": pairs}, ensure_ascii=False)


def predict_file(schema: Schema, model: Any, path: Path, output: TextIO, as_json: bool) -> None:
    """Write the file's rows as they are, with the predicted class and each class' probability."""
    # Here, because one row needs no pandas.
    from classifier.table.opening import open_new_rows
    from classifier.table.reader import OPEN_QUOTE

    table = open_new_rows(path, schema, needs_label=False)
    added = ["predicted", *(f"probability_{name}" for name in schema.classes)]
    taken = [name for name in table.names if name in added]
    if taken and not as_json:
        raise UserError(
            f"{path}: row 1: already has a column {shown(taken[0])}, which would be added; "
            "rename it or use --json"
        )
    chunks = table.chunks(None if output.isatty() else "predict")
    answers = map_in_order(lambda chunk: answer(schema, model, table, chunk), chunks)
    header = "" if as_json else delimited([*table.names, *added], table.layout.delimiter) + "\n"
    unfamiliar = count_unfamiliar(schema, schema.no_rows)
    for chunk, rows, found in answers:
        output.write(header)
        header = ""
        lines = json_lines(schema, rows) if as_json else csv_lines(schema, table, chunk, rows)
        output.writelines(lines)
        unfamiliar += found
    output.write(header)  # of a file without rows
    for seen in table.merged:
        print(f"{path}: {seen}; {OPEN_QUOTE}", file=sys.stderr)
    say_unfamiliar(schema, unfamiliar, path)


def answer(
    schema: Schema, model: Any, table: "Table", chunk: "Chunk"
) -> tuple["Chunk", npt.NDArray[np.float64], Unfamiliar]:
    """Return the chunk, the probabilities of its rows, (rows, classes), and what is unfamiliar.

    Raises:
        UserError: a row has a value that the schema does not know, or the model has no answer.
    """
    from classifier.table.opening import read_features

    features = read_features(table, chunk, schema)
    rows = probabilities(schema, model, features)
    bad = np.flatnonzero(np.isnan(rows).any(axis=1))
    if len(bad):
        line = table.line(chunk.start + int(bad[0]))
        raise UserError(f"{table.path}: row {line}: {TOO_LARGE}")
    return chunk, rows, count_unfamiliar(schema, features)


def json_lines(schema: Schema, rows: npt.NDArray[np.float64]) -> Iterator[str]:
    for place, row in zip(rows.argmax(axis=1).tolist(), rows.round(6).tolist(), strict=True):
        pairs = dict(zip(schema.classes, row, strict=True))
        yield json_line(schema.classes[place], pairs) + "\n"


def csv_lines(
    schema: Schema, table: "Table", chunk: "Chunk", rows: npt.NDArray[np.float64]
) -> Iterator[str]:
    from classifier.table.csv_text import row_texts

    delimiter = table.layout.delimiter
    predicted = [delimited([name], delimiter) for name in schema.classes]
    texts, places = row_texts(chunk.lines, delimiter), rows.argmax(axis=1).tolist()
    for text, place, row in zip(texts, places, rows.round(6).tolist(), strict=True):
        yield delimiter.join((text, predicted[place], *map(repr, row))) + "\n"


def delimited(cells: list[str], delimiter: str) -> str:
    """Return the cells as a line of CSV, in quotes where they need them."""
    line = StringIO()
    csv.writer(line, delimiter=delimiter).writerow(cells)  # knows line breaks by those it writes
    return line.getvalue().removesuffix("\r\n")
