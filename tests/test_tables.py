"""Any table: text columns, gaps, many classes and attributes; what is found is kept."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifier.base.errors import UserError
from classifier.evaluating.test_sets import read_test_set
from classifier.findings.of_table import of_left_out
from classifier.preparing import storing
from classifier.rows.dataset import Kinds, open_dataset
from classifier.table import csv_text, reader
from classifier.table.cells import Layout
from classifier.table.opening import open_new_rows
from classifier.table.schema import Schema
from tests.test_prepare import load

GAPPY = """size,colour,old,kind
1,red,True,a
,blue,False,b
3,,True,a
5,red,True,b
"""
NAMED = {"header": True, "label": "kind"}


def schema_of(folder: Path) -> Schema:
    return Schema.load(folder / "schema.json")


def test_text_and_booleans_become_one_input_a_category(prepared):
    text = GAPPY.replace(",blue", "2,blue").replace("3,,", "3,blue,")
    folder = prepared(text, **NAMED)
    assert schema_of(folder).input_names() == [
        "size", "colour=red", "colour=blue", "old=True", "old=False",
    ]  # fmt: skip
    assert load(folder, "train")[0].tolist() == [
        [1, 1, 0, 1, 0],
        [2, 0, 1, 0, 1],
        [3, 0, 1, 1, 0],
        [5, 1, 0, 1, 0],
    ]


def test_gaps_are_an_error_unless_the_params_say_what_to_do(prepared):
    with pytest.raises(UserError, match=r"row 3, column size: has no value"):
        prepared(GAPPY, **NAMED)


def test_rows_with_gaps_are_dropped(prepared):
    folder = prepared(GAPPY, **NAMED, missing="drop", features=["size", "colour"])
    assert load(folder, "train")[0].tolist() == [[1, 1], [5, 1]], "blue is in no row that is left"
    assert schema_of(folder).counts == {"train": {"a": 1, "b": 1}}


def test_rows_with_gaps_that_a_test_set_lost_are_a_finding(prepared, tmp_path):
    """Not just a line as it is read, which a run from DVC's cache does not write."""
    folder = prepared(GAPPY, **NAMED, missing="drop", features=["size", "colour"])
    (tmp_path / "new.csv").write_text(GAPPY)
    schema = schema_of(folder).model_copy(update={"unknown": "ignore"})
    rows = read_test_set(schema, tmp_path / "new.csv", tmp_path / "rows")
    assert (len(rows), rows.left_out) == (2, 2)
    (finding,) = of_left_out("new", rows)
    assert (finding.level, finding.seen) == ("warning", "new: rows with gaps left out: 2 of 4")
    assert not [*of_left_out("train", open_dataset(folder / "train"))]


def test_gaps_are_left_for_the_model_to_fill(prepared):
    folder = prepared(GAPPY, **NAMED, missing="impute", features=["size", "colour"])
    rows = [[1, 1, 0], [np.nan, 0, 1], [3, np.nan, np.nan], [5, 1, 0]]
    np.testing.assert_array_equal(load(folder, "train")[0], rows)
    assert open_dataset(folder / "train").kinds == Kinds(
        texts=((1, 3),), gaps=True, classes=("a", "b")
    )
    schema = schema_of(folder)
    np.testing.assert_array_equal(schema.encode(schema.row(["", "?"])), [[np.nan] * 3])


def test_numbers_may_stand_for_gaps_however_they_are_written(prepared):
    text = "size,kind\n1,a\n-999,b\n-999.0,a\n-9.99e2,b\n5,b\n"
    folder = prepared(text, **NAMED, missing="impute", na_values=[" -999 "])
    rows = [[1], [np.nan], [np.nan], [np.nan], [5]]
    np.testing.assert_array_equal(load(folder, "train")[0], rows)
    schema = schema_of(folder)
    assert np.isnan(schema.encode(schema.row(["-999.00"])))


@pytest.mark.parametrize("gap", ["", "n/a", "n/a  ", "\u00a0"])
def test_white_space_around_a_gap_does_not_matter(prepared, monkeypatch, gap):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8)
    text = f"size,kind\n1,a\n5,b\n3,a\n4,b\n2,a\n{gap},b\n"
    folder = prepared(text, **NAMED, missing="impute", na_values=["", "n/a "])
    rows = [[1], [5], [3], [4], [2], [np.nan]]
    np.testing.assert_array_equal(load(folder, "train")[0], rows)


def test_most_values_decide_whether_a_column_is_text(prepared):
    folder = prepared("code,kind\n1,a\nB2,b\nC3,a\n", **NAMED)
    assert schema_of(folder).input_names() == ["code=1", "code=B2", "code=C3"]


