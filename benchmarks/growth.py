"""How time and memory of the stages grow with the rows and the features of a table."""

import sys
from pathlib import Path
from typing import Any

import vl_convert
import yaml

from benchmarks.measure import PREPARE, TRAIN, measure, predict_to_file
from benchmarks.tables import write_table
from classifier.base.files import md5_of
from classifier.base.paths import ONNX_MODEL, SCHEMA
from classifier.base.progress import Progress

SIZES = [(10**4, 4), (10**5, 4), (10**6, 4), (10**7, 4), (10**5, 40), (10**5, 400)]
STEPS = {
    "prepare": PREPARE,
    "train, one epoch": TRAIN,
    "evaluate": [sys.executable, "-m", "stages.evaluate"],
    "predict": predict_to_file("data/raw.csv"),
}


def measure_growth(clone: Path) -> list[dict[str, Any]]:
    """Return seconds and peak memory, in megabytes, of each step at each size of the table."""
    with Progress(desc="growth", total=len(SIZES), unit="table") as bar:
        found = []
        for rows, features in SIZES:
            found += measure_steps(clone, rows, features)
            bar.update()
    return found


def measure_steps(clone: Path, rows: int, features: int) -> list[dict[str, Any]]:
    """Return what each step takes, one after the other, on a table of that size."""
    folder = clone / f"growth/{rows}x{features}"
    (folder / "data").mkdir(parents=True)
    write_table(folder / "data/raw.csv", rows, features)
    params = yaml.safe_load((clone / "params.yaml").read_text())
    params["prepare"] |= {"header": False, "label": -1}
    params["crossval"]["folds"] = 0
    params["train"] |= {"epochs": 1, "batch_size": 1024}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "dvc.yaml").touch()  # predict wants to be run in a project
    measured = {}
    for step, command in STEPS.items():
        if step == "evaluate":  # which reads that there was none
            measure([sys.executable, "-m", "stages.crossval"], folder, clone)
        if step == "predict":
            record_model(folder)
        measured[step] = measure(command, folder, clone)
    return [
        {
            "rows": rows,
            "features": features,
            "step": step,
            "seconds": taken.seconds,
            "megabytes": taken.memory / 1e6,
        }
        for step, taken in measured.items()
    ]


def record_model(folder: Path) -> None:
    """Write the dvc.lock in which predict looks up its model, and the schema that it is of."""
    schema, model = (
        {"path": str(path), "md5": md5_of(folder / path)} for path in (SCHEMA, ONNX_MODEL)
    )
    stages = {"train": {"deps": [schema], "outs": [model]}}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def draw_growth(growth: list[dict[str, Any]]) -> str:
    """Return an SVG: time and memory by rows, at 4 features, and by features, at 10^5 rows."""
    by_rows = [one for one in growth if one["features"] == 4]
    by_features = [one for one in growth if one["rows"] == 10**5]
    charts = [
        {"hconcat": [line_chart(values, by, "seconds"), line_chart(values, by, "megabytes")]}
        for values, by in ((by_rows, "rows"), (by_features, "features"))
    ]
    svg: str = vl_convert.vegalite_to_svg({"background": "white", "vconcat": charts})
    return svg


def line_chart(values: list[dict[str, Any]], by: str, what: str) -> dict[str, Any]:
    """Return a Vega-Lite chart of one line a step; time on a scale of powers, memory from 0."""
    scale = {"type": "log"} if what == "seconds" else {"zero": True}
    return {
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "width": 280,
        "height": 200,
        "encoding": {
            "x": {"field": by, "type": "quantitative", "scale": {"type": "log"}},
            "y": {"field": what, "type": "quantitative", "scale": scale},
            "color": {"field": "step", "type": "nominal", "sort": list(STEPS), "title": None},
        },
    }
