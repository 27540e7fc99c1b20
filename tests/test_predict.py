"""predict: one row or a file, from the ONNX model, without TensorFlow."""

import hashlib
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import yaml

from classifier.base.files import md5_of
from classifier.commands.predict import json_lines
from classifier.table.opening import open_new_rows
from classifier.table.schema import Schema
from tests.conftest import Clone

CLASSES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
HEADER = "sepal_length,sepal_width,petal_length,petal_width\n"
ROW = "5.1,3.5,1.4,0.2\n"
PROBABILITIES = [f"probability_{name}" for name in CLASSES]


def predict(clone: Clone, *values: str) -> str:
    return clone.classifier("predict", *values).stdout


def table(clone: Clone, text: str) -> pd.DataFrame:
    (clone.path / "rows.csv").write_text(text)
    return pd.read_csv(StringIO(predict(clone, "rows.csv")))


def test_a_row_gets_its_class_and_every_probability(reproduced):
    first, *others = predict(reproduced, "5.1", "3.5", "1.4", "0.2").splitlines()
    assert first == "Iris-setosa"
    assert [line.split()[0] for line in others] == CLASSES
    assert sum(float(line.split()[1]) for line in others) == pytest.approx(1, abs=1e-5)


def test_a_file_gets_the_classes_that_evaluate_gave_its_rows(reproduced):
    predicted = pd.read_csv(StringIO(predict(reproduced, "data/source/iris.data")))
    evaluated = pd.read_csv(reproduced.path / "metrics/predictions/train.csv")
    assert predicted.predicted.tolist() == evaluated.predicted.tolist()
    assert np.allclose(predicted[PROBABILITIES].max(axis=1), evaluated.probability, atol=2e-6)
    assert predicted["species"].tolist() == evaluated.actual.tolist()


def test_with_a_header_columns_may_be_in_any_order_and_others_stay(copied):
    header = "id,petal_width,petal_length,sepal_width,sepal_length\n"
    rows = table(copied, header + "a7,0.2,1.4,3.5,5.1\n")
    assert rows[["id", "predicted"]].to_numpy().tolist() == [["a7", "Iris-setosa"]]


def test_without_a_header_columns_are_the_features_in_order(copied):
    assert table(copied, "5.1,3.5,1.4,0.2\n7,3.2,4.7,1.4\n").predicted.tolist() == CLASSES[:2]


def test_params_that_have_changed_since_are_told(copied):
    copied.edit("params.yaml", "features: null", "features: [petal_width, petal_length]")
    copied.edit("params.yaml", "hidden: [8]", "hidden: [16]")
    done = copied.classifier("predict", "5.1", "3.5", "1.4", "0.2")
    assert done.stdout.startswith("Iris-setosa\n")
    assert done.stderr.splitlines() == [
        "prepare.features has changed since; run `dvc repro`",
        "train.hidden has changed since; run `dvc repro`",
    ]