def test_gaps_in_the_last_column_do_not_make_it_read_the_table_again(prepared, monkeypatch):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8)
    reading = Mock(side_effect=csv_text.open_text, autospec=True)
    monkeypatch.setattr(csv_text, "open_text", reading)
    prepared("kind,size\na,0.5\na,0.25\n" + "b,\n" * 20, **NAMED, missing="impute")
    assert reading.call_count == 3, "for the names, the kinds of columns, and the first row"


@pytest.fixture
def chunks(tmp_path, monkeypatch):
    """Reads a table of the columns k, of text, and x, of numbers, gaps allowed; returns both."""

    def chunks(content: str | bytes, block_bytes: int = 2**21, **layout: object):
        monkeypatch.setattr(reader, "BLOCK_BYTES", block_bytes)
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        plain = {"delimiter": ",", "encoding": "utf-8", "header": False, "na_values": [""]}
        of_two = reader.Table(path, Layout.model_validate(plain | layout), ["k", "x"], ["x"], [])
        read = list(of_two.chunks())
        rows = [row for chunk in read for row in chunk.lines.decode().splitlines() if row]
        assert len(rows) >= sum(map(len, read))
        return (
            [str(cell) for chunk in read for cell in chunk.texts["k"]],
            [float(number) for chunk in read for number in chunk.numbers[:, 0]],
        )

    return chunks


@pytest.mark.parametrize("block_bytes", [1, 2**21])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(chunks, line_end, block_bytes):
    content = line_end.join(["a,1", '"b', 'c",2', "", "d,3"])
    texts, numbers = chunks(content, block_bytes)
    assert (texts, numbers) == (["a", f"b{line_end}c", "d"], [1, 2, 3])
    assert np.isnan(chunks(line_end.join(["a,1", "b,", "c,3"]), block_bytes)[1]).tolist() == [
        False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("block_bytes", [1, 2**21])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,1\nb\nc,2\n", "row 2: has 1 column, expected 2"),
        ("a,1\nb,2,3\nc,2\n", "row 2: has 3 columns, expected 2"),
        ("a,1\nb\0c,5\n", "row 2: has a NUL byte"),
        (b"a,1\nb\xff,5\n", "row 2: is not utf-8 text"),
        ('a,1\n"b,5\n', "row 2: has a quote that is not closed"),
    ],
)
def test_a_fault_is_found_in_any_block(chunks, content, words, block_bytes):
    with pytest.raises(UserError, match=words):
        chunks(content, block_bytes)


def test_a_file_that_ends_within_a_character_is_refused(chunks):
    with pytest.raises(UserError, match="is not utf-16 text"):
        chunks("a,1\nb,23".encode("utf-16")[:-1], encoding="utf-16")


def test_a_tab_before_a_quote_makes_it_part_of_the_cell(chunks):
    assert chunks('\t"a,1\n"b\nc",2\nd,3\n', 12) == (['\t"a', "b\nc", "d"], [1, 2, 3])


def test_blank_lines_before_the_header_may_fill_a_block(chunks):
    assert chunks("\n" * 50 + "k,x\na,1\n", 8, header=True) == (["a"], [1])


def test_categories_are_those_of_the_rows_trained_on_in_the_order_of_these(prepared, monkeypatch):
    text = "x,colour,kind\n,green,a\n1,red,a\n2,blue,b\n3,red,b\n4,grey,\n5,blue,a\n"
    for block_cells in (storing.BLOCK_CELLS, 0):
        monkeypatch.setattr(storing, "BLOCK_CELLS", block_cells)
        folder = prepared(text, **NAMED, missing="drop")
        assert schema_of(folder).input_names() == ["x", "colour=red", "colour=blue"]
        rows = [[1, 1, 0], [2, 0, 1], [3, 1, 0], [5, 0, 1]]
        assert load(folder, "train")[0].tolist() == rows


def test_a_column_without_a_name_is_found_again(prepared):
    schema = schema_of(prepared(",x,y\n0,3,a\n1,4,b\n", header=True, label="y"))
    (chunk,) = open_new_rows(Path("data/raw.csv"), schema, needs_label=True).chunks()
    assert chunk.numbers[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("gap", "other"), [("99999999", "100000000"), ("1.0e-60", "0"), ("0.1", "0.10000000149")]
)
def test_a_number_that_stands_for_a_gap_is_no_other_number(prepared, gap, other):
    text = f"x,y\n{other},a\n5,b\n{gap},b\n +{gap},a\n"
    folder = prepared(text, header=True, label="y", missing="drop", na_values=[gap])
    assert load(folder, "train")[0].tolist() == [[np.float32(other)], [5]]


