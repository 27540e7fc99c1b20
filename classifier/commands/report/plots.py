"""Pictures of the report: Vega-Lite as `dvc plots` has it, drawn as SVG that stands in a page."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

Spec = dict[str, Any]
Records = list[dict[str, Any]]

TEMPLATES = Path(".dvc/plots")
PREDICTIONS = "metrics/predictions"
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
SVG = "http://www.w3.org/2000/svg"
CELL = 26  # pixels that a number of rows takes
SIDE_CLASSES = 12  # of which a plot is as wide, if there are fewer
INK = "currentColor"  # of the page's text, be it light or dark
ACCENT = "#945dd6"  # of DVC's first revision
SHADES = ["rgba(148,93,214,0.04)", "rgba(148,93,214,0.6)"]  # readable ink on all, either way
CONFIG: Spec = {
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "tickColor": INK, "domainColor": INK,
        "gridColor": INK, "gridOpacity": 0.15, "titleFontWeight": "normal",
    },
    "header": {"title": None, "labels": False},
    "legend": {"labelColor": INK, "titleColor": INK, "title": None, "orient": "bottom"},
    "range": {"ramp": SHADES, "heatmap": SHADES},
}  # fmt: skip


def definitions(path: Path = Path("dvc.yaml")) -> dict[str, dict[str, Any]]:
    """Return what dvc.yaml says of each plot, by its name, which for most is its file."""
    file = yaml.safe_load(path.read_text(encoding="utf-8"))
    stages = [plot for stage in file["stages"].values() for plot in stage.get("plots", [])]
    return {name: keys for plot in [*stages, *file["plots"]] for name, keys in plot.items()}


def dvc_plots(sources: Mapping[str, Mapping[str, Records]]) -> dict[str, Spec]:
    """Return the Vega-Lite specification of each plot of dvc.yaml that has rows, by its name.

    sources: for each revision the rows of each file. A file of predictions has a row for each pair
    of classes, with the number of its rows in the column `rows`.
    """
    from dvc.render.match import match_defs_renderers

    found = definitions()
    confusion = found.pop(PREDICTIONS)
    found |= {
        file: confusion
        for files in sources.values()
        for file in files
        if file.startswith(PREDICTIONS)
    }
    data = {
        revision: {
            "definitions": {"data": {"dvc.yaml": {"data": found}}},
            "sources": {
                "data": {file: {"data": {"": rows}} for file, rows in files.items() if rows}
            },
        }
        for revision, files in sources.items()
    }
    matched = [one.renderer for one in match_defs_renderers(data, templates_dir=TEMPLATES)]
    return {one.name: one.get_filled_template() for one in matched if one.datapoints}


def with_counts(spec: Spec, classes: int) -> Spec:
    """Return a confusion whose data are counted already, with its numbers shown and legible."""
    counted = [{"op": "sum", "field": "rows", "as": "xy_count"}]
    (count, *transforms), (cells, *layers) = spec["spec"]["transform"], spec["spec"]["layer"]
    side = max(cells["width"], CELL * classes)
    inner = {
        "transform": [count | {"aggregate": counted}, *transforms],
        "layer": [cells | {"width": side, "height": side}, *layers],
    }
    return spec | {"spec": spec["spec"] | inner, "params": [{"name": "showValues", "value": True}]}


def with_size(spec: Spec, classes: int) -> Spec:
    """Return a confusion whose counts are shown, large enough to read them."""
    side = CELL * max(classes, SIDE_CLASSES)
    return spec | {"spec": spec["spec"] | {"width": side, "height": side}}


def boxes(values: Records, classes: list[str]) -> Spec:
    """Return a plot of a feature's quantiles by class: rows of class, p5, p25, p50, p75, p95."""
    axis = {"tickCount": 4, "labelExpr": "format(datum.value, '.6~g')"}
    x = {"type": "quantitative", "scale": {"zero": False}, "title": None, "axis": axis}
    layers = [
        {"mark": {"type": "rule", "color": ACCENT}, "encoding": span("p5", "p95", x)},
        {"mark": {"type": "bar", "color": ACCENT, "size": 9}, "encoding": span("p25", "p75", x)},
        {
            "mark": {"type": "tick", "color": INK, "size": 13, "thickness": 2},
            "encoding": {"x": {"field": "p50"} | x},
        },
    ]
    return by_class(values, classes) | {"width": 180, "layer": layers}


def span(low: str, high: str, x: Spec) -> Spec:
    return {"x": {"field": low} | x, "x2": {"field": high}}


def shares(values: Records, classes: list[str]) -> Spec:
    """Return a plot of how often each class has each category: rows of class, category, share."""
    plot = by_class(values, classes)
    plot["encoding"]["x"] = {
        "field": "category", "type": "nominal", "sort": None, "title": None,
        "axis": {"labelAngle": -40, "labelLimit": 90},
    }  # fmt: skip
    fill = {"field": "share", "type": "quantitative", "legend": None, "scale": {"domain": [0, 1]}}
    text = {"field": "share", "type": "quantitative", "format": ".0%"}
    layers = [
        {"mark": "rect", "encoding": {"color": fill}},
        {"mark": {"type": "text", "color": INK, "fontSize": 9}, "encoding": {"text": text}},
    ]
    return plot | {"width": {"step": 34}, "layer": layers}


def by_class(values: Records, classes: list[str]) -> Spec:
    axis = {"labelLimit": 110}
    y = {"field": "class", "type": "nominal", "sort": classes, "title": None, "axis": axis}
    return {"data": {"values": values}, "height": {"step": 20}, "encoding": {"y": y}}


def to_svg(spec: Spec, legend: bool, alternative: str) -> str:
    """Return the drawing as an SVG element that inherits its ink, with a text alternative."""
    import vl_convert

    config: Any = CONFIG if legend else CONFIG | {"legend": {"disable": True}}
    drawn = vl_convert.vegalite_to_svg(for_xml(spec | {"title": None}), config=config)
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
