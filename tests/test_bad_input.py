"""Bad input: one line that names file, row and column; nothing half-written; nothing lost."""

import re
from pathlib import Path
from typing import Any

import pytest

from classifier.base.errors import UserError, without_secrets
from classifier.commands.predict import file_named
from classifier.table.opening import open_new_rows
from classifier.table.schema import Schema
from tests.conftest import AS_ANYBODY, Clone

SHAPE: dict[str, Any] = {"header": True, "label": "y"}
GOOD = "x,c,y\n1,p,a\n2,q,b\n3,p,a\n4,q,b\n"
MANY = "x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(9_997))
NAMES = "c,y\n" + "".join(f"name {n},{'ab'[n % 2]}\n" for n in range(10_001))

# what the table is | its bytes | the params that differ | what the line says
TABLES: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty file": ("", {}, "is empty, expected a table"),
    "blank lines only": ("\n\n \n", {}, "is empty, expected a table"),
    "header only": ("x,y\n", {}, "data/raw.csv: has no rows"),
    "one class only": ("x,y\n1,a\n2,a\n", {}, "column y: has one class, a; expected two or more"),
    "a class with a single row under stratification": (
        "x,y\n1,a\n2,a\n3,a\n4,b\n", {"test_size": 0.3}, "class b has only one row; prepare."),
    "a test_size that leaves no row of a class": (
        "x,y\n1,a\n2,a\n3,b\n4,b\n", {"test_size": 0.9}, "leaves no row of class a to train on"),
    "a row too short": ("x,c,y\n1,p,a\n2,q\n", {}, "row 3: has 2 columns, expected 3"),
    "a row too long": ("x,c,y\n1,p,a\n2,q,b,9\n", {}, "row 3: has 4 columns, expected 3"),
    "a first row too long": ("x,c,y\n1,p,a,9\n2,q,b\n", {}, "row 2: has 4 columns, expected 3"),
    "a row too short where gaps are filled": (
        "x,c,y,z\n1,p,a,1\n2,q,b\n", {"missing": "impute"}, "row 3: has 3 columns, expected 4"),
    "a stray delimiter": ("x,y\n1,a\n2,b,\n", {}, "row 3: has 3 columns, expected 2"),
    "a stray delimiter on every row": ("x,y\n1,a,\n2,b,\n", {}, "row 2: has 3 columns, expected 2"),
    "a quote that is not closed": (
        'x,y\n1,a\n2,"b\n3,a\n', {}, "row 3: has a quote that is not closed"),
    "a quote that opens behind a quoted newline": (
        'x,c,y\n1,"p\nq","a\n2,p,b\n', {}, "row 3: has a quote that is not closed"),
    'a line of ""': (GOOD + '""\n', {}, "row 6: has 1 column, expected 3"),
    'a line of "" where gaps are filled': (
        GOOD + '""\n', {"missing": "impute"}, "row 6: has 1 column, expected 3"),
    'a line of "" in a column of text': (
        GOOD + '""\n', {"features": ["c"]}, "row 6: has 1 column, expected 3"),
    "a line of a form feed": ("c,y\np,a\nq,b\n\f\n", {}, "row 4: has 1 column, expected 2"),
    "a line of a no-break space": ("x,y\n1,a\n2,b\n\u00a0\n", {}, "row 4: has 1 column, expected"),
    "rows behind a quoted newline": (
        'x,y\n1,"a\nb"\n2,c\nz,c\n', {}, "row 5, column x: found 'z', expected a number"),
    "rows behind blank lines": ("x,y\n\n1,a\n\n\nz,b\n", {}, "row 6, column x: found 'z'"),
    "rows behind a byte order mark": ("\ufeffx,y\n1,a\nz,b\n", {}, "row 3, column x: found 'z'"),
    "UTF-16": (GOOD.encode("utf-16"), {}, "is UTF-16 text, expected prepare.encoding: utf-16"),
    "Latin-1": ("x,y\n1,ü\n2,b\n".encode("latin-1"), {}, "row 2: is not utf-8 text"),
    "UTF-8 read as ASCII": ("x,y\n1,a\n2,ü\n", {"encoding": "ascii"}, "row 3: is not ascii text"),
    "NUL bytes": (b"x,y\n1,a\n2\0,b\n", {}, "row 3: has a NUL byte; expected a text file"),
    "UTF-8 read as UTF-16": (GOOD, {"encoding": "utf-16"}, "row 1: is not utf-16 text"),
    "a byte order mark of UTF-8 read as Latin-1": (
        "\ufeff" + GOOD, {"encoding": "latin-1"}, "is UTF-8 text, expected prepare.encoding: u"),
    "a binary file": (bytes(range(256)) * 20, {}, "is not utf-8 text"),
    "a PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {}, "row 1: is not utf-8 text"),
    "duplicate column names": ("x,x,y\n1,2,a\n3,4,b\n", {}, "row 1: 2 columns have the name 'x'"),
    "a label column that is missing": (GOOD, {"label": "z"}, "prepare.label: no column 'z' among"),
    "a label position out of range": (
        GOOD, {"label": 3}, "prepare.label: no column 3 among x, c, y"),
    "a feature that is missing": (GOOD, {"features": ["q"]}, "prepare.features: no column 'q'"),
    "the label among the features": (
        GOOD, {"features": ["x", "y"]}, "prepare.features: includes the label"),
    "an excluded column that is missing": (
        GOOD, {"exclude": ["q"]}, "prepare.exclude: no column 'q' among x, c, y"),
    "a pattern that no column matches": (
        GOOD, {"exclude": ["/q/"]}, "prepare.exclude: '/q/' matches none of x, c, y"),
    "a pattern that is none": (
        GOOD, {"exclude": ["/(/"]}, "prepare.exclude: '/(/': missing ), unterminated subpattern"),
    "the label among the excluded": (
        GOOD, {"exclude": ["/./"]}, "prepare.exclude: includes the label"),
    "no column but the label and what is excluded": (
        GOOD, {"exclude": ["x", 1]},
        "there are no columns besides the label y and those in prepare.exclude"),
    "a text column that is missing": (GOOD, {"text": ["q"]}, "prepare.text: no column 'q'"),
    "no column but the label": ("y\na\nb\n", {}, "there are no columns besides the label"),
    "more columns than names": (
        GOOD, {"header": ["x", "y"]}, "has 3 columns, prepare.header names 2"),
    "a header that prepare.header names too": (
        "x, c,y\n1,p,a\n2,q,b\n", {"header": ["x", "c", "y"]},
        "row 1: is a header, set prepare.header: true"),
    "a header that prepare.header names in another case": (
        "C,Y\np,a\nq,b\n", {"header": ["c", "y"]}, "row 1: is a header, set prepare.header"),
    "positions above columns that prepare.header names": (
        "0,1,2\n1,p,a\n2,q,b\n", {"header": ["x", "c", "y"]}, "row 1: is a header, set prepare"),
    "a position that another column's name is read as, by YAML": (
        "001,002,003,y\n5,1,2,a\n6,2,3,b\n", SHAPE | {"features": [1, 2]},
        "prepare.features: 1 is the position of 002, but also the name of another"),
    "a position that another column's name with an underscore is read as": (
        "1_,2_,3_,y\n5,1,2,a\n6,2,3,b\n", SHAPE | {"features": [1]},
        "prepare.features: 1 is the position of 2_, but also the name of another"),
    "a position that is another column's name": (
        "id,0,1,y\n5,1,2,a\n6,2,3,b\n", SHAPE | {"features": [0, 1]},
        "prepare.features: 0 is the position of id, but also the name of another"),
    "a header of which prepare.header names the label": (
        "400,410,y\n1,2,a\n2,3,b\n", {"header": ["u", "v", "y"]}, "row 1: is a header, set"),
    "a word in most rows of a column of numbers": (
        "x,c,y\n" + "".join(f"{n},{n if n % 3 == 0 else 'N/A'},{'ab'[n % 2]}\n" for n in range(9)),
        {}, "column c: has numbers except for 'N/A', which most rows have; if it means no value"),
    "words that most rows of a column of numbers have, up to row 1,001": (
        "x,c,y\n" + "".join(f"{n},{n if n > 1100 else ['-', 'n/a'][n % 2]},{'ab'[n % 2]}\n"
                            for n in range(1200)),
        {}, "column c: has numbers except for '-', 'n/a', which most rows have; if it means no"),
    "a row taken for a header": (
        "5.1,a\n4.9,b\n4.7,a\n", {"label": -1}, "column a: a class has the name of the"),
    "times that float32 does not tell apart": (
        "".join(f"{1_790_000_000 + n if n else 'x'},{'yab'[n and 1 + n % 2]}\n" for n in range(9)),
        {}, "column x: float32 rounds '1790000001' and '1790000002' to the same"),
    "times of which float32 leaves a handful": (
        "x,y\n" + "".join(f"{1_790_000_000 + n},{'ab'[n % 2]}\n" for n in range(600)),
        {}, "column x: float32 rounds '1790000000' and '1790000001' to the same"),
    "times of which float32 leaves a handful, and a zero": (
        "x,y\n0,a\n" + "".join(f"{1_790_000_000 + n},{'ab'[n % 2]}\n" for n in range(600)),
        {}, "column x: float32 rounds '1790000000' and '1790000001' to the same"),
    "numbers too small for float32": (
        "x,y\n1.1e-45,a\n1.2e-45,b\n9e-45,b\n", {},
        "column x: float32 rounds '1.1e-45' and '1.2e-45' to the same number, and all"),
    "an all-missing column": ("x,z,y\n1,,a\n2,NA,b\n", {}, "column z: has no values"),
    "a gap": ("x,y\n1,a\n,b\n", {}, "row 3, column x: has no value (found '')"),
    "a gap that is a number": (
        "x,y\n1,a\n-999.0,b\n", {"na_values": ["-999"]},
        "row 3, column x: has no value (found '-999.0')"),
    "a column of text without a value to train on": (
        "x,c,y\n" + "".join(f"{n},{'p' * (n == 3)},{'ab'[n % 2]}\n" for n in range(20)),
        {"missing": "impute", "test_size": 0.9}, "column c: has no value in any training row"),
    "a column of numbers without a value to train on": (
        "x,z,y\n" + "".join(f"{n},{'7' * (n == 3)},{'ab'[n % 2]}\n" for n in range(20)),
        {"missing": "impute", "test_size": 0.9}, "column z: has no value in any training row"),
    "a gap in text": ("x,c,y\n1,p,a\n2,?,b\n", {}, "row 3, column c: has no value (found '?')"),
    "a gap in the label": (
        "x,y\n1,a\n2,\n", {"missing": "impute"}, "row 3, column y: has no value (found '')"),
    "NaN": ("x,y\n1,a\nNaN,b\n", {}, "row 3, column x: has no value (found 'NaN')"),
    "inf": ("x,y\n1,a\n-inf,b\n", {}, "row 3, column x: found '-inf', expected a number"),
    "1e400": (
        "x,y\n1,a\n1e400,b\n", {}, "row 3, column x: found '1e400', expected a number that fl"),
    "more than float32 holds": (
        "x,y\n1,a\n1e39,b\n", {}, "row 3, column x: found '1e39', expected"),
    "a first number too large": ("x,y\n1e39,a\n1,b\n", {}, "row 2, column x: found '1e39'"),
    "a test_size that holds out no row": (GOOD, {"test_size": 0.01}, "holds out none of 4"),
    "decimal commas": (
        "x;y\n1,5;a\n2,5;b\n", {"delimiter": ";"},
        "row 2, column x: found '1,5', expected a number written like -1234.5 or 6.4e-05"),
    "a decimal comma": (
        "x;y\n1;a\n2,5;b\n", {"delimiter": ";"}, "row 3, column x: found '2,5', expected a"),
    "thousands separated": ('x,y\n1,a\n"1,000",b\n', {}, "row 3, column x: found '1,000'"),
    "thousands separated at first": (
        'x,y\n"1,234.5",a\n2,b\n', {}, "row 2, column x: found '1,234.5', expected a number writ"),
    "thousands apart by spaces": (
        "x;y\n1 000;a\n2 500,5;b\n", {"delimiter": ";"}, "row 2, column x: found '1 000', exp"),
    "thousands apart by apostrophes": (
        "x,y\n1'000,a\n12'500,b\n", {}, "row 2, column x: found \"1'000\", expected a number writ"),
    "thousands apart by dots": (
        "x,y\n1.000.000,a\n2.500.000,b\n", {}, "row 2, column x: found '1.000.000', expected a"),
    "decimal commas with exponents": (
        "x;y\n6,44E-04;a\n7,1E-04;b\n", {"delimiter": ";"}, "column x: found '6,44E-04', expected"),
    "true minus signs": ("x,y\n\u22121.4,a\n\u22120.3,b\n", {}, "column x: found '\u22121.4'"),
    "only full-width digits": ("x,y\n\uff11,a\n\uff12,b\n", {}, "column x: found '\uff11', exp"),
    "hexadecimal numbers": ("x,y\n0x1f,a\n0x2E,b\n", {}, "column x: found '0x1f', expected a numb"),
    "prices": ("x,y\n$5,a\n-$6.50,b\n", {}, "column x: found '$5', expected a number written lik"),
    "shares": ("x,y\n5 %,a\n6.5%,b\n", {}, "column x: found '5 %', expected a number written lik"),
    "an underscore": ("x,y\n1,a\n1_0,b\n", {}, "row 3, column x: found '1_0', expected a number;"),
    "a no-break space before a number": (
        "x,y\n1,a\n\u00a02,b\n", {}, "row 3, column x: found '\\xa02', expected a number"),
    "full-width digits": ("x,y\n1,a\n\uff12,b\n", {}, "row 3, column x: found '\uff12', expected"),
    "text before numbers": (
        "x,y\nN/A,a\n1,b\n2,a\n", {},
        "row 2, column x: found 'N/A', expected a number; if it means no value, see "
        "prepare.na_values; if the column is text, prepare.text"),
    "hexadecimal": ("x,y\n1,a\n0x10,b\n", {}, "row 3, column x: found '0x10', expected a number"),
    "text among numbers in row 9,999": (
        MANY + "oops,a\n", {}, "row 9999, column x: found 'oops', expected a number"),
    "10,001 categories": (
        NAMES, {}, "column c: has more than 1000 different values (prepare.max_categories); if it"),
    "10,001 classes": (
        NAMES, {"label": "c"}, "(prepare.max_categories); is this the column to predict (prepare."),
    "a delimiter that is not the file's": (
        GOOD, {"delimiter": ";"}, "prepare.label: no column 'y'"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_one_line_and_the_earlier_result_stays(prepared, case):
    table, settings, words = TABLES[case]
    folder = prepared(GOOD, **SHAPE)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as raised:
        prepared(table, **(SHAPE | settings))
    line = str(raised.value)
    assert words in line
    assert "\n" not in line
    assert line.startswith(("data/raw.csv: ", "prepare."))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not list(folder.parent.glob("*.tmp"))


def test_all_that_is_wrong_with_a_table_is_told_at_once(prepared):
    rows = "".join(
        f"p{n},${n},{'' if n % 4 == 2 else n % 7},{n // 2},{'ab'[n % 2]}\n" for n in range(40)
    )
    with pytest.raises(UserError) as raised:
        prepared(f"name,price,age,ok,y\n{rows}", **SHAPE)
    assert raised.value.lines().splitlines() == [
        "error: data/raw.csv: column name: has 40 different values in 40 rows; if it names the "
        "rows, prepare.exclude leaves it out; if it is text, see prepare.text",
        "  row 2, column price: found '$0', expected a number written like -1234.5 or 6.4e-05; if "
        "it means no value, see prepare.na_values; if the column is text, prepare.text; if "
        "dates or numbers are written like this, prepare.dates or prepare.numbers (as in 40 rows)",
        "  row 4, column age: has no value (found ''); prepare.missing says what to do about gaps "
        "(as in 10 rows)",
    ]


def test_of_many_wrong_columns_the_first_are_told(prepared):
    names, cells = (",".join(each * n for n in range(1, 31)) for each in ("c", "$"))
    with pytest.raises(UserError) as raised:
        prepared(f"{names},y\n" + f"{cells},a\n{cells},b\n" * 9, **SHAPE | {"numbers": {
            "c" * n: "1,234.5" for n in range(1, 31)}})  # fmt: skip
    lines = raised.value.lines().splitlines()
    assert (len(lines), lines[-1]) == (21, "  and 10 more columns")


PARAMS = {
    "negative test_size": (
        "test_size: 0.0",
        "test_size: -0.5",
        "prepare.test_size: -0.5: should be",
    ),
    "epochs 0": ("epochs: 150", "epochs: 0", "train.epochs: 0: should be greater than or equal"),
    "unknown activation": ("relu", "rely", "train.activation: 'rely': should be 'elu', "),
    "unknown optimizer": ("adam", "adan", "train.optimizer: 'adan': should be "),
    "seed out of range": (
        "42\n  validation",
        "4294967296\n  validation",
        "train.seed: 4294967296: ",
    ),
    "unknown encoding": ("utf-8", "utf-88", "prepare.encoding: 'utf-88': should be an encoding"),
    "two delimiters": ('delimiter: ","', 'delimiter: ",,"', "prepare.delimiter: ',,': "),
}


@pytest.mark.parametrize("case", PARAMS)
def test_a_bad_param_is_one_line(fresh: Clone, case):
    old, new, words = PARAMS[case]
    fresh.edit("params.yaml", old, new)
    done = fresh.stage("fetch", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: params.yaml: {words}")
    assert done.stderr.count("\n") == 1


# Stands in for a full disk: no file may grow beyond so many bytes.
FILE_SIZES = {"fetch": 300, "prepare": 300, "train": 10_000, "evaluate": 300}


def slow(*arguments: str) -> Any:
    return pytest.param(*arguments, marks=pytest.mark.slow)


@pytest.mark.parametrize("stage", ["fetch", "prepare", slow("train"), slow("evaluate")])
def test_a_full_disk_is_one_line_and_the_earlier_result_stays(copied: Clone, stage):
    before, size = copied.files(), FILE_SIZES[stage]
    done = copied.run("prlimit", f"--fsize={size}", "python", "-m", f"stages.{stage}", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert copied.files() == before


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("fetch", "data"),
        ("prepare", "data/raw.csv"),
        slow("train", "models"),
        slow("evaluate", "metrics"),
    ],
)
def test_no_permission_is_one_line_and_the_earlier_result_stays(copied: Clone, stage, path):
    before, mode = copied.files(), (copied.path / path).stat().st_mode
    (copied.path / path).chmod(0o500 if (copied.path / path).is_dir() else 0)
    done = copied.run(*AS_ANYBODY, "python", "-m", f"stages.{stage}", check=False)
    (copied.path / path).chmod(mode)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}")
    assert done.stderr.endswith(": Permission denied\n")
    assert done.stderr.count("\n") == 1
    assert copied.files() == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1"], "found 1 value, expected 2 (x, c)"),
        (["1", "p", "2"], "found 3 values, expected 2 (x, c)"),
        (["x", "p"], "x: found 'x', expected a number"),
        (["", "p"], "x: has no value (found '')"),
        (["\uff12", "p"], "x: found '\uff12', expected a number written like -1234.5 or 6.4e-05"),
        (["1", ""], "c: has no value (found '')"),
        (["1", "new"], "c: found 'new', which the model was not trained on (known: p, q)"),
    ],
)
def test_a_bad_row_is_one_line(prepared, values, words):
    schema = Schema.load(Path(prepared(GOOD, **SHAPE), "schema.json"))
    with pytest.raises(UserError) as raised:
        schema.row(values)
    assert str(raised.value) == words