def test_a_model_that_is_older_than_the_prepared_rows_is_told(copied):
    """As after a `dvc repro` that was interrupted before it trained."""
    lock = yaml.safe_load(copied.read("dvc.lock"))
    prepared, _ = lock["stages"]["prepare"]["outs"]
    prepared["md5"] = f"{'0' * 32}.dir"
    (copied.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    copied.edit("params.yaml", "timeout: 30", "timeout: 40")
    done = copied.classifier("predict", "5.1", "3.5", "1.4", "0.2")
    assert done.stderr.splitlines() == [
        "dvc.lock: its stages have seen different versions of data/prepared; run `dvc repro`",
        "fetch.timeout has changed since; run `dvc repro`",
    ]


def test_without_names_the_first_row_is_never_taken_for_a_header(prepared):
    schema = Schema.load(prepared("1,0,a\n0,1,b\n1,1,a\n", header=False, label=2) / "schema.json")
    table = open_new_rows(Path("data/raw.csv"), schema, needs_label=False)
    assert sum(map(len, table.chunks())) == 3


@pytest.mark.parametrize(
    ("header", "label", "row"),
    [
        (False, 3, "0,1,2"),
        (False, 3, "1,0,2"),
        ([*"wxyz"], "z", "1,2,3"),
        ([*"wxyz"], "z", "2,1,0"),
    ],
)
def test_without_names_a_row_that_may_be_a_header_is_told(
    prepared, tmp_path, capsys, header, label, row
):
    folder = prepared("1,0,1,a\n0,1,0,b\n1,1,1,a\n", header=header, label=label)
    schema = Schema.load(folder / "schema.json")
    path = tmp_path / "new.csv"
    path.write_text(f"{row}\n1,1,1\n")
    open_new_rows(path, schema, needs_label=False)
    words = "row 1: read as a row; if it is a header, remove it"
    assert capsys.readouterr().err == f"{path}: {words}\n"


@pytest.mark.parametrize("command", ["predict - <", "predict /dev/stdin <", "predict <(cat", "cat"])
def test_a_table_may_come_through_a_pipe(reproduced, command):
    full = {
        "cat": "cat data/source/iris.data | classifier predict /dev/stdin",
        "predict <(cat": "classifier predict <(cat data/source/iris.data)",
    }.get(command, f"classifier {command} data/source/iris.data")
    assert len(reproduced.run("bash", "-c", full).stdout.splitlines()) == 151


def test_what_is_said_of_standard_input_names_it(reproduced):
    script = "sed 's/^5[.]1/51/' data/source/iris.data | classifier predict - > /dev/null"
    told = reproduced.run("bash", "-c", script).stderr
    assert told.startswith("standard input: 9 of 150 rows have numbers outside the range")


def test_standard_input_is_read_from_where_it_is(reproduced):
    script = "{ read -r first; classifier predict --json -; } < data/source/iris.data"
    assert len(reproduced.run("bash", "-c", script).stdout.splitlines()) == 149


def test_a_file_without_rows_is_answered_with_its_header(copied):
    (copied.path / "rows.csv").write_text(HEADER)
    added = ",".join(["predicted", *PROBABILITIES])
    assert predict(copied, "rows.csv") == f"{HEADER.strip()},{added}\n"


def test_the_class_is_the_most_probable_before_rounding():
    schema = Mock(classes=["a", "b"])
    (line,) = json_lines(schema, np.array([[0.49999999, 0.50000001]]))
    assert json.loads(line)["predicted"] == "b"


def test_a_negative_value_is_a_value(reproduced):
    assert predict(reproduced, "5.1", "3.5", "1.4", "-0.2").startswith("Iris-setosa")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["5.1", "3.5", "1.4"], "found 3 values, expected 4 (sepal_length, sepal_width, "),
        (["5.1"] * 5, "found 5"),
        (["5.1", "3.5", "x", "0.2"], "petal_length: found 'x', expected a number"),
        (["5.1", "3.5", "nan", "0.2"], "petal_length: has no value (found 'nan')"),
        (
            ["-3e38", "3e38", "-3e38", "3e38"],
            "error: the model has no answer: the numbers are too l",
        ),
        ([""], "error: '': no such file; expected one, or 4 values"),
        (["none.csv"], "none.csv: no such file; expected one, or 4 values (sepal_length, "),
        (["data"], "data: is a directory"),
        (["README.md"], "README.md: row 1: found"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(reproduced, values, words):
    done = reproduced.classifier("predict", *values, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            ROW + ROW.replace("5.1", "\u00a05.1"),
            "row 3, column sepal_length: found '\\xa05.1', exp",
        ),
        (
            ROW + ROW.replace("5.1", "\uff15"),
            "row 3, column sepal_length: found '\uff15', expected",
        ),
        (ROW + '""\n' + ROW, "row 3: has 1 column, expected 4"),
        (ROW + "\f\n" + ROW, "row 3: has 1 column, expected 4"),
        (ROW + "-3e38,3e38,-3e38,3e38\n", "row 3: the model has no answer: the numbers"),
        (ROW + "5.1,3.5,1.4\n", "row 3: has 3 columns, expected 4"),
    ],
)
def test_a_bad_row_in_a_file_is_one_line(reproduced, tmp_path, text, words):
    (tmp_path / "rows.csv").write_text(HEADER + text)
    done = reproduced.classifier("predict", str(tmp_path / "rows.csv"), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_header_that_lacks_a_column_is_one_line(copied):
    (copied.path / "rows.csv").write_text(HEADER.replace("petal_width", "width") + ROW)
    done = copied.classifier("predict", "rows.csv", check=False)
    assert done.stderr == "error: rows.csv: row 1: has no column 'petal_width'\n"


def test_columns_that_are_not_needed_may_share_a_name(copied):
    (copied.path / "rows.csv").write_text(
        HEADER.replace("\n", ",,,a,a\n") + "5.1,3.5,1.4,0.2,1,2,3,4"
    )
    header, row = predict(copied, "rows.csv").splitlines()
    assert header.startswith(HEADER.strip() + ",,,a,a,predicted,")
    assert row.startswith("5.1,3.5,1.4,0.2,1,2,3,4,Iris-setosa,")


def test_a_column_named_as_one_that_is_added_is_refused_except_for_json(copied):
    text = HEADER.replace("\n", ",predicted\n") + "5.1,3.5,1.4,0.2,x\n"
    (copied.path / "rows.csv").write_text(text)
    done = copied.classifier("predict", "rows.csv", check=False)
    assert "rows.csv: row 1: already has a column predicted, which would be added" in done.stderr
    assert json.loads(predict(copied, "--json", "rows.csv"))["predicted"] == "Iris-setosa"


def test_without_an_output_it_is_one_line(reproduced):
    command = "classifier predict data/source/iris.data >&-"
    done = reproduced.run("bash", "-c", command, check=False)
    assert done.stderr == "error: standard output is closed: there is nowhere to write to\n"


def test_a_damaged_schema_is_one_line(copied):
    (copied.path / "data/prepared/schema.json").write_bytes(b"\xff\xfe")
    done = copied.classifier("predict", "1", check=False)
    assert done.stderr == "error: data/prepared/schema.json: is not a schema that prepare wrote\n"


def test_before_the_first_repro_it_says_what_to_do(fresh):
    done = fresh.classifier("predict", "1", check=False)
    assert done.stderr == "error: data/prepared/schema.json: no such file; run `dvc repro` first\n"


def test_a_model_that_is_none_is_one_line(copied):
    """dvc.lock may name a file of another format."""
    path = copied.path / "models/classifier.onnx"
    lock = copied.read("dvc.lock").replace(md5_of(path), hashlib.md5(b"no model").hexdigest())
    (copied.path / "dvc.lock").write_text(lock)
    path.write_bytes(b"no model")
    done = copied.classifier("predict", "1", check=False)
    assert (
        done.stdout + done.stderr
        == "error: models/classifier.onnx: is damaged or not an ONNX model; run `dvc repro`\n"
    )


@pytest.mark.parametrize("damage", ["no model", "empty", "cut", "a flipped byte"])
def test_a_damaged_model_is_one_line(copied, damage):
    path = copied.path / "models/classifier.onnx"
    model = path.read_bytes()
    content = {
        "no model": b"no model",
        "empty": b"",
        "cut": model[: len(model) // 2],
        "a flipped byte": model.replace(b"probabilities", b"\xffrobabilities"),
    }
    path.write_bytes(content[damage])
    done = copied.classifier("predict", "5.1", "3.5", "1.4", "0.2", check=False)
    assert (
        done.stdout
        + done.stderr
        == "error: models/classifier.onnx: is not the file that dvc.lock names; "
        "`classifier verify --repair` brings that back, `dvc repro` makes a new one\n"
    )


def test_neither_tensorflow_nor_pandas_is_imported_for_a_row(reproduced):
    script = (
        "import sys; from classifier.__main__ import app;"
        "app(['predict', '5.1', '3.5', '1.4', '0.2'], standalone_mode=False);"
        "print(*{'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    )
    assert reproduced.run(sys.executable, "-c", script).stdout.splitlines()[4:] == [""]


def test_nothing_is_written_elsewhere_and_nothing_sent(reproduced, tmp_path):
    """The runtime of ONNX keeps a device's number, and reports to its makers."""
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "classifier", "predict", *["5.1", "3.5", "1.4", "0.2"]]
    subprocess.run(
        command, cwd=reproduced.path, env=reproduced.environment | home, check=True, timeout=60
    )
    assert [*tmp_path.rglob("*")] == []


def test_help_has_examples(reproduced):
    helped = reproduced.classifier("predict", "--help").stdout
    assert "classifier predict 5.1 3.5 1.4 0.2\n" in helped


def test_output_can_be_cut_short(reproduced):
    command = "classifier predict data/source/iris.data | head -1"
    done = reproduced.run("bash", "-o", "pipefail", "-c", command, check=False)
    assert done.stderr == ""
