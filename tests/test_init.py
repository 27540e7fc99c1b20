"""classifier init: params.yaml for a table that is new here."""

import gzip
import json
import random
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import yaml

from classifier.base.errors import UserError
from classifier.commands.init import look
from classifier.commands.init.columns import look_at
from classifier.commands.init.command import with_settings
from classifier.commands.init.look import gaps, look_at_table
from classifier.commands.init.shape import layout_of
from classifier.params import parse_params
from classifier.table.cells import NA_VALUES, Layout
from stages import prepare
from tests.conftest import ROOT

LAYOUT = Layout(delimiter=",", encoding="utf-8", header=True, na_values=NA_VALUES)
PARAMS = (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "delimiter", "encoding", "header"),
    [
        ("a,b\n1,x\n2,y\n", ",", "utf-8", True),
        ("1,x\n2,y\n", ",", "utf-8", False),
        ("a;b\n1,5;x\n2,5;y\n", ";", "utf-8", True),
        ("a\tb c\n1\tx, y\n2\ty\n", "\t", "utf-8", True),
        ("name|kind\np|x\nq|y\n", "|", "utf-8", True),
        ("p,x\nq,x\np,y\n", ",", "utf-8", False),
        ("x,p\nx,q\ny,p\n", ",", "utf-8", False),
        (",a,b\n0,1,x\n1,2,y\n", ",", "utf-8", True),
        ("0,1,2\n5,1,x\n6,2,y\n", ",", "utf-8", True),
        ("0,1,y\n5,1,a\n6,2,b\n5,1,a\n6,2,b\n", ",", "utf-8", True),
        ("2019,2020,y\n5,1,a\n6,2,b\n5,1,a\n6,2,b\n", ",", "utf-8", True),
        ("5,1,a\n5,1,b\n6,2,b\n5,1,a\n6,2,b\n", ",", "utf-8", False),
        ("x,y\n1,y\n2,z\n", ",", "utf-8", True),
        (",,x,y\n1,2,3,a\n2,3,4,b\n", ",", "utf-8", True),
        ("x,2019,y\n1,2,a\n2,3,b\n", ",", "utf-8", True),
        ("NA,2,a\n1,2,a\n2,3,b\n", ",", "utf-8", False),
        ("?,2,a\n1,2,a\n2,3,b\n", ",", "utf-8", False),
        ("unknown,2,a\n1,2,a\n2,3,b\n", ",", "utf-8", False),
        ("2021-03-01,2,0\n2021-03-01,3,1\n2021-03-02,4,1\n", ",", "utf-8", False),
        ("$2.50,2,0\n$2.50,3,1\n$1.99,4,1\n", ",", "utf-8", False),
        ("at,2021-03-01,y\n2021-03-01,3,b\n2021-03-02,4,b\n", ",", "utf-8", True),
        ("x,red\n?,red\n2,blue\n", ",", "utf-8", True),
        ("missing,y\n1,a\n2,b\n", ",", "utf-8", True),
        ('a,b\n"1,5",x\n"2;5",y\n', ",", "utf-8", True),
        ("größe,b\n1,x\n2,y\n".encode("cp1252"), ",", "cp1252", True),
        ("größe,b\n1,x\n2,y\n".encode("utf-16"), ",", "utf-16", True),
        ("\ufeffa,b\n1,x\n2,y\n", ",", "utf-8", True),
    ],
)
def test_how_a_file_is_written_is_seen(tmp_path, text, delimiter, encoding, header):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = layout_of(path)
    assert (found.delimiter, found.encoding, found.header) == (delimiter, encoding, header)