def test_an_unknown_category_is_none_of_the_known_ones_if_the_params_say_so(prepared):
    schema = Schema.load(prepared(GOOD, **SHAPE, unknown="ignore") / "schema.json")
    assert schema.encode(schema.row(["1", "new"])).tolist() == [[1, 0, 0]]


def test_a_file_that_is_not_there_is_no_value_of_the_only_feature(prepared):
    schema = Schema.load(prepared(GOOD, **SHAPE, features=["c"], unknown="ignore") / "schema.json")
    with pytest.raises(
        UserError, match=r"flwers.csv: no such file; expected one, or 1 value \(c\)"
    ):
        file_named(["flwers.csv"], schema)
    assert file_named(["new"], schema) is None
    with pytest.raises(UserError, match="expected the values of a row or one file"):
        file_named(["a.csv", "b.csv"], schema)


# what new rows may be | the rows | what is said of them
LISTED = {"header": ["x", "c", "y"], "label": "y"}
NEW_ROWS = {
    "a header in another case": ("X,C\n1,p\n", "row 1: has no column 'x'"),
    "a header of positions": ("0,1\n1,p\n", "row 1: found positions, expected x, c"),
    "an index in front, and no label": ("0,1,p\n1,2,q\n", "row 1: column y: found 'p', which the"),
    "the same from the second row on": ("0,1,a\n1,2,q\n", "row 2: column y: found 'q', which the"),
}