def test_large_numbers_that_float32_tells_apart_are_no_fault(prepared):
    """Few would fit between them, but none is lost."""
    text = "x,z,y\n" + "".join(f"{10**6 + n % 2},7.1,{'aab'[n % 3]}\n" for n in range(12))
    folder = prepared(text, header=True, label="y")
    assert load(folder, "train")[0][:2, 0].tolist() == [10**6, 10**6 + 1]


def test_a_name_with_any_line_break_is_in_quotes(prepared):
    folder = prepared('x,y\n1,"a\rb"\n2,"c\nd"\n', header=True, label="y")
    rows = [*csv.reader((folder / "preview.csv").open(newline=""))]
    assert rows[0] == ["x", "a\rb", "c\nd"]
    assert len(rows) == 3


def test_columns_that_are_named_by_numbers_are_found_again(prepared):
    """As pandas names them where a table had no header."""
    schema = schema_of(prepared("0,1,2\n5,3,a\n6,4,b\n", header=True, label="2"))
    for needs_label in (True, False):
        (chunk,) = open_new_rows(Path("data/raw.csv"), schema, needs_label).chunks()
        assert chunk.numbers.tolist() == [[5, 3], [6, 4]]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_first_cell_that_is_empty_moves_no_other(prepared, end):
    text = end.join(["id,x,y", ",1,a", "7,2,b", ""])
    schema = schema_of(prepared(text, header=True, label="y", features=["x"]))
    assert list(schema.counts["train"]) == ["a", "b"]
    assert load(Path("data/prepared"), "train")[0].tolist() == [[1], [2]]
    chunks = open_new_rows(Path("data/raw.csv"), schema, needs_label=False).chunks()
    assert [row for chunk in chunks for row in chunk.numbers.tolist()] == [[1], [2]]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda schema: schema["features"].append(schema["features"][0]), ": see its features"),
        (lambda schema: schema["features"].clear(), ": see its features"),
        (lambda schema: schema["classes"].append("a"), ": see its classes"),
        (lambda schema: schema["classes"].pop(), ": see its classes"),
        (lambda schema: schema["columns"].append("size"), ": see its columns"),
        (lambda schema: schema.update(label="size"), ": see its label"),
        (lambda schema: schema["features"][1]["categories"].append("red"),
         ": see its categories of colour"),
        (lambda schema: schema["features"][1]["categories"].append(" new "),
         ": see its categories of colour"),
        (lambda schema: schema["features"][0].update(fill=1.0), ""),
        (lambda schema: schema["counts"]["train"].pop("a"), ": see its counts"),
        (lambda schema: schema["counts"]["train"].update(a=0), ": see its counts"),
        (lambda schema: schema["layout"].update(delimiter="ab"), ""),
        (lambda schema: schema["layout"].update(delimiter="\n"), ""),
        (lambda schema: schema["layout"].update(encoding="rot13"), ""),
    ],
)  # fmt: skip
def test_a_schema_is_checked_like_any_other_input(prepared, change, part):
    path = prepared("size,colour,kind\n1,red,a\n2,blue,b\n", **NAMED) / "schema.json"
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema))
    with pytest.raises(UserError, match=f"schema.json: is not a schema that prepare wrote{part}$"):
        Schema.load(path)


def seconds_to_prepare(prepared: Callable[..., Path], columns: int) -> float:
    """Return how long a table of ten rows takes, the last of them bad."""
    head = ",".join([*(f"c{n}" for n in range(columns)), "y"]) + "\n"
    rows = ",".join(["1.5"] * columns)
    text = head + f"{rows},a\n{rows},b\n" * 5 + rows[:-3] + "x,a\n"
    before = time.perf_counter()
    with pytest.raises(UserError, match=f"row 12, column c{columns - 1}: found 'x', expected"):
        prepared(text, header=True, label="y")
    return time.perf_counter() - before


@pytest.mark.slow
def test_time_grows_as_the_columns_do(prepared):
    """Five times as many take five times as long; it was forty times while a list was searched."""
    assert seconds_to_prepare(prepared, 20_000) < 9 * seconds_to_prepare(prepared, 4_000)


def test_columns_can_be_chosen_and_numbers_taken_as_text(prepared):
    folder = prepared("zip,x,id,y\n10,1,8,a\n20,2,9,b\n", header=True, label="y",
                      features=["x", 0], text=["zip"])  # fmt: skip
    assert schema_of(folder).input_names() == ["x", "zip=10", "zip=20"]


@pytest.mark.parametrize("block_bytes", [7, 2**21])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_encoding_and_delimiter(prepared, monkeypatch, encoding, delimiter, block_bytes):
    monkeypatch.setattr(reader, "BLOCK_BYTES", block_bytes)
    text = "größe,art\n1,häuschen\n2,schloß\n".replace(",", delimiter).encode(encoding)
    folder = prepared(
        text, header=True, label="art", delimiter=delimiter, encoding=encoding.removesuffix("-sig")
    )
    schema = schema_of(folder)
    assert (schema.input_names(), schema.classes) == (["größe"], ["häuschen", "schloß"])


