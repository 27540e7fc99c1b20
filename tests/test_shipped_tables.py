"""Tables that nobody here made to fit: `classifier init` makes each ready, at the first try."""

import csv
import io
import json
from importlib.metadata import Distribution

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.own_table import (
    DOCUMENT,
    HEAD,
    TABLE_STARTS,
    Measured,
    peers,
    verdict,
    with_rows,
)
from benchmarks.shipped import LICENCES, PACKAGES, SHIPPED
from classifier.commands.init.command import with_settings
from classifier.commands.init.look import look_at_table
from classifier.model.runtime import keras
from classifier.params import load_params
from classifier.table.schema import Schema
from stages import prepare
from tests.conftest import ROOT, Clone

PARAMS = (ROOT / "params.yaml").read_text()
INPUTS = {
    "oj": 18, "carseats": 12, "penguins": 10, "wine": 13, "weather": 5, "iris": 4,
    "breast_cancer": 30, "digits": 61, "college": 17, "wage": 19, "default": 4, "caravan": 85,
    "khan": 2308, "anes96": 9, "fair": 8,
}  # fmt: skip
SAID = {
    "weather": "data/raw.csv: column date: counts the rows; if the rows follow each other in time, "
    "see prepare.time\n"
}
TRAINED = [
    "iris", "penguins", "breast_cancer", "digits", "weather", "khan", "default", "wine", "oj",
    "carseats", "anes96",
]  # fmt: skip
WITHIN, ROWS = 0.01, 3  # of other models' accuracy, or so many rows: how far good ones are apart


@pytest.mark.parametrize("name", SHIPPED)
def test_a_table_is_prepared_as_init_says(project, name, capsys):
    folder = project()
    (folder / "data").mkdir()
    (folder / "data/raw.csv").write_text(SHIPPED[name].read())
    found = look_at_table(folder / "data/raw.csv", SHIPPED[name].label)
    (folder / "params.yaml").write_text(with_settings(PARAMS, found.settings()))
    prepare.main()
    assert capsys.readouterr().err == SAID.get(name, "")
    features = np.load(folder / "data/prepared/train/features.npy")
    assert found.inputs == features.shape[1] == INPUTS[name]
    assert found.rows == len(features)
    is_long = found.rows >= 1_000 or found.inputs >= 500
    assert load_params().crossval.repeats == (1 if is_long else 10)


def new_row(text: str, schema: Schema) -> str:
    """Return a header and a row that a table has not: its cells are of many rows, its words new."""
    header, *rows = csv.reader(io.StringIO(text), delimiter=schema.layout.delimiter)
    if not schema.layout.header:
        header, rows = schema.columns, [header, *rows]
    numbers = {number.name for number in schema.numbers}
    cells = [
        next(row[at] for row in rows[7 * at % len(rows) :] if row[at]) if name in numbers else "new"
        for at, name in enumerate(header)
    ]
    assert cells not in rows
    kept = [at for at, name in enumerate(header) if name in schema.kinds_of_features()]
    lines = [header, cells] if schema.layout.header else [cells]
    written = io.StringIO()
    csv.writer(written, delimiter=schema.layout.delimiter).writerows(
        [line[at] for at in kept] for line in lines
    )
    return written.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_one_run_after_init_gives_a_model_that_takes_new_rows(fresh: Clone, name):
    shipped, label = SHIPPED[name], SHIPPED[name].label
    (fresh.path / f"data/source/{name}.csv").write_text(shipped.read())
    fresh.classifier("init", f"data/source/{name}.csv", *(["--label", label] if label else []))
    params = fresh.read("params.yaml")
    (fresh.path / "params.yaml").write_text(params.replace("repeats: 10 ", "repeats: 1 "))
    fresh.dvc("repro")
    crossval = json.loads(fresh.read("metrics/crossval.json"))
    here, majority = (one["accuracy"]["mean"] for one in (crossval, crossval["beside"]["majority"]))
    linear = peers(fresh.path, "logistic_regression")["logistic_regression"]
    schema = Schema.load(fresh.path / "data/prepared/schema.json")
    within = max(WITHIN, ROWS / sum(schema.counts["train"].values()))
    assert here >= max(linear, majority) - within
    (fresh.path / "new.csv").write_text(new_row(shipped.read(), schema))
    (answer,) = fresh.classifier("predict", "--json", "new.csv").stdout.splitlines()
    assert json.loads(answer)["predicted"] in schema.classes


@pytest.mark.slow
def test_month_and_weekday_go_all_the_way_to_the_answers(fresh: Clone):
    (fresh.path / "data/source/weather.csv").write_text(SHIPPED["weather"].read())
    fresh.classifier("init", "data/source/weather.csv")
    params = yaml.safe_load(fresh.read("params.yaml"))
    params["prepare"]["dates"] = {"date": ["%Y/%m/%d", "month", "weekday"]}
    params["crossval"]["folds"] = 0
    (fresh.path / "params.yaml").write_text(yaml.safe_dump(params))
    fresh.dvc("repro")
    features = np.load(fresh.path / "data/prepared/train/features.npy")
    assert features.shape[1] == INPUTS["weather"] + 12 + 7
    model = keras.saving.load_model(fresh.path / "models/classifier.keras")
    by_keras = np.asarray(model(np.array(features)))
    answers = fresh.classifier("predict", "--json", "data/source/weather.csv").stdout.splitlines()
    by_onnx = np.array([[*json.loads(line)["probabilities"].values()] for line in answers])
    assert np.abs(by_onnx - by_keras).max() <= 2e-6
    evaluated = pd.read_csv(fresh.path / "metrics/predictions/train.csv")["predicted"]
    assert [json.loads(line)["predicted"] for line in answers] == evaluated.tolist()


@pytest.mark.parametrize("package", LICENCES)
def test_packages_have_the_licences_that_the_document_names(package):
    metadata = Distribution.at(next(PACKAGES.glob(f"{package}-*.dist-info"))).metadata
    said = metadata["License-Expression" if "License-Expression" in metadata else "License"]
    of_islp = "Redistribution and use in source and binary forms"  # the text of the licence
    assert said.startswith(of_islp if package == "islp" else LICENCES[package])
    assert f"{package.replace('_', '-')} ({LICENCES[package]})" in DOCUMENT.read_text()


def test_the_document_has_a_row_for_each_table():
    text = DOCUMENT.read_text()
    rows = text.split(TABLE_STARTS + HEAD)[1].split("\n\n")[0].splitlines()
    assert verdict(rows) in text
    titles, inputs = zip(
        *((row.split(" | ")[0][2:], row.split(" | ")[2]) for row in rows), strict=True
    )
    assert [*titles] == [shipped.title for shipped in SHIPPED.values()]
    assert [int(each.replace(",", "")) for each in inputs] == [INPUTS[name] for name in SHIPPED]
    again = Measured("iris", 150, 4, 3, 0.25, 0.5, 0.75, 1.0)
    changed = with_rows(text, {"iris": again})
    assert changed == with_rows(changed, {"iris": again})
    assert [*set(changed.splitlines()) - set(text.splitlines())] == [str(again).strip()]