ROWS = range(40)


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        ([f"{n % 7}.5" for n in ROWS], "number", "numbers"),
        ([str(n) for n in ROWS], "left out", "counts the rows: a row number?"),
        ([f"P-{n}" for n in ROWS], "left out", "40 different values in 40 rows: row names?"),
        ([f"{n % 7:03d}" for n in ROWS], "digits", "leading zeros, as in '000'"),
        ([f"2021-03-{n % 28 + 1:02d}" for n in ROWS], "date", "as '2021-03-01'"),
        ([f"202103{n % 28 + 1:02d}" for n in ROWS], "date", "as '20210301'"),
        ([f"{n % 28 + 1}/12/2021" for n in ROWS], "date", "as '1/12/2021'"),
        (
            [f"{n % 12 + 1}/{n % 9 + 1}/2021" for n in ROWS],
            "left out",
            "say which in prepare.dates",
        ),
        ([f"{n % 9 + 1}/{n % 9 + 1}/2021" for n in ROWS], "left out", "say which in prepare.dates"),
        ([f"{n % 28 + 1}.12.45" for n in ROWS], "left out", "'1.12.45' has a year of two digits"),
        ([f"MAY {n % 9 + 2010}" for n in ROWS], "category", "9 values: MAY 2010, MAY 2011"),
        ([f"{n % 9}{'%' * (n % 2)}" for n in ROWS], "left out", "in several units: '1%', '0'"),
        (
            [f"{555 + n} {n:03d} {n:03d}" for n in ROWS],
            "left out",
            "grows from row to row, as '555",
        ),
        ([f"0,{745 + n * n % 89}" for n in ROWS], "amount", "as '0,745'"),
        ([f"{n * 7 % 41 + 1} 880" for n in ROWS], "amount", "as '1 880'"),
        ([f"{n % 7}.5" for n in ROWS] + ["inf"], "left out", "numbers except for inf: if it means"),
        ([f"030 {n % 9:03d} 555" for n in ROWS], "digits", "9 values, numbers"),
        (["0", "1", "2+", "3"] * 10, "digits", "4 values, numbers except for 2+"),
        ([f"{n * n}.5" for n in ROWS] + ["Total"], "left out", "numbers except for 'Total': gaps?"),
        ([f"{'$€'[n % 2]}{n % 9}" for n in ROWS], "left out", "several units: '$0', '€1'"),
        ([f"${n % 9 + 1},000.50" for n in ROWS], "amount", "as '$1,000.50'"),
        ([f"{n % 9},5" for n in ROWS], "amount", "as '0,5'"),
        ([f"{n % 9 + 1},000" for n in ROWS], "left out", "say which in prepare.numbers"),
        (["yes", "no"] * 20, "category", "2 values: yes, no"),
        (["same", ""] * 20, "left out", "the only value is 'same'"),
        (["2021-03-05"] * 40, "left out", "the only value is '2021-03-05'"),
        ([""] * 40, "left out", "no values"),
    ],
)
def test_what_a_column_holds_is_seen_and_said_why(cells, kind, why):
    found = look_at("x", cells, LAYOUT, 1000)
    assert found.meaning.kind == kind
    assert why in found.meaning.why


def test_words_for_gaps_are_seen_in_their_column():
    cells = ["1", "2", "N/A", "3.5", "-", "2", ""] * 6
    found = look_at("x", cells, LAYOUT, 1000)
    assert (found.meaning.kind, {*found.words}, found.gaps) == ("number", {"-", "N/A"}, 18)
    assert gaps(look_at("x", ["DE", "NA", "", "FR"] * 9, LAYOUT, 1000)) == (
        "; 18 without a value, such as NA"
    )
    odd = look_at("x", ["1", "2", "3", "unknown", "4", "5"] * 6, LAYOUT, 1000)
    assert (odd.meaning.kind, {*odd.words}) == ("number", {"unknown"})
    kept = look_at("x", ["none", "some", "N/A", "some"] * 9, LAYOUT, 1000)
    assert (kept.meaning.kind, {*kept.words}) == ("category", {"N/A"})
    grades = look_at("x", ["1", "2", "90+", "3"] * 9, LAYOUT, 1000)
    assert (grades.meaning.kind, grades.words) == ("digits", Counter())


def test_what_stands_for_a_gap_in_one_column_is_no_value_of_another(tmp_path):
    rows = "".join(
        f"{['1.5', '2', 'none'][n % 3]},{['none', 'some'][n % 2]},{n % 2}\n" for n in ROWS
    )
    (tmp_path / "table.csv").write_text(f"x,c,y\n{rows}")
    found = look_at_table(tmp_path / "table.csv", "y")
    assert [column.meaning.kind for column in found.columns] == ["left out", "category", "label"]
    assert "'none' means no value here, but one of c" in found.columns[0].meaning.why
    assert found.settings()["prepare"]["na_values"] == NA_VALUES
    label = look_at_table(tmp_path / "table.csv", "c")
    assert [column.meaning.kind for column in label.columns] == ["left out", "label", "number"]