def test_a_byte_order_mark_is_no_part_of_a_name(prepared):
    text = "größe,art\n1,ä\n2,b\n".encode("utf-16")
    folder = prepared(text, header=True, label="art", encoding="utf-16-le")
    assert schema_of(folder).input_names() == ["größe"]


def test_quoted_cells_may_hold_delimiters_and_newlines(prepared):
    folder = prepared('x,y\n1,"a, b"\n2,"c\nd"\n', header=True, label="y")
    assert schema_of(folder).classes == ["a, b", "c\nd"]


def test_white_space_around_cells_is_no_part_of_them(prepared):
    folder = prepared("x, c ,y \n1, p ,a \n 2 ,p, a\n3,q,b\n", header=True, label="y")
    assert schema_of(folder).classes == ["a", "b"]
    assert load(folder, "train")[0].tolist() == [[1, 1, 0], [2, 1, 0], [3, 0, 1]]


def test_hundreds_of_classes_and_a_thousand_attributes(prepared):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 1000)).astype(np.float32)
    frame = pd.DataFrame(values)
    frame["label"] = [f"class {row}" for row in range(300)]
    folder = prepared(frame.to_csv(index=False), header=True, label="label")
    features, labels = load(folder, "train")
    assert np.array_equal(features, values)
    assert np.array_equal(labels, np.eye(300))


@pytest.mark.parametrize("flag", ["True", "FALSE"])
def test_a_truth_value_is_no_number_wherever_it_stands(prepared, monkeypatch, flag):
    monkeypatch.setattr(reader, "BLOCK_BYTES", 8)
    with pytest.raises(UserError, match=f"row 42, column size: found '{flag}', expected a number"):
        prepared("size,kind\n" + "1,a\n0,b\n" * 20 + f"{flag},a\n" * 9, **NAMED)


def test_labels_that_are_numbers_stay_as_they_are_written(prepared):
    assert schema_of(prepared("x,y\n1,1.0\n2,01\n", header=True, label="y")).classes == [
        "1.0",
        "01",
    ]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A table of numbers, text, booleans and gaps, with a label of two classes or more."""
    rows = draw(st.integers(2, 12))
    columns: dict[str, list[Any]] = {}
    for place in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([numbers, cells, st.booleans()]))
        column = draw(st.lists(st.none() | kind, min_size=rows, max_size=rows))
        columns[f"column {place}"] = column
    labels = draw(st.lists(st.sampled_from(["x", "y z", "ü", "1"]), min_size=rows, max_size=rows))
    return pd.DataFrame(columns | {"label": ["x", "ü", *labels[2:]]}, dtype=object)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frame=tables(), block_bytes=st.sampled_from([1, 50, 2**21]))
def test_what_pandas_writes_is_prepared_and_the_schema_agrees_row_by_row(
    prepared, monkeypatch, frame, block_bytes
):
    monkeypatch.setattr(reader, "BLOCK_BYTES", block_bytes)
    try:
        folder = prepared(frame.to_csv(index=False), header=True, label="label", missing="impute")
    except UserError as error:
        # A column of nothing but gaps, or of numbers first and text later, is for people to fix.
        assert any(words in str(error) for words in ("no value", "expected a number"))
        return
    schema, (features, labels) = schema_of(folder), load(folder, "train")
    assert labels.argmax(axis=1).tolist() == [schema.classes.index(x) for x in frame.label]
    for row, expected in zip(frame.to_numpy(), features, strict=True):
        texts = ["" if cell is None else str(cell) for cell in row[:-1]]
        np.testing.assert_array_equal(schema.encode(schema.row(texts))[0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["penguins", "digits", "breast_cancer"])
def test_an_example_reaches_the_accuracy_it_states(fresh, name):
    fresh.run("cp", f"examples/{name}.yaml", "params.yaml")
    text = fresh.read("params.yaml")
    accuracy, rows = text.split("# Expect:   accuracy ")[1].split(" held-out")[0].split(" on the ")
    fresh.dvc("repro")
    test = json.loads(fresh.read("metrics/evaluation.json"))["test"]
    assert test["rows"] == int(rows)
    assert test["accuracy"] == pytest.approx(float(accuracy), abs=0.02)
    levels = [found["level"] for found in json.loads(fresh.read("metrics/findings.json"))]
    assert "problem" not in levels
    assert levels.count("warning") <= 2
    assert json.loads(fresh.read("data/prepared/schema.json"))["counts"]["test"]
