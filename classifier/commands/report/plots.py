"""Pictures of the report: Vega-Lite as `dvc plots` has it, drawn as SVG that stands in a page."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import yaml

from classifier.base.paths import PIPELINE, PREDICTIONS
from classifier.rows.dataset import some_rows

Spec = dict[str, Any]
Records = list[dict[Any, Any]]

TEMPLATES = Path(".dvc/plots")
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
SVG = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT = 340, 190  # pixels of a plot, so that its text can be read on a phone
CELL, LEAST = 30, 220  # pixels of a class in a matrix, and of the whole
DAY = 86_400_000  # milliseconds
SHORT = 4  # characters that fit below a cell
DRAWN_ROWS = 1_000  # of a curve, or of the folds
MEASURED = 12.5  # pixels of text; page.css draws 11: fonts differ in width
INK = "currentColor"  # of the page's text, be it light or dark
ACCENT = "#945dd6"  # of DVC's first revision
SHADES = ["rgba(148,93,214,0.04)", "rgba(148,93,214,0.6)"]  # readable ink on all, either way
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "gridColor": INK, "gridOpacity": 0.12, "ticks": False,
        "domain": False, "labelPadding": 6, "titleFontWeight": "normal", "labelFontSize": MEASURED,
        "titleFontSize": MEASURED, "titlePadding": 8, "labelOverlap": True, "labelSeparation": 6,
        "labelLimit": 130, "labelFlush": False,
    },
    "axisBand": {"grid": False},
    "legend": {
        "labelColor": INK, "title": None, "orient": "top", "labelFontSize": MEASURED,
        "labelLimit": 260, "symbolStrokeColor": INK,
    },
    "mark": {"color": INK},
    "text": {"fontSize": MEASURED},
    "range": {"ramp": SHADES, "heatmap": SHADES},
}  # fmt: skip


def dvc_plots(sources: Mapping[str, Mapping[str, Records]]) -> dict[str, Spec]:
    """Return the Vega-Lite specification of each plot of dvc.yaml that has rows, by its name.

    sources: for each revision the rows of each file. A file of predictions has a row for each pair
    of classes, with the number of its rows in the column `answers`.
    """
    from dvc.render.match import match_defs_renderers

    file = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
    plots = [plot for stage in [*file["stages"].values(), file] for plot in stage.get("plots", [])]
    found = {name: keys for plot in plots for name, keys in plot.items()}
    each, folder = found.pop(str(PREDICTIONS)), str(PREDICTIONS)
    found |= {path: each for rows in sources.values() for path in rows if path.startswith(folder)}
    definitions, data = {"data": {"dvc.yaml": {"data": found}}}, {}
    for revision, files in sources.items():
        given = {path: {"data": {"": rows}} for path, rows in files.items() if rows}
        data[revision] = {"definitions": definitions, "sources": {"data": given}}
    matched = [one.renderer for one in match_defs_renderers(data, templates_dir=TEMPLATES)]
    return {one.name: one.get_filled_template() for one in matched if one.datapoints}


def drawn(table: pd.DataFrame) -> Records:
    """Return the rows of a table to draw: all, or as many as can be seen."""
    return table.iloc[some_rows(len(table), DRAWN_ROWS)].to_dict("records")


def sized(spec: Spec, classes: list[str], compared: bool) -> Spec:
    """Return a plot as large as it can be read, with legends that tell its lines apart.

    classes: of a matrix, whose cells say what a legend would.
    """
    if "facet" in spec:  # by revision, of which there is one
        side = max(LEAST, CELL * len(classes))
        fitting = SHORT * side / (CELL * len(classes))
        angle = -45 if max(map(len, classes)) > fitting else 0
        config: Spec = {"legend": {"disable": True}, "axisX": {"labelAngle": angle}}
        plain: Spec = spec["spec"] | {"width": side, "height": side, "config": config}
        axes = {axis: plain["encoding"][axis] | {"sort": classes} for axis in "xy"}
        return plain | {"data": spec["data"], "encoding": plain["encoding"] | axes}
    encoding = spec.get("encoding", {})
    color = encoding.get("color", {}) | ({} if compared else {"legend": None})
    return spec | {"width": WIDTH, "height": HEIGHT, "encoding": encoding | {"color": color}}


def boxes(values: Records, classes: list[str], are_days: bool = False) -> Spec:
    """Return a plot of a feature's quantiles by class: rows of class, p5, p25, p50, p75, p95.

    are_days: whether they are days after 1970-01-01.
    """
    axis: Spec = {"tickCount": 4}
    x: Spec = {"type": "quantitative", "scale": {"zero": False}, "title": None, "axis": axis}
    if are_days:
        values = [{k: v if k == "class" else v * DAY for k, v in row.items()} for row in values]
        x |= {"type": "temporal", "scale": {"type": "utc"}}
    else:
        axis["labelExpr"] = "format(datum.value, '.6~g')"
    y: Spec = {"field": "class", "type": "nominal", "sort": classes, "title": None}
    y["axis"] = {"labelLimit": 110, "labelOverlap": False}
    tick: Spec = {"type": "tick", "color": INK, "size": 13, "thickness": 2}
    layers: list[tuple[Spec, Spec]] = [
        (tick, {"x": x | {"field": "p50"}}),
        ({"type": "bar", "size": 9}, {"x": x | {"field": "p25"}, "x2": {"field": "p75"}}),
        ({"type": "rule"}, {"x": x | {"field": "p5"}, "x2": {"field": "p95"}}),
    ]
    layer = [{"mark": {"color": ACCENT} | mark, "encoding": where} for mark, where in layers[::-1]]
    drawn: Spec = {"data": {"values": values}, "encoding": {"y": y}, "layer": layer}
    return drawn | {"width": 260, "height": {"step": 20}}


def to_svg(spec: Spec, alternative: str) -> str:
    """Return the drawing as an SVG element that inherits its ink, with a text alternative."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg(for_xml(spec | {"title": None}), config=CONFIG)
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(drawn)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "role" or key.startswith("aria-"):
                del element.attrib[key]  # a mark for each point says less than one sentence
            elif key in ("fill", "stroke") and value in ("black", "white"):
                element.set(key, INK)
    root.attrib |= {"role": "img", "aria-label": for_xml(alternative)}
    return ElementTree.tostring(root, encoding="unicode")


def for_xml(value: Any) -> Any:
    """Return nested dicts and lists with another character for each that XML cannot hold."""
    if isinstance(value, dict):
        return {key: for_xml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_xml(item) for item in value]
    return NOT_XML.sub("\ufffd", value) if isinstance(value, str) else value