def test_of_a_large_table_the_first_rows_are_looked_at_and_it_says_so(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("x,y\n" + "1.5,a\n2.5,b\n" * 20)
    assert "the first" not in "".join(look_at_table(tmp_path / "table.csv", None).lines())
    monkeypatch.setattr(look, "CELLS", 20)
    lines = [*look_at_table(tmp_path / "table.csv", None).lines()]
    assert lines[0] == "the first 10 rows, by which the columns are judged:"
    assert lines[-1].startswith("40 rows, ")


def test_any_value_may_be_a_class(tmp_path):
    rows = "".join(f"{n % 7}.5,{['1', '2', 'unknown'][n % 3]},{n % 5}%\n" for n in ROWS)
    (tmp_path / "table.csv").write_text(f"x,y,share\n{rows}")
    found = look_at_table(tmp_path / "table.csv", "y")
    assert {*found.of_kind("label")[0].values} == {"1", "2", "unknown"}
    assert look_at_table(tmp_path / "table.csv", None).of_kind("label")[0].name == "share"


def test_settings_of_an_earlier_table_do_not_stay(tmp_path):
    (tmp_path / "table.csv").write_text("x,y\n" + "1.5,a\n2.5,b\n" * 20)
    old = PARAMS.replace("check: {} ", "check: {crossval.accuracy.ci95_low: 0.9} ")
    for key, value in [("test_size", 0.2), ("class_weight", "balanced"), ("optimizer", "sgd"),
                       ("validation_fraction", 0.1), ("patience", 5)]:  # fmt: skip
        old = re.sub(rf"(  {key}: )[^ \n]+", rf"\g<1>{value}", old)
    settings = look_at_table(tmp_path / "table.csv", None).settings()
    assert yaml.safe_load(with_settings(old, settings)) == yaml.safe_load(
        with_settings(PARAMS, settings)
    )


@pytest.mark.parametrize("indent", ["  ", "    "])
def test_lists_of_several_lines_are_replaced(indent):
    """As other tools write them; ruamel put the next section on one line with its first key."""
    lines = f"  exclude:       # columns\n{indent}- g\n{indent}- h\n"
    old = re.sub(r"  exclude: .*\n", lines, PARAMS)
    new: dict[str, dict[str, Any]] = {
        "prepare": {"exclude": ["z"], "features": ["x"]},
        "crossval": {"folds": 3},
    }
    written = with_settings(old, new)
    assert "  exclude: [z]      # columns\n" in written
    assert yaml.safe_load(written) == yaml.safe_load(with_settings(PARAMS, new))


def customers(rows: int) -> str:
    """A table as people have it: numbers, names, dates, amounts, codes, gaps."""
    rng, lines = random.Random(0), ["id,name,signed_up,price,zip,plan,age,churned"]
    for n in range(rows):
        churned = rng.random() < 0.3
        day = f"{rng.randint(1, 28):02d}.{rng.randint(1, 12):02d}.{2019 + 2 * churned}"
        price = f'"${rng.randint(100, 3000):,}.{rng.randint(0, 99):02d}"'
        plan, age = rng.choice(["basic", "pro", "N/A"]), rng.choice(["31", "45", "", "n/a"])
        lines.append(f"C{n},Person {n},{day},{price},{n % 9:05d},{plan},{age},{churned}")
    return "\n".join(lines) + "\n"


def test_settings_follow_and_the_table_is_prepared(project):
    folder = project()
    (folder / "data").mkdir()
    (folder / "data/raw.csv").write_text(customers(300))
    found = look_at_table(folder / "data/raw.csv", None)
    settings = found.settings()
    assert settings["prepare"] | {"na_values": None} == {
        "delimiter": ",", "encoding": "utf-8", "header": True, "label": "churned",
        "features": None, "exclude": ["id", "name"], "text": ["zip"],
        "dates": {"signed_up": "%d.%m.%Y"}, "numbers": {"price": "1,234.5"}, "group": None,
        "time": None, "na_values": None,
        "missing": "impute", "unknown": "ignore", "max_categories": 1000, "test_size": 0.0,
    }  # fmt: skip
    assert {"N/A", "n/a"} < {*settings["prepare"]["na_values"]}
    (folder / "params.yaml").write_text(with_settings(PARAMS, settings))
    prepare.main()
    schema = json.loads((folder / "data/prepared/schema.json").read_text())
    assert [feature["name"] for feature in schema["features"]] == [
        "signed_up", "price", "zip", "plan", "age",
    ]  # fmt: skip
    assert found.inputs == np.load(folder / "data/prepared/train/features.npy").shape[1]


def test_nothing_but_the_seeds_stays_of_another_table(project):
    table = project() / "table.csv"
    table.write_text("x,y\n1.5,a\n2.5,b\n")
    settings = look_at_table(table, "y").settings()
    params = yaml.safe_load(PARAMS)
    kept = {section: params[section].keys() - settings[section].keys() for section in settings}
    assert kept == {key: {"seed"} for key in ("prepare", "crossval", "train")}


def test_comments_and_all_other_lines_stay():
    written = with_settings(PARAMS, {"prepare": {"label": "kind", "exclude": ["id"], "dates": {}}})
    old, new = PARAMS.splitlines(), written.splitlines()
    differing = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert [b.split("#")[0].strip() for _, b in differing] == ["label: kind", "exclude: [id]"]
    assert all(a.split("#")[1] == b.split("#")[1] for a, b in differing)
    assert with_settings(PARAMS, {"fetch": {"sha256": None}}).count("sha256: null ") == 1


def test_any_setting_is_read_as_it_was_meant():
    settings = {"prepare": {
        "delimiter": "\t", "na_values": ["", "-", "no", "1e5", "null", "#N/A"],
        "dates": {"a: b": "%Y-%m-%d", "#c": "%d.%m.%Y"}, "numbers": {"x": "1 234,5"},
        "exclude": ["yes", "0", "id:row", "12:30", "http://x", "a?", "?a", ":a", "a\x85b", "- a"],
        "label": 3, "text": ["since?", "null", "{x}", "a, b", "größe"],
    }}  # fmt: skip
    read = parse_params(with_settings(PARAMS, settings), "params.yaml").prepare
    assert {key: getattr(read, key) for key in settings["prepare"]} == settings["prepare"]


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("a,b\n1,x\n2,y\n", "c", "--label: no column 'c' among a, b"),
        ("a,b\n1,x\n2,x\n", "b", "--label: column b has fewer than two different values"),
        ("a,b\n1.5,x\n2.5,y\n", None, "no column has few values; name the column to predict w"),
        ("a,b\n1.5,x\n2.5,\n2,y\n", "b", "column b, the label, has no value in 1 rows; remove"),
        ("a,b\n1,x\n2,y,z\n", "b", "row 3: has 3 columns, expected 2"),
        ("", None, "table.csv: has no rows, expected a table"),
        ('a,b,c\n1,"2,x\n2,3,y\n', "c", "row 2: has a quote that is not closed"),
        ("a,b\n1,\0x\n2,y\n", "b", "row 2: has a NUL byte; expected a text file"),
        ("x,x,y\n1,2,a\n2,3,b\n", "y", "row 1: more than one column has the name 'x'"),
        ("b\nx\ny\n", "b", "table.csv: has one column only, expected a table"),
        ("a,b\n1,x\n1,y\n", "b", "there is nothing to predict b from"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, text, label, words):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(UserError) as raised:
        look_at_table(tmp_path / "table.csv", label)
    assert words in str(raised.value)


@pytest.mark.slow
def test_a_table_is_classified_at_the_first_try_and_new_rows_too(copied):
    (copied.path / "data/source/customers.csv").write_text(customers(300))
    done = copied.classifier("init", "data/source/customers.csv")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "left", "out", "300", "different", "values", "in", "300",
                                "rows:", "row", "names?"]  # fmt: skip
    assert lines[-1] == "params.yaml is written; now run `dvc repro`"
    copied.dvc("repro")
    summary = copied.read("metrics/summary.md").replace("\u00a0", " ")
    assert summary.startswith("- predicts churned (2 classes) from 5 columns; 300 training rows")
    row = 'signed_up,price,zip,plan,age\n05.05.2021,"$9,000.00",99999,gold,\n'
    (copied.path / "new.csv").write_text(row)
    predicted = copied.classifier("predict", "new.csv").stdout.splitlines()[1]
    assert predicted.startswith('05.05.2021,"$9,000.00",99999,gold,,True,')


