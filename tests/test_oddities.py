"""What is odd about a table but may be meant: a line says so, and it is prepared all the same."""

import random
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
import yaml

from classifier.base.errors import UserError
from classifier.evaluating.test_sets import read_test_set
from classifier.table.cells import NA_VALUES, WORDS_FOR_GAPS
from classifier.table.schema import Schema
from tests.conftest import ROOT

NAMED: dict[str, Any] = {"header": True, "label": "y"}
TEXT = "c,y\np,a\nq,b\np,a\nq,b\n"

# what is odd | the table | the params that differ | what is said of it
ODD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "a header that prepare.header denies": (
        TEXT, {"header": False, "label": 1},
        ["row 1: no other row has its class, y; if it is a header, set prepare.header: true"]),
    "a header that prepare.header gives other names": (
        TEXT, {"header": ["colour", "kind"], "label": "kind"},
        ["row 1: no other row has its class, y; if it is a header, set prepare.header: true"]),
    "a header of positions that prepare.header denies": (
        "0,1,2\n5,3,a\n6,4,b\n", {"header": False, "label": 2},
        ["row 1: only numbers the columns; if it is a header, set prepare.header: true"]),
    "a row that is taken for a header": (
        "5.1,3.5,c\n4.9,3,a\n7,3.2,b\n", {"header": True, "label": "c"},
        ["row 1: is read as a header, but its names could be values, such as 5.1; if it is not"]),
    "a row that is taken for a header, with a date and a gap": (
        "2021-03-01,NA,c\n2021-03-02,3,a\n2021-03-03,4,b\n",
        {"header": True, "label": "c", "dates": {"2021-03-01": "%Y-%m-%d"}},
        ["row 1: is read as a header, but its names could be values, such as 2021-03-01; if"]),
    "UTF-8 that is read as Latin-1": (
        "c,y\ngr\u00fcn,a\nrot,b\ngr\u00fcn,a\nrot,b\n", NAMED | {"encoding": "latin-1"},
        ["'gr\u00c3\u00bcn' may be a misread 'gr\u00fcn'; should prepare.encoding be utf-8?"]),
    "another delimiter, where the cells happen to be as many": (
        "5,1;3,5;a\n4,9;3,0;b\n7,1;3,2;b\n", {"header": ["u", "v", "y"], "label": "y"},
        ["column y: every class contains ';'; is that the delimiter?"]),
    "a quote that is closed too late": (
        'x,c,y\n1,"p,a\n2,q",a\n3,q,b\n4,q,a\n', NAMED,
        ["column c: 'p,a\\n2,q' spans several rows; is a quote left open?"]),
    "quotes that are not closed, in a column that is no feature": (
        "x,note,y\n" + "".join(f'{n % 4},"size {n},{"ab"[n // 2 % 2]}\n' for n in range(8)),
        NAMED | {"features": ["x"]},
        ["column note: 'size 0,a\\n1,size 1' spans several rows; is a quote left open?"]),
    "a quote that is closed too late, on lines that end in CR": (
        'x,c,y\r1,"p,a\r2,q",a\r3,q,b\r4,q,a\r', NAMED,
        ["column c: 'p,a\\r2,q' spans several rows; is a quote left open?"]),
    "a row that is cut off within quotes, before the last column": (
        'x,note,y\n1,"p",a\n2,"q\n3,"r",b\n4,"p",a\n5,"r",b\n', NAMED,
        ["column note: 'q\\n3,r\"' spans several rows; is a quote left open?"]),
    "a row that is cut off within quotes in the first column": (
        'note,x,y\n"p",1,a\n"q\n"r",3,b\n"p",4,a\n"r",5,b\n', NAMED,
        ["column note: 'q\\nr\"' spans several rows; is a quote left open?"]),
    "words for gaps": (
        "x,y\n1,a\n3,N/A\n4,b\n5,None\n", NAMED,
        ["column y: N/A, None may mean no value; see prepare.na_values"]),
    "empty cells, where na_values leaves them out": (
        "x,y\n1,a\n3,\n4,b\n5,\n", NAMED | {"na_values": ["-999"]},
        ["column y: '' may mean no value; see prepare.na_values"]),
    "a weekday of the column of time, which is no input": (
        "t,x,y\n" + "".join(f"2024-01-{n + 1:02d},{n % 7}.5,{'ab'[n % 2]}\n" for n in range(20)),
        NAMED | {"time": "t", "dates": {"t": ["%Y-%m-%d", "weekday"]}},
        ["column t: prepare.dates asks for weekday, but it is no input; name it in prep"]),
    "rows that are left out": (
        "x,y\n1,a\n,b\n3,b\n", NAMED | {"missing": "drop"},
        ["rows with gaps left out: 1 of 3; prepare.missing: impute"]),
    "a class that is left out": (
        "x,y\n1,a\n,c\n3,b\n", NAMED | {"missing": "drop"},
        ["rows with gaps left out: 1 of 3; prepare.miss", "column y: no rows are left of c"]),
    "a class of one row among many": (
        "x,y\n" + "1,a\n2,b\n" * 20 + "1,total\n", NAMED,
        ["column y: classes with only one row: total"]),
    "numbers that stand for no value": (
        "x,z,y\n" + "".join(
            f"{-999 if n % 7 == 0 else n * 37 % 50},{9999 if n % 9 == 0 else n % 13 / 4},"
            f"{'ab'[n % 2]}\n" for n in range(60)), NAMED,
        ["column x: -999 stands in 9 rows, far from all others; if it means no value, see prepare",
         "column z: 9999 stands in 7 rows, far from all others; if it means no value, see prep"]),
    "two numbers that stand for no value, one at each end, and one in a column of few": (
        "x,z,c,y\n" + "".join(
            f"{-999 + n % 2 if n % 7 == 0 else n * 37 % 50},"
            f"{(-99, 999)[n % 2] if n % 9 == 0 else n % 13 / 4},"
            f"{-9 if n % 8 == 0 else n % 3 / 4},{'ab'[n % 2]}\n" for n in range(60)), NAMED,
        [f"column {column}: {number} stands in {rows} rows, far from all others; if it means no v"
         for column, number, rows in (("x", -999, 5), ("x", -998, 4), ("z", -99, 4), ("z", 999, 3),
                                      ("c", -9, 8))]),
    "numbers that a network takes for 0": (
        "x,y\n" + "".join(f"{n * 37 % 50}e-40,{'ab'[n % 2]}\n" for n in range(60)), NAMED,
        ["column x: its numbers are below 1.2e-38, which training takes for 0; use another unit"]),
    "three numbers at an end that stand for no value, among many and among few": (
        "x,z,y\n" + "".join(
            f"{997 + n % 3 if n % 4 == 0 else n * 37 % 50},{97 + n % 3 if n % 5 == 0 else n % 4},"
            f"{'ab'[n % 2]}\n" for n in range(60)), NAMED,
        [f"column {column}: {number} stands in {rows} rows, far from all others; if it means no v"
         for column, first, rows in (("x", 997, 5), ("z", 97, 4))
         for number in range(first, first + 3)]),
    "quotes and dashes that a spreadsheet has replaced": (
        "c,y\ndon't,18-25\ndon\u2019t,18\u201325\ndon't,26-30\n", NAMED,
        ["column c: \"don't\" and 'don\u2019t' count as two values",
         "column y: '18-25' and '18\u201325' count as two values"]),
    "a number that is far too large": (
        "x,y\n" + "".join(f"{4500000 if n == 7 else n * 37 % 50},{'ab'[n % 2]}\n"
                          for n in range(60)), NAMED,
        ["column x: 4500000 stands in 1 row, far from all others; one such number can ruin the m"]),
    "a date that stands for no value": (
        "x,y\n" + "".join(
            f"{'9999-12-31' if n % 7 == 0 else f'2021-03-{n * 5 % 28 + 1:02}'},{'ab'[n % 2]}\n"
            for n in range(60)), NAMED | {"dates": {"x": "%Y-%m-%d"}},
        ["column x: 9999-12-31 stands in 9 rows, far from all others; if it means no value, see"]),
    "a date of which there are many rows each": (
        "day,x,y\n" + "".join(f"2024-01-{n // 40 + 1:02},{n % 7}.5,{'ab'[n // 3 % 2]}\n"
                               for n in range(1_000)), NAMED | {"dates": {"day": "%Y-%m-%d"}},
        ["column day: grows from row to row; if the rows follow each other in time, see prepare"]),
    "groups of one row each": (
        "g,x,y\n" + "".join(f"g{n},{n % 4},{'ab'[n % 2]}\n" for n in range(20)),
        NAMED | {"group": "g"},
        ["column g: each row is a group of its own; is this the column for prepare.group?"]),
    "an index with gaps": (
        "id,y\n" + "".join(f"{7 * n},{'ab'[n % 2]}\n" for n in range(12)), NAMED,
        ["column id: grows from row to row; if it only identifies the row"]),
    "an index that falls": (
        "id,y\n" + "".join(f"{100 - n},{'ab'[n % 2]}\n" for n in range(12)), NAMED,
        ["column id: falls from row to row; if it only identifies the row"]),
    "round thousands apart by a point, which are whole numbers of one digit": (
        "x,y\n980,a\n2.000,b\n700,a\n1.000,b\n50,a\n", NAMED,
        ["column x: next to '700', the point in '2.000' may separate thousands; if so, list"]),
    "thousands apart by a point, beside numbers that have none": (
        "x,y\n2.821,a\n980,b\n15.400,a\n", NAMED,
        ["column x: next to '980', the point in '15.400' may separate thousands; if so, list"]),
    "round thousands apart by a point, beside numbers below a hundred": (
        "x,y\n1.500,a\n50,b\n2.251,a\n99,b\n", NAMED,
        ["column x: next to '99', the point in '1.500' may separate thousands; if so, list"]),
    "days that follow each other": (
        "x,day,y\n" + "".join(f"{n % 4},{n + 10}.05.2021,{'ab'[n % 2]}\n" for n in range(12)),
        NAMED | {"dates": {"day": "%d.%m.%Y"}},
        ["column day: counts the rows; if the rows follow each other in time, see prepare.time"]),
    "hours that follow each other": (
        "x,y\n" + "".join(f"2025-11-{n // 24 + 1:02} {n % 24:02}:00,{'ab'[n % 2]}\n"
                          for n in range(48)), NAMED | {"dates": {"x": "%Y-%m-%d %H:%M"}},
        ["column x: grows from row to row; if the rows follow each other in time, see prepare.ti"]),
    "a clock of half seconds": (
        "x,y\n" + "".join(f"{1.7e7 + n / 2:.1f},{'ab'[n % 2]}\n" for n in range(1200)), NAMED,
        ["column x: float32 makes 301 numbers of 1,200 values; rows that differ by less count",
         "column x: grows from row to row; if it only identifies the row, add it to prepare.excl"]),
    "a clock of few half hours": (
        "x,y\n" + "".join(f"{n / 2},{'ab'[n % 2]}\n" for n in range(12)), NAMED,
        ["column x: grows from row to row; if it only identifies the row, add it to prepare.exclud"
         "e; if it is a time, see prepare.time"]),
    "an index that was shuffled, and drawn from": (
        "id,y\n" + "".join(f"{37 * n % 101},{'ab'[n % 2]}\n" for n in range(80)), NAMED,
        ["column id: almost every number is unique; if it only identifies the row"]),
    "an index with a gap, a repeated number and one that stands elsewhere": (
        "id,x,y\n" + "".join(
            f"{ {7: '', 50: 49, 80: 300}.get(n, n) },{n % 4},{'ab'[n % 2]}\n" for n in range(120)),
        NAMED | {"missing": "impute"},
        ["column id: grows from row to row; if it only identifies the row"]),
    "an index of two rows each": (
        "id,x,y\n" + "".join(f"{n // 2},{n % 4},{'ab'[n % 2]}\n" for n in range(120)), NAMED,
        ["column id: grows from row to row; if it only identifies the row"]),
    "an index of numbers that float32 merges": (
        "id,x,y\n" + "".join(f"{10**8 + n},{n % 4},{'ab'[n % 2]}\n" for n in range(2000)), NAMED,
        ["column id: float32 makes 251 numbers of 2,000 values; rows that differ by less",
         "column id: counts the rows; if it only identifies the row"]),
    "an index that pandas had no name for": (
        "Unnamed: 0,x,y\n3,5,a\n3,5,a\n1,7,b\n", NAMED, ["column 'Unnamed: 0': has no name; if"]),
    "times of a day, to the second": (
        "x,y\n" + "".join(f"2025-11-27 {n // 60:02}:{n % 60:02}:{n * 7 % 60:02},{'ab'[n % 2]}\n"
                          for n in range(1440)), NAMED | {"dates": {"x": "%Y-%m-%d %H:%M:%S"}},
        ["column x: float32 makes 513 numbers of 1,440 values; rows that differ by less count",
         "column x: grows from row to row; if the rows follow each other in time, see prepare.ti"]),
    "times of a day, an hour apart": (
        "x,y\n" + "".join(f"2025-11-27 {n % 24:02}:00,{'ab'[n % 2]}\n" for n in range(48)),
        NAMED | {"dates": {"x": "%Y-%m-%d %H:%M"}}, []),
    "a column of numbers with a unit": (
        "x,y\n" + "".join(f"{n % 20}.5 cm,{'ab'[n % 2]}\n" for n in range(40)), NAMED,
        ["column x: '0.5 cm' and 19 more look like numbers or dates, but are read as cat"]),
    "a column of dates": (
        "x,y\n" + "".join(f"2021-0{n % 4 + 1}-1{n % 5},{'ab'[n % 2]}\n" for n in range(40)), NAMED,
        ["column x: '2021-01-10' and 19 more look like numbers or dates, but are read as cat"]),
    "a label that names the rows": (
        "x,y\n" + "".join(f"{n % 4},f{n}\n" for n in range(20)), NAMED,
        ["column y: each row has a class of its own; is this the column to predict?"]),
    "rows that have a label only": (
        "x,c,y\n1,p,a\n,,b\n2,q,b\n", NAMED | {"missing": "impute"},
        ["1 row with no value in any feature"]),
    "rows that have a label and a group only": (
        "g,x,c,y\n1,1,p,a\n1,,,b\n2,2,q,b\n", NAMED | {"missing": "impute", "group": "g"},
        ["1 row with no value in any feature"]),
    "classes that differ by case": (
        "x,y\n1,yes\n3,no\n4,Yes\n", NAMED, ["column y: 'yes' and 'Yes' count as two values"]),
    "classes that are one number": (
        "x,y\n1,1\n3,0\n4,1.0\n", NAMED, ["column y: '1' and '1.0' count as two values"]),
    "classes that differ by a character that is not seen": (
        "x,y\n1,no\n3,yes\n4,ye\u200bs\n", NAMED, ["column y: 'yes' and 'ye\\u200bs' count as"]),
    "classes of which there are several, by their encoding, space and width": (
        "x,y\n1,é a\n3,e\u0301 a\n4,É\u00a0 a\n2,\uff42\n5,b\n", NAMED,
        ["column y: '\\xe9 a' and 'e\\u0301 a' count as two values (and 2 more such pairs)"]),
    "categories that differ by case": (
        "c,y\np,a\nP,b\np,b\n", NAMED, ["column c: 'p' and 'P' count as two values"]),
    "the index of pandas": (
        ",x,y\n0,3,a\n1,3,a\n2,4,b\n", NAMED, ["column 0: counts the rows; if it only"]),
    "the index of pandas, of which rows were drawn": (
        ",x,y\n7,3,a\n1,3,a\n4,4,b\n", NAMED, ["column 0: has no name; if it only identifies"]),
    "names of rows as R writes them": (
        ",x,y\nr1,3,a\nr2,3,a\nr3,4,b\n", NAMED, ["column 0: almost every value is unique; if"]),
    "numbers of rows": (
        "x,Id,y\n3,1,a\n3,2,a\n4,3,b\n", NAMED, ["column Id: counts the rows; if it only"]),
    "names of rows": (
        "x,file,y\n3,f1,a\n3,f2,a\n4,f9,b\n", NAMED, ["column file: almost every value is unique"]),
}  # fmt: skip

PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "long ids that float makes one": (
        "x,y\n" + "1.5,9007199254740992\n2.5,9007199254740993\n" * 3, NAMED),
    "longer ids, which a decimal number of usual length makes one": (
        "x,y\n" + "".join(f"{n}.5,{'3' * 35}{n % 2}\n" for n in (1, 3, 2, 4)), NAMED),
    "hashes that look like zero times a power of ten": (
        "x,y\n" + "1.5,0e46209743190650901956\n2.5,0e83040045199349405802\n" * 3, NAMED),
    "text without a header": (TEXT.removeprefix("c,y\n"), {"header": False, "label": 1}),
    "a class of one row": ("x,y\n1,a\n4,b\n2,b\n", NAMED),
    "numbers that grow, a category in several rows": (
        "x,c,y\n0,p,a\n1,q,a\n3,p,b\n", NAMED),
    "a number far from others that stands once, and a large one": (
        "x,z,y\n" + "".join(
            f"{-999 if n == 7 else n * 37 % 50},{n % 13 * 100 if n % 9 else 7300},{'ab'[n % 2]}\n"
            for n in range(60)), NAMED),
    "a byte order mark of Excel, and letters beyond ASCII": (
        "\ufeffc,y\nK\u00f6ln,a\nb,b\nK\u00f6ln,a\nb,b\n", NAMED | {"encoding": "utf-8-sig"}),
    "a class that is named as its column": (
        "x,spam\n" + "".join(f"{n % 7}.5,{['spam', 'ham'][n % 2]}\n" for n in range(20)),
        {"header": True, "label": "spam"}),
    "columns named by numbers": ("0,1,2\n5,3,a\n7,3,b\n", {"header": True, "label": "2"}),
    "numbers of three decimals": ("x,y\n2.821,a\n980.000,b\n15.400,a\n", NAMED),
    "numbers of up to three decimals": ("x,y\n2.821,a\n980,b\n15.4,a\n", NAMED),
    "numbers of three decimals, and some of none below a hundred": (
        "x,y\n2.821,a\n98,b\n15.475,a\n", NAMED),
    "days that follow each other, as prepare.time says": (
        "x,day,y\n" + "".join(f"{n % 4},{n + 10}.05.2021,{'ab'[n % 2]}\n" for n in range(12)),
        NAMED | {"dates": {"day": "%d.%m.%Y"}, "time": "day", "features": ["x", "day"]}),
    "small numbers of three decimals": ("x,y\n0.821,a\n980,b\n0.154,a\n", NAMED),
    "whole numbers that differ by chance": (
        "x,y\n" + "".join(f"{37 * n % 1009},{'ab'[n % 2]}\n" for n in range(80)), NAMED),
    "numbers with a unit that are meant as text": (
        "x,y\n" + "".join(f"{n % 20}.5 cm,{'ab'[n % 2]}\n" for n in range(40)),
        NAMED | {"text": ["x"]}),
    "codes that have digits": (
        "x,y\n" + "".join(f"{'pqrs'[n % 4]}{n % 12},{'ab'[n % 2]}\n" for n in range(40)), NAMED),
    "the largest number that there is": ("x,y\n3.4028235e38,a\n1,b\n", NAMED),
    "an index that is left out": (",x,y\n0,3,a\n1,3,b\n", NAMED | {"features": ["x"]}),
    "a label without a name": ("x,\n3,a\n3,b\n", {"header": True, "label": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_is_said_in_a_line(prepared, capsys, case):
    table, settings, lines = ODD[case]
    prepared(table, **settings)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(lines), said
    for line, words in zip(said, lines, strict=True):
        assert line.startswith(f"data/raw.csv: {words}")


@pytest.mark.parametrize("case", PLAIN)
def test_nothing_is_said_of_a_plain_table(prepared, capsys, case):
    table, settings = PLAIN[case]
    prepared(table, **settings)
    assert capsys.readouterr().err == ""


STEP = timedelta(seconds=137)
TIMES = {
    "Unix seconds": lambda at: f"{at.timestamp():.0f}",
    "as JSON has them": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
    "as Americans write them": lambda at: f"{at:%m/%d/%Y %I:%M:%S %p}",
    "days": lambda at: f"{at:%Y-%m-%d}",
}


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("in_order", [True, False])
def test_a_time_that_is_left_out_is_told(prepared, capsys, kind, in_order):
    start, order = datetime(2024, 1, 13, 23, tzinfo=UTC), list(range(2_000))
    random.Random(0).shuffle(order)
    rows = [f"{TIMES[kind](start + n * STEP * 10)},{n % 7},{'ab'[n % 2]}\n"
            for n in (range(2_000) if in_order else order)]  # fmt: skip
    prepared("at,x,y\n" + "".join(rows), **NAMED, exclude=["at"])
    told = "column at: is left out, but grows from row to row; if the rows follow each other in"
    assert (told in capsys.readouterr().err) == in_order


def test_columns_that_are_left_out_may_hold_anything(prepared, capsys):
    """Mostly gaps, ends of time, numbers of four digits with a word for gaps."""
    rows = [f"{n % 7},{f'c{n}' if n % 5 < 2 else ''},{'9999-12-31' if n % 3 else '1002-03-05'},"
            f"{'NA' if n % 7 == 0 else 1000 + n},{'ab'[n % 2]}\n" for n in range(200)]  # fmt: skip
    left_out = ["cabin", "until", "id"]
    prepared("x,cabin,until,id,y\n" + "".join(rows), **NAMED, exclude=left_out)
    assert capsys.readouterr().err == ""


def test_what_is_odd_is_told_in_the_order_of_the_columns(prepared, capsys):
    """Whatever the order in which a set has them."""
    cells = ["980", "1.500", "2.820", "450", "3.330", "1.250"]
    rows = [",".join([each] * 8) + f",{'ab'[n % 2]}\n" for n, each in enumerate(cells)]
    prepared("h,g,f,e,d,c,b,a,y\n" + "".join(rows), **NAMED)
    told = re.findall(r"column (\w): next to", capsys.readouterr().err)
    assert "".join(told) == "hgfedcba"


def test_a_counter_and_names_that_are_left_out_are_no_times(prepared, capsys):
    rows = [f"{n},AB-{n:04}/{n % 9},{n % 7},{'ab'[n % 2]}\n" for n in range(2_000)]
    prepared("id,name,x,y\n" + "".join(rows), **NAMED, exclude=["id", "name"])
    assert "from row to row" not in capsys.readouterr().err


def test_thousands_apart_by_a_point_are_seen_in_the_last_rows(prepared, capsys):
    rows = [f"{n % 1000},{'ab'[n % 2]}\n" for n in range(11_000)]
    rows += [f"{n // 1000}.{n % 1000:03},{'ab'[n % 2]}\n" for n in range(1001, 2000)]
    prepared("x,y\n" + "".join(rows), **NAMED)
    seen = "column x: next to '999', the point in '1.010' may separate thousands"
    assert seen in capsys.readouterr().err
    prepared("x,y\n" + "".join([*rows, "2.58,a\n"]), **NAMED)
    assert "may separate thousands" not in capsys.readouterr().err


def test_numbers_for_no_value_are_seen_in_a_last_batch(prepared, capsys):
    """Of a large table, only some rows are looked at for all else."""
    rows = [f"{-999 if n >= 11_000 and n % 3 == 0 else n * 37 % 50},{'ab'[n % 2]}\n"
            for n in range(12_000)]  # fmt: skip
    prepared("x,y\n" + "".join(rows), **NAMED)
    assert "column x: -999 stands in 333 rows, far from all others" in capsys.readouterr().err


PANDAS = import_module("pandas._libs.parsers").STR_NA_VALUES  # which mypy knows nothing of
WORDS = sorted({"-", "none", "NONE", "Null", "\\N", "(null)", "#DIV/0!", *PANDAS} - {""})
SEE = "see prepare.na_values"


def test_what_stands_for_a_gap_at_first_is_known_in_one_place():
    assert yaml.safe_load((ROOT / "params.yaml").read_text())["prepare"]["na_values"] == NA_VALUES
    assert {word.casefold() for word in WORDS} < WORDS_FOR_GAPS


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("column", ["c", "y"])
def test_a_word_for_gaps_is_a_gap_by_default_or_said(prepared, capsys, word, column):
    cells = {"c": "p", "y": "a"} | {column: word}
    table = "c,y\np,a\nq,b\nq,a\np,b\n{c},{y}\n".format(**cells)
    prepared(table, header=True, label="y", missing="drop")
    left_out = "rows with gaps left out: 1 of 5; "
    expected = left_out if word in NA_VALUES else f"column {column}: {word} may mean no value"
    assert capsys.readouterr().err.startswith(f"data/raw.csv: {expected}")


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_gaps_in_new_rows_is_refused_with_what_helps(prepared, tmp_path, word):
    table = "x,day,c,y\n1,2001-02-03,p,a\n2,2001-02-04,q,b\n3,2001-02-06,q,a\n"
    folder = prepared(
        table, header=True, label="y", dates={"day": "%Y-%m-%d"}, na_values=[""], missing="impute"
    )
    schema, row = Schema.load(folder / "schema.json"), ["1", "2001-02-03", "p", "a"]
    for at in range(4):
        cells = [*row[:at], word, *row[at + 1 :]]
        if at < 3:
            with pytest.raises(UserError, match=SEE):
                schema.row(cells[:3])
        (tmp_path / "new.csv").write_text("x,day,c,y\n" + ",".join(cells) + "\n")
        with pytest.raises(UserError, match=SEE):
            read_test_set(schema, tmp_path / "new.csv", tmp_path / "rows")
