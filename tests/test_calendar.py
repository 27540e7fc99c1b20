"""Dates become month and weekday where the params say so, the same here and in the ONNX file."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from classifier.base.errors import UserError
from classifier.evaluating.forward import network_of, prepared_inputs
from classifier.evaluating.unfamiliar import count_unfamiliar, unfamiliar_lines
from classifier.model.fill_and_scale import NOTHING, learn
from classifier.model.network import dense_layers
from classifier.params import load_params
from classifier.rows.dataset import open_dataset
from classifier.table.schema import NumberFeature, Rows, Schema
from classifier.training.onnx_file import onnx_model
from tests.conftest import ROOT
from tests.test_onnx import random_network, run, schema_of

FIRST, LAST, EPOCH = date(1850, 1, 1), date(2150, 12, 31), date(1970, 1, 1)
BOTH = ["%Y-%m-%d", "month", "weekday"]
NAMES = [*(f"day month={n}" for n in range(1, 13)), *(f"day weekday={n}" for n in range(1, 8))]


def inputs_of(model: onnx.ModelProto, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Return what the network of an ONNX file reads, by ONNX Runtime."""
    name = prepared_inputs(model.graph)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session: Any = onnxruntime.InferenceSession(model.SerializeToString())
    inputs: np.ndarray = session.run([name], columns)[0]
    return inputs


def test_month_and_weekday_of_each_day_are_those_of_python():
    days = [FIRST + timedelta(n) for n in range((LAST - FIRST).days + 1)]
    numbers = np.array([(day - EPOCH).days for day in days], np.float32)
    months = [[day.month == at for at in range(1, 13)] for day in days]
    weekdays = [[day.isoweekday() == at for at in range(1, 8)] for day in days]
    expected = np.hstack([numbers[:, None], months, weekdays])
    feature = NumberFeature(
        name="day", date=BOTH[0], parts=["month", "weekday"], lowest=0, highest=1
    )
    schema = schema_of(columns=["day", "kind"], features=[feature])
    rows = schema.encode(Rows(numbers[:, None], np.empty((len(days), 0), np.int32)))
    assert np.array_equal(rows, expected)
    layers = dense_layers(random_network(load_params(ROOT / "params.yaml").train, 20))
    model = onnx_model(schema, NOTHING, layers)
    assert np.array_equal(inputs_of(model, {"day": numbers[:, None]}), expected)


TABLE = """day,size,kind
2023-12-31,1,p
2024-02-29,2,q
,3,ü
2024-03-01 ,4,p
"""
SETTINGS: dict[str, Any] = {"header": True, "label": "kind", "missing": "impute"}


def test_days_stay_and_a_gap_has_no_month(prepared):
    folder = prepared(TABLE, **SETTINGS, dates={"day": BOTH})
    schema = Schema.load(folder / "schema.json")
    assert schema.input_names() == ["day", *NAMES, "size"]
    assert schema.kinds.texts == ((1, 13), (13, 20))
    rows = np.load(folder / "train/features.npy")
    found = [[name for name, one in zip(NAMES, row, strict=True) if one] for row in rows[:, 1:20]]
    assert found == [
        ["day month=12", "day weekday=7"],
        ["day month=2", "day weekday=4"],
        [],
        ["day month=3", "day weekday=5"],
    ]
    assert np.array_equal(rows[:, 0], [19722, 19782, np.nan, 19783], equal_nan=True)
    assert np.array_equal(schema.encode(schema.row(["2024-03-01", "4"])), rows[3:])


def test_a_weekday_that_no_row_trained_on_has_is_told(prepared):
    schema = Schema.load(prepared(TABLE, **SETTINGS, dates={"day": BOTH}) / "schema.json")
    assert (schema.numbers[0].untrained or [])[-4:] == [f"weekday={n}" for n in (1, 2, 3, 6)]
    monday, thursday, gap = (schema.row([day, "2"]) for day in ("2024-02-26", "2024-02-29", ""))
    [told] = unfamiliar_lines(schema, count_unfamiliar(schema, monday))
    assert told.startswith("column day: the row has a month or weekday that the model was not tra")
    for familiar in (thursday, gap):
        assert [*unfamiliar_lines(schema, count_unfamiliar(schema, familiar))] == []


@pytest.mark.parametrize("parts", [["weekday"], ["weekday", "month"]])
def test_parts_come_in_the_order_in_which_they_are_asked_for(prepared, parts):
    folder = prepared(TABLE, **SETTINGS, dates={0: ["%Y-%m-%d", *parts]})
    names = Schema.load(folder / "schema.json").input_names()
    assert list(dict.fromkeys(name.split("=")[0] for name in names[1:-1])) == [
        f"day {part}" for part in parts
    ]


def test_onnx_keras_and_numpy_answer_alike(prepared):
    folder = prepared(TABLE, **SETTINGS, dates={"day": BOTH})
    schema, data = Schema.load(folder / "schema.json"), open_dataset(folder / "train")
    learned = learn(data, range(4), scale=True)
    network = random_network(load_params(ROOT / "params.yaml").train, schema.inputs)
    model = onnx_model(schema, learned, dense_layers(network))
    days, sizes = np.array(data.features[:, :1]), np.array(data.features[:, 20:])
    label, probabilities = run(model, {"day": days, "size": sizes})
    expected = np.asarray(network(learned.apply(np.array(data.features))))
    assert np.abs(probabilities - expected).max() <= 1e-6
    on_numpy = network_of(model.graph, prepared_inputs(model.graph))
    assert np.abs(np.exp(on_numpy.log_probabilities(data.features)) - expected).max() <= 1e-6
    assert label.tolist() == [schema.classes[at] for at in expected.argmax(axis=1)]


def test_the_model_says_which_parts_it_reads(prepared):
    schema = Schema.load(prepared(TABLE, **SETTINGS, dates={"day": BOTH}) / "schema.json")
    assert '"date": "%Y-%m-%d", "parts": ["month", "weekday"]}' in schema.metadata()["columns"]
    plain = Schema.load(prepared(TABLE, **SETTINGS, dates={"day": "%Y-%m-%d"}) / "schema.json")
    assert "parts" not in plain.metadata()["columns"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (["%Y-%m-%d", "year"], r'should be a format, then month, weekday or both: \["%Y-%m-%d", m'),
        (["%Y-%m-%d", "month", "month"], "should be a format, then month, weekday or both"),
        (["month"], "should say year, month and day, as %Y-%m-%d does"),
        ([], "should say year, month and day"),
        ("month", "prepare.dates: 'month': should say year, month and day"),
        (7, "prepare.dates: 7: should be a valid string or a valid list"),
    ],
)
def test_an_entry_that_means_nothing_is_one_line(prepared, entry, message):
    with pytest.raises(UserError, match=message) as raised:
        prepared(TABLE, **SETTINGS, dates={"day": entry})
    assert "\n" not in str(raised.value)