def test_a_compressed_table_that_is_cut_off_is_one_line(copied):
    packed = copied.path / "data/source/iris.csv.gz"
    packed.write_bytes(gzip.compress((ROOT / "data/source/iris.data").read_bytes())[:-9])
    done = copied.classifier("init", "data/source/iris.csv.gz", check=False)
    assert (done.returncode, done.stderr) == (
        1, "error: fetch.source: data/source/iris.csv.gz: is cut off or damaged\n",
    )  # fmt: skip


@pytest.mark.parametrize("content", ["prepare: [", "prepare: {}\n"])
def test_params_that_are_damaged_are_told_for_a_folder_of_parts_too(copied, content):
    (copied.path / "data/source/parts").mkdir()
    (copied.path / "data/source/parts/1.csv").write_text("x,y\n" + "1,a\n2,b\n" * 9)
    (copied.path / "params.yaml").write_text(content)
    done = copied.classifier("init", "data/source/parts", "--force", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: params.yaml: ")


def test_settings_that_are_not_committed_are_kept(copied):
    copied.edit("params.yaml", "epochs: 150", "epochs: 151")
    before = copied.read("params.yaml")
    refused = copied.classifier("init", "data/source/penguins.csv", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: params.yaml: has uncommitted changes; --force replaces them\n"
    )
    assert copied.read("params.yaml") == before
    copied.git("update-index", "--assume-unchanged", "params.yaml")
    assert copied.git("status", "--porcelain") == ""
    refused = copied.classifier("init", "data/source/penguins.csv", check=False)
    assert "has uncommitted changes" in refused.stderr
    copied.classifier("init", "data/source/penguins.csv", "--label", "species", "--force")
    params = yaml.safe_load(copied.read("params.yaml"))
    assert (params["prepare"]["label"], params["train"]["members"]) == ("species", 10)
    outside = copied.classifier("init", "README.md", "--force", check=False)
    assert "README.md: is not under data/source" in outside.stderr
