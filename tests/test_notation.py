"""Dates, and numbers as people write them, become numbers, whichever way they are read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.base.errors import UserError
from classifier.table import reader
from classifier.table.notation import Amounts, Dates
from classifier.table.opening import open_new_rows, read_features
from classifier.table.schema import Schema

SEPARATORS = {
    "1,234.5": (",", "."), "1.234,5": (".", ","), "1 234.5": (" ", "."), "1 234,5": ("\u202f", ","),
    "1'234.5": ("'", "."), "1234,5": ("", ","),
}  # fmt: skip


@pytest.mark.parametrize(
    ("like", "cell", "number"),
    [
        ("1,234.5", "$1,234.50", 1234.5),
        ("1,234.5", "-$1,234", -1234),
        ("1,234.5", "$ -12", -12),
        ("1,234.5", "(1,234.50)", -1234.5),
        ("1,234.5", " 12.5 % ", 12.5),
        ("1,234.5", "1234", 1234),
        ("1,234.5", "\u22125", -5),
        ("1.234,5", "1.234,50 €", 1234.5),
        ("1 234,5", "EUR 1\u00a0234", 1234),
        ("1,234.5", "$.50", 0.5),
        ("1234,5", ",5", 0.5),
        ("1234,5", "6,44E-04", 6.44e-4),
        ("1'234.5", "1\u2019234.50", 1234.5),
    ],
)
def test_signs_currencies_and_percents(like, cell, number):
    assert Amounts(like).number(cell) == number


@pytest.mark.parametrize(
    ("like", "cell"),
    [
        ("1,234.5", "12,34"), ("1,234.5", "1,2345"), ("1,234.5", "--5"), ("1,234.5", "(-5)"),
        ("1,234.5", "5 kg"), ("1,234.5", ""), ("1,234.5", "\u0663"), ("1,234.5", "1" * 40),
        ("1.234,5", "1.5"), ("1234,5", "1.234,5"), ("1 234.5", "1  234"),
        ("1.234,5", "1.234E-07"), ("1,234.5", "1,234E-07"), ("1,234.5", "NAN5"), ("1,234.5", "."),
        ("1,234.5", "JAN 2020"), ("1,234.5", "EURUSD 5"), ("1,234.5", "DLH123"),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_no_number(like, cell):
    assert Amounts(like).number(cell) is None


@given(
    cents=st.integers(-(10**9), 10**9),
    like=st.sampled_from([*SEPARATORS]),
    form=st.sampled_from(["{}", "{} €", "{}%"]),
)
def test_any_amount_is_read_as_it_is_written(cents, like, form):
    thousands, decimal = SEPARATORS[like]
    english = f"{cents / 100:,.2f}"
    cell = "".join({",": thousands, ".": decimal}.get(each, each) for each in english)
    assert Amounts(like).number(form.format(cell)) == float(english.replace(",", ""))


@pytest.mark.parametrize(("like", "shown"), [("1.234,5", "2821,5"), ("1,234.5", "2821.5")])
def test_an_amount_is_shown_with_the_comma_or_point_of_its_table(like, shown):
    assert Amounts(like).text(2821.5) == shown


@given(
    days=st.integers(-25_000, 40_000),
    written=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%Y%m%d", "%Y-%j"]),
)
def test_any_day_is_so_many_after_1970(days, written):
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)
    assert Dates(written).number(day.strftime(written)) == days
    assert Dates(written).text(days) == day.strftime(written)


@pytest.mark.parametrize(
    ("written", "cell", "is_date"),
    [
        ("%d.%m.%Y %H:%M", " 1.2.2010  9:05 ", True),
        ("%d %b %Y", "01 jan 2010", True),
        ("%Y-%m-%dT%H:%M:%S%z", "2010-01-01T09:05:00Z", True),
        ("%H:%M:%S.%f %d.%m.%Y", "09:05:00.5 1.1.2010", True),
        ("%Y-%m-%dT%H:%M:%S%z", "2010-1-1T9:05:00+01:00", True),
        ("%Y-%m-%d %H%M%z", "2010-01-01 115+0000", False),
        ("%a, %d %b %Y %H:%M:%S %z", "Mon, 02 Mar 2021 10:00:00 +0000", False),
        ("%Y%m%d %H:%M:%S.%f", "2021115 10:00:00.5", False),
        ("%Y-%m-%d", "0001-01-01", True),
        ("%m/%d/%Y %I%M %p", "03/21/2021 0115 PM", True),
        ("%m/%d/%Y %I%M %p", "03/21/2021 115 PM", False),
        ("%m/%d/%Y %H:%M %p", "03/21/2021 04:30 PM", False),
        ("%a %Y-%m-%d", "Mon 2021-03-02", False),
    ],
)
def test_a_date_is_read_only_as_it_would_be_written(written, cell, is_date):
    assert (Dates(written).number(cell) is not None) == is_date


@pytest.mark.parametrize("cell", ["201011", "2010111", "20101", "2010-01-01"])
def test_digits_alone_are_a_date_only_if_all_are_there(cell):
    assert Dates("%Y%m%d").number(cell) is None


def test_a_day_after_the_last_year_of_datetime_is_shown_as_a_number():
    assert Dates("%Y-%m-%d").text(2_932_897) == "2932897"


def test_a_time_is_a_part_of_a_day_in_utc():
    times = Dates("%Y-%m-%dT%H:%M:%S%z")
    assert times.number("1970-01-02T14:00:00+02:00") == 1.5
    assert Dates("%Y-%m-%d %H:%M").number("1970-01-02 12:00") == 1.5


TABLE = 'day,price,y\n28.02.2001,"1.234,50 €",a\n,-2,b\n01.03.2001,?,a\n'
SHAPE: dict[str, Any] = {
    "header": True,
    "label": "y",
    "missing": "impute",
    "dates": {"day": "%d.%m.%Y"},
    "numbers": {1: "1.234,5"},
}
EXPECTED = np.array([[11381, 1234.5], [np.nan, -2], [11382, np.nan]], np.float32)


@pytest.mark.parametrize("block_bytes", [7, 2**20])
def test_prepare_new_rows_and_one_row_read_the_same(prepared, tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(reader, "BLOCK_BYTES", block_bytes)
    folder = prepared(TABLE, **SHAPE)
    stored = np.load(folder / "train/features.npy")
    assert np.array_equal(stored, EXPECTED, equal_nan=True)
    schema = Schema.load(folder / "schema.json")
    assert schema.features[0].name == "day"
    (tmp_path / "new.csv").write_text('price,y,day\n-2,a,\n"1.234,50 €",b,28.2.2001\n')
    table = open_new_rows(tmp_path / "new.csv", schema, needs_label=True)
    rows = np.concatenate([read_features(table, c, schema).numbers for c in table.chunks()])
    assert np.array_equal(rows, EXPECTED[[1, 0]], equal_nan=True)
    assert schema.row(["01.03.2001", "?"]).numbers[0, 0] == EXPECTED[2, 0]


def test_a_blank_line_and_a_number_that_stands_for_no_value(prepared):
    table = 'day,price,y\n28.02.2001,-2,a\n\n01.03.2001,"-999,00",a\n03.03.2001,5,b\n'
    folder = prepared(table, **SHAPE | {"na_values": ["-999"]})
    stored = np.load(folder / "train/features.npy")
    assert stored[:, 0].tolist() == [11381, 11382, 11384]
    assert np.array_equal(stored[:, 1], [-2, np.nan, 5], equal_nan=True)


def test_a_unit_in_what_stands_for_a_gap_is_not_that_of_the_column(prepared):
    table = "price,y\nEUR?,a\n$5,b\n$6,a\n"
    settings = {"header": True, "label": "y", "missing": "impute", "na_values": ["EUR?"]}
    schema = Schema.load(prepared(table, **settings, numbers={"price": "1,234.5"}) / "schema.json")
    assert schema.numbers[0].unit == "$"


def test_a_column_of_dates_may_be_left_out_and_times_may_have_zones(prepared):
    settings = SHAPE | {"exclude": ["day"], "dates": {"day": "%Y-%m-%dT%H:%M:%S%z"}}
    schema = Schema.load(prepared(TABLE, **settings) / "schema.json")
    assert [feature.name for feature in schema.features] == ["price"]


@pytest.mark.parametrize(("cell", "expected"), [("$5", "in €"), ("5%", "in €"), ("€ 5 $", "in €")])
def test_new_rows_are_in_the_unit_of_the_rows_trained_on(prepared, cell, expected):
    schema = Schema.load(prepared(TABLE, **SHAPE) / "schema.json")
    assert [schema.row(["01.03.2001", price]).numbers[0, 1] for price in ("€5", "5")] == [5, 5]
    with pytest.raises(UserError, match=f"price: found .* written like 1.234,5 {expected}"):
        schema.row(["01.03.2001", cell])


def test_the_model_says_how_its_numbers_were_written(prepared):
    schema = Schema.load(prepared(TABLE, **SHAPE) / "schema.json")
    assert json.loads(schema.metadata()["columns"]) == [
        {"kind": "number", "name": "day", "date": "%d.%m.%Y"},
        {"kind": "number", "name": "price", "like": "1.234,5", "unit": "€"},
    ]


@pytest.mark.parametrize(
    ("table", "changed", "message"),
    [
        (TABLE.replace("28.02", "30.02"), {},
         "data/raw.csv: row 2, column day: found '30.02.2001', expected a date written like "
         r"28.02.2001 \(%d.%m.%Y\)"),
        (TABLE.replace("-2", "2.5"), {},
         "row 3, column price: found '2.5', expected a number written like 1.234,5"),
        (TABLE.replace("-2", "$2"), {},
         r"row 3, column price: found '\$2', expected a number written like 1.234,5 in €"),
        (TABLE.replace("-2", "-2%").replace(" €", ""), {},
         "row 2, column price: found '1.234,50', expected a number written like 1.234,5 with %"),
        (TABLE.replace("50 €", "50%"), {},
         "row 3, column price: found '-2', expected a number written like 1.234,5 with %"),
        (TABLE, {"missing": "error"}, r"row 3, column day: has no value \(found ''\)"),
        (TABLE, {"dates": {"y": "%Y%m%d"}}, "prepare.dates: includes the label"),
        (TABLE, {"dates": {"q": "%Y%m%d"}}, "prepare.dates: no column 'q' among day, price, y"),
        (TABLE, {"text": ["day"]}, "prepare.dates: day is declared twice"),
        (TABLE, {"numbers": {"day": "1,234.5"}}, "prepare.numbers: day is declared twice"),
        (TABLE, {"dates": {"day": "%d.%m."}},
         "prepare.dates: '%d.%m.': should say year, month and day, as %Y-%m-%d does"),
        (TABLE, {"dates": {"day": "%d.%m.%y"}}, "as %Y-%m-%d does, and years in four digits"),
        (TABLE, {"dates": {"day": "%d.%m.%Y %I:%M"}}, "'%d.%m.%Y %I:%M': should say year, month "),
        (TABLE, {"dates": {"day": "%d.%m.%Y %H:%M %Z"}},
         "'%d.%m.%Y %H:%M %Z': should have %z, for .0100, or a plain UTC: %Z depends on"),
        (TABLE, {"dates": {"day": "%d.%m.%Y %H:%M %p"}},
         "should have %I beside %p: with %H, PM is "),
        (TABLE, {"numbers": {"price": "1"}}, "prepare.numbers: '1': should be '1,234.5', "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(prepared, table, changed, message):
    with pytest.raises(UserError, match=message):
        prepared(table, **SHAPE | changed)
