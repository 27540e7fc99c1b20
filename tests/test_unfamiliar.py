"""What new rows have that no training row had is said, for files and for one row."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from classifier.evaluating.unfamiliar import count_unfamiliar, say_unfamiliar
from classifier.preparing.storing import FOLDED, reduced
from classifier.table.opening import open_new_rows, read_features
from classifier.table.schema import Schema

TABLE = "x,c,z,y\n1,p,0.5,a\n2.5,q,-3,b\n1,p,,a\n"
LENIENT = {"label": "y", "header": True, "missing": "impute", "unknown": "ignore"}
UNKNOWN = "a value that the model was not trained on (known: p, q)"
OUTSIDE = "numbers outside the range of the training data"


@pytest.fixture
def schema(prepared) -> Schema:
    return Schema.load(prepared(TABLE, **LENIENT) / "schema.json")


def told_of_file(schema: Schema, path: Path, text: str) -> None:
    """Say what of the rows of a file is unfamiliar, read in chunks of no more than a few."""
    path.write_text(text)
    table = open_new_rows(path, schema, needs_label=False)
    found = count_unfamiliar(schema, schema.no_rows)
    for chunk in table.chunks():
        rows = read_features(table, chunk, schema)
        for half in (slice(0, 2), slice(2, None)):
            found += count_unfamiliar(schema, rows[half])
    say_unfamiliar(schema, found, Path(path.name))


def test_the_schema_has_the_range_of_each_number(schema):
    assert schema.ranges.T.tolist() == [[1, 2.5], [-3, 0.5]]
    assert '"highest": 2.5' in schema.model_dump_json(indent=1)


def test_the_range_is_that_of_the_rows_trained_on(prepared):
    """Of the ten rows of each class, five are held out."""
    rows = [f"{number},{name}" for name in "ab" for number in range(10)]
    table = "\n".join(["x,y", *rows, ""])
    folder = prepared(table, label="y", header=True, test_size=0.5, seed=3)
    schema = Schema.load(folder / "schema.json")
    trained_on = np.load(folder / "train/features.npy")
    assert len(trained_on) == 10
    assert schema.ranges[:, 0].tolist() == [trained_on.min(), trained_on.max()]


@pytest.mark.parametrize("rows", [0, 1, FOLDED - 1, FOLDED, 3 * FOLDED + 5])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_a_column_is_reduced_as_by_numpy_but_for_gaps(rows, width):
    numbers = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    numbers[::2, :1] = np.nan
    for function, oracle in ((np.fmin, np.nanmin), (np.fmax, np.nanmax)):
        columns = [column[~np.isnan(column)] for column in numbers.T]
        expected = [oracle(column) if len(column) else np.nan for column in columns]
        np.testing.assert_array_equal(reduced(function, numbers), expected)


def test_what_is_unfamiliar_in_a_file_is_told(schema, tmp_path, capsys):
    """A column in another case has no known value at all, and a line of commas is a row."""
    text = "x,c,z\n1,P,0\n25,Q,0.51\n0.9,p,\n,,\n"
    told_of_file(schema, tmp_path / "new.csv", text)
    assert capsys.readouterr().err.splitlines()[-3:] == [
        f"new.csv: column c: 2 of 4 rows have {UNKNOWN}",
        f"new.csv: 2 of 4 rows have {OUTSIDE}: x (1 to 2.5) in 2, z (-3 to 0.5) in 1",
        "new.csv: 1 row without any value",
    ]


@pytest.mark.parametrize(("rows", "is_told"), [(9, False), (10, True)])
def test_a_column_without_values_is_told(schema, tmp_path, capsys, rows, is_told):
    """As a join that failed leaves it; of a few rows it may be an accident."""
    capsys.readouterr()
    told_of_file(schema, tmp_path / "new.csv", "x,c,z\n" + "1,,\n" * rows)
    line = "new.csv: no row has a value of z, c: the model fills in what is usual\n"
    assert capsys.readouterr().err == line * is_told


def test_of_a_familiar_file_nothing_is_said(schema, tmp_path, capsys):
    capsys.readouterr()
    told_of_file(schema, tmp_path / "new.csv", "x,c,z\n1,p,0.5\n2.5,q,-3\n")
    assert capsys.readouterr().err == ""


def test_of_many_columns_those_with_most_rows_are_named(prepared, tmp_path, capsys):
    names = [f"x{at}" for at in range(6)]
    head, zeros = ",".join([*names, "y"]), ",".join(["0"] * 6)
    folder = prepared(f"{head}\n{zeros},a\n{zeros},b\n", label="y", header=True)
    rows = [",".join("1" if row <= at else "0" for at in range(6)) for row in range(6)]
    text = "\n".join([",".join(names), *rows, ""])
    told_of_file(Schema.load(folder / "schema.json"), tmp_path / "new.csv", text)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"new.csv: 6 of 6 rows have {OUTSIDE}: "
        "x5 (0 to 0) in 6, x4 (0 to 0) in 5, x3 (0 to 0) in 4, and 3 more columns"
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["", "", ""], "1 row without any value"),
        (["", "Q", ""], f"column c: the row has {UNKNOWN}"),
        (["3", "p", "1"], f"the row has {OUTSIDE}: x (1 to 2.5), z (-3 to 0.5)"),
    ],
)
def test_what_is_unfamiliar_in_a_row_is_told(schema, capsys, values, line):
    say_unfamiliar(schema, count_unfamiliar(schema, schema.row(values)))
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_what_only_rows_kept_aside_have_is_not_known_to_the_model(copied):
    """Of the two that are not in every row, one is in a row kept aside, or in one trained on."""
    rows = [f"{day}.03.2024,{'pq'[day % 2]},,{'ab'[day % 2]}\n" for day in range(1, 21)]
    rows[3], rows[8] = "04.05.2024,green,,a\n", "09.06.2024,blue,7,b\n"
    for path in ("data/source/own.csv", "data/test_sets/own.csv"):
        (copied.path / path).write_text("day,c,n,y\n" + "".join(rows))
    (copied.path / "data/test_sets/new.csv").write_text("day,c,n,y\n" + rows[8] * 9)
    params = yaml.safe_load(copied.read("params.yaml"))
    params["fetch"] |= {"source": "data/source/own.csv", "sha256": None}
    params["prepare"] |= {"header": True, "label": "y", "dates": {"day": ["%d.%m.%Y", "month"]}}
    params["prepare"] |= {"missing": "impute"}
    params["crossval"]["folds"] = 0
    params["train"] |= {"epochs": 1, "validation_fraction": 0.5, "seed": 3}
    (copied.path / "params.yaml").write_text(yaml.safe_dump(params))
    evaluated = copied.reproduce("fetch", "prepare", "crossval", "train", "evaluate")
    for line in (
        "column c: 1 of 20 rows has a value that the model was not trained on (known: q, p, green)",
        "column day: 1 of 20 rows has a month or weekday that the model was not trained on ",
        "column n: 1 of 20 rows has a number, which the model does not use: no row that it was tr",
    ):
        assert f"data/test_sets/own.csv: {line}" in evaluated
    seen = "new has many values that the training data does not have: day, c, n"
    assert seen in [finding["seen"] for finding in json.loads(copied.read("metrics/findings.json"))]
    told = copied.classifier("predict", "01.03.2024", "blue", "").stderr
    assert told.startswith("column c: the row has a value that the model was not trained on")
    told = copied.classifier("predict", "01.03.2024", "green", "7").stderr
    assert told.startswith("column n: the row has a number, which the model does not use: no row")
    assert copied.classifier("predict", "01.03.2024", "green", "").stderr == ""


def test_predict_and_evaluate_tell_of_numbers_in_other_units(copied):
    rows = "51,35,14,2,Iris-setosa\n63,33,60,25,Iris-virginica\n"
    for path in ("mm.csv", "data/test_sets/mm.csv"):
        (copied.path / path).write_text(rows)
    ranges = "sepal_length (4.3 to 7.9) in 2, sepal_width (2 to 4.4) in 2, petal_length (1 to 6.9)"
    told = f"mm.csv: 2 of 2 rows have {OUTSIDE}: {ranges} in 2, and 1 more column\n"
    assert copied.classifier("predict", "mm.csv").stderr == told
    assert f"data/test_sets/{told}" in copied.stage("evaluate").stderr
    assert copied.classifier("predict", "51", "3.5", "1.4", "0.2").stderr == (
        f"the row has {OUTSIDE}: sepal_length (4.3 to 7.9)\n"
    )