@pytest.mark.parametrize("case", NEW_ROWS)
def test_new_rows_that_are_not_as_the_known_ones_are_one_line(prepared, tmp_path, case):
    rows, words = NEW_ROWS[case]
    folder = prepared("1,p,a\n2,q,b\n", **LISTED, unknown="ignore")
    (tmp_path / "new.csv").write_text(rows)
    with pytest.raises(UserError, match=re.escape(f"new.csv: {words}")):
        open_new_rows(tmp_path / "new.csv", Schema.load(folder / "schema.json"), needs_label=False)


def test_an_index_in_front_of_new_rows_is_told(prepared, tmp_path, capsys):
    """Where the last of the features looks like a class, it is in the place of the label."""
    folder = prepared("1,0,0\n0,1,1\n", header=["u", "v", "y"], label="y")
    (tmp_path / "new.csv").write_text("0,7,0\n1,8,1\n")
    open_new_rows(tmp_path / "new.csv", Schema.load(folder / "schema.json"), needs_label=False)
    assert "new.csv: column 1 counts the rows; if it is an index" in capsys.readouterr().err


def test_a_category_may_be_named_as_a_column(prepared, tmp_path):
    folder = prepared("1,C,a\n2,q,b\n", **LISTED)
    (tmp_path / "new.csv").write_text("3,C\n4,q\n")
    schema = Schema.load(folder / "schema.json")
    (chunk,) = open_new_rows(tmp_path / "new.csv", schema, needs_label=False).chunks()
    assert chunk.numbers.tolist() == [[3], [4]]


def test_a_model_and_a_schema_that_do_not_fit_are_one_line(copied: Clone):
    copied.edit("params.yaml", "features: null", "features: [0, 1]")
    copied.stage("prepare")
    refused = [copied.stage("evaluate", check=False)]
    refused += [copied.classifier("predict", "1", "2", check=False)]
    for done in refused:
        assert done.returncode == 1
        assert done.stderr.startswith("error: models/classifier.onnx: columns: found [{")
        assert "data/prepared has [{" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:p@ss@host/a.csv", "https://user:***@host/a.csv"),
        ("https://host/a.csv?sig=secret#top", "https://host/a.csv?***"),
        ("data/source/what?.csv", "data/source/what?.csv"),
    ],
)
def test_no_message_and_no_report_shows_a_secret(source, shown):
    assert without_secrets(source) == shown
