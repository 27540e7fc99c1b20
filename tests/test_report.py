"""report: the run on one page, as people see it in a browser, and as Markdown."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from dvc.repo import Repo
from dvc.rwlock import rwlock
from playwright.sync_api import Browser, sync_playwright

from classifier.base.dvc_lock import Lock, read_lock
from classifier.base.errors import UserError
from classifier.base.files import md5_of
from classifier.commands.destination import refuse_to_replace
from classifier.commands.report import features, plots, results
from classifier.commands.report import page as page_of
from classifier.commands.report import sections as content
from classifier.commands.report.against import compared_with
from classifier.commands.report.command import report
from classifier.commands.report.page import (
    CUT,
    LONG,
    Estimate,
    Estimates,
    Table,
    Text,
    plain,
)
from classifier.commands.report.plots import SHADES
from classifier.commands.report.results import commit
from classifier.commands.report.under_way import run_under_way
from classifier.findings.finding import Finding
from classifier.rows.dataset import Dataset, open_dataset
from classifier.scoring.intervals import Interval
from classifier.scoring.out_of_fold import OutOfFold
from classifier.table.schema import NumberFeature, Schema
from tests.conftest import ROOT, Clone
from tests.sharing import MODEL
from tests.sweeping import wait_until

SCRIPT = "<script>alert(1)</script>"
BELL = "<b>\a"  # which XML cannot hold
PHONE, DESK = 375, 1280
PICTURE, PICTURE_SIZE = ROOT / "docs/report.svg", (1160, 590)


@pytest.fixture(scope="module")
def browser():
    """Chromium as the system has it; Playwright downloads none."""
    path = shutil.which("chromium")
    if not path:
        pytest.skip("there is no chromium; install it")
    with sync_playwright() as playwright:
        # As root, in a container, Chromium can make no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(compared: Clone, once) -> Path:
    """The report of a run, against the commit before it."""

    def make(folder: Path) -> None:
        compared.classifier("report", "--against", "HEAD~1", "--output", str(folder / "page.html"))

    folder: Path = once("report", make)
    return folder / "page.html"


@pytest.fixture(scope="module")
def odd(reproduced: Clone, once) -> Clone:
    """A clone with names that look like HTML, text, gaps, held-out rows, and no crossval."""

    def make(folder: Path) -> None:
        clone = reproduced.copy(folder / "clone")
        rows = [
            f"{number % 9},{'' if number % 11 == 0 else BELL + 'xyz'[number % 3]},{name}\n"
            for number in range(60)
            for name in (SCRIPT, "it's | *b*", 'NA "c"')
        ]
        table = "a<&>,b|_c_,class\n" + "".join(rows)
        for path in ("data/source/odd.csv", "data/test_sets/<i>odd.csv"):
            (clone.path / path).write_text(table)
        params = yaml.safe_load(clone.read("params.yaml"))
        params["fetch"] |= {"source": "data/source/odd.csv", "sha256": None}
        params["prepare"] |= {"header": True, "label": -1, "missing": "impute", "test_size": 0.2}
        params["crossval"]["folds"] = 0
        params["train"] |= {"epochs": 3, "validation_fraction": 0.2, "patience": 2}
        (clone.path / "params.yaml").write_text(yaml.safe_dump(params))
        clone.reproduce("fetch", "prepare", "crossval", "train", "evaluate")

    return Clone(once("odd", make) / "clone")


@pytest.fixture(scope="module")
def odd_page(odd: Clone) -> Path:
    odd.classifier("report")
    return odd.path / "report.html"


@pytest.fixture
def here(compared: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The run to report on from this process; only new files may be written in it."""
    monkeypatch.chdir(compared.path)
    return compared


@pytest.fixture
def own(copied: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A run to report on, and to damage, from this process."""
    monkeypatch.chdir(copied.path)
    return copied


def as_markdown(capsys: pytest.CaptureFixture[str], against: str | None = None) -> str:
    report(against=against, markdown=True)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("which", "scheme", "width"),
    [
        ("page", "light", DESK),
        ("odd_page", "dark", PHONE),
        *(
            pytest.param(*rest, marks=pytest.mark.slow)
            for rest in product(["page", "odd_page"], ["light", "dark"], [PHONE, DESK])
            if rest not in [("page", "light", DESK), ("odd_page", "dark", PHONE)]
        ),
    ],
)
def test_it_opens_offline_without_a_fault(request, browser: Browser, which, scheme, width):
    path: Path = request.getfixturevalue(which)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    tab, told, asked = context.new_page(), [], []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert told == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate("document.scripts.length") == 0
    assert tab.evaluate(FAULTS) == []
    faults = Axe().run(tab).response["violations"]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []
    style = (
        "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
    )
    ink, paper = ([*map(int, re.findall(r"\d+", colour))] for colour in tab.evaluate(style))
    assert contrast(ink, on_darkest_cell(paper)) >= 4.5
    context.close()


# What is cut off at a side, a number on two lines, text that overlaps, a bar beyond 1 on its axis.
FAULTS = """() => {
    const box = one => one.getBoundingClientRect(), found = []
    const all = (of, one = document) => [...one.querySelectorAll(of)]
    for (const one of all("main *"))
        if (box(one).width && (box(one).left < 0 || box(one).right > innerWidth + 0.5))
            found.push(["cut off", one.outerHTML])
    for (const one of all(".number")) {
        const range = document.createRange()
        range.selectNodeContents(one)
        if (new Set([...range.getClientRects()].map(line => line.top)).size > 1)
            found.push(["broken", one.outerHTML])
    }
    for (const svg of all("svg")) {
        const level = all("text:not([transform*='rotate(-45'])", svg)
        const texts = level.map(one => [one.textContent, box(one)])
        for (const [text, a] of texts) {
            if (a.left < box(svg).left || a.right > box(svg).right) found.push(["cut off", text])
            for (const [other, b] of texts)
                if (a !== b && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4)
                    found.push(["overlap", text, other])
        }
        const plot = box(svg.querySelector(".background")), bars = all(".mark-rect path", svg)
        const below = texts.filter(([text, a]) => a.top > plot.bottom && Number(text) === 1)
        const is_histogram = texts.some(([text]) => text === "models") && below.length
        const end = is_histogram ? (below[0][1].left + below[0][1].right) / 2 : plot.right
        for (const bar of bars)
            if (box(bar).left < plot.left - 2 || box(bar).right > end + 2)
                found.push(["beyond the axis", bar.outerHTML])
    }
    return found
}"""


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the contrast of two colours, as WCAG 2 has it."""
    low, high = sorted(luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Sequence[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def on_darkest_cell(paper: list[int]) -> list[float]:
    *shade, alpha = map(float, re.findall(r"[\d.]+", SHADES[-1]))
    return [alpha * part + (1 - alpha) * below for part, below in zip(shade, paper, strict=True)]


def test_the_page_has_the_run_and_a_picture_of_all_that_has_one(page, compared):
    text = page.read_text()
    assert re.findall(r"<h2[^>]*>(.*)</h2>", text) == [
        "How good it is", "What is wrong", "What changed since HEAD~1", "Which classes it mixes up",
        "How sure it is", "How it learned", "Features by class", "Data and checks", "Parameters",
        "Environment and files", "Model card", "On the training data",
    ]  # fmt: skip
    crossval = json.loads(compared.read("metrics/crossval.json"))["accuracy"]
    assert "{mean:.3f} ({ci95_low:.3f} to {ci95_high:.3f})".format(**crossval) in text
    assert compared.git("log", "-1", "--abbrev=12", "--format=%h of %cs: %s").strip() in text
    for words in ("CC BY 4.0", "train.epochs", "AVX2", "rows trained on</text>"):
        assert words in text
    assert re.findall(r"<figcaption>(.*)</figcaption>", text) == [
        "Compared with simpler models; bars are 95% intervals",
        "Rows: actual class; columns: predicted class; colour: share of the actual class",
        "Share of each class that is predicted correctly",
        "Confidence and accuracy; on the dashed line they are equal",
        "Loss while training", "Accuracy while training",
        "How models differ: accuracy of each on its fold; the line is the mean",
        "sepal_length", "sepal_width", "petal_length", "petal_width",
    ]  # fmt: skip


@pytest.mark.usefixtures("here")
def test_it_concludes_at_the_top_and_problems_come_first():
    found = [Finding("problem", "model", "it fails", "mend it"), Finding("note", "table", "a", "b")]
    run = replace(results.load_run("HEAD~1"), findings=found)
    headline, conclusion, shares = content.Verdict(run).parts
    (points,) = content.Wrong(run).parts
    assert isinstance(headline, Text)
    assert isinstance(shares, Estimates)
    assert headline.number == f"{run.crossval['accuracy']['mean']:.3f}"
    assert "models on rows not trained on, 95%\u00a0interval" in headline.words
    words = conclusion.markdown()
    assert words.startswith("1 problem and 1 note. Do not use it as it is: it fails.")
    changed = r"Change in accuracy since HEAD\\~1: worse, -0\.\d{3} \(-.* to -.*\)\.$"
    assert re.search(changed, words)
    assert [one.name for one in shares.rows] == [
        "The recipe", "The model that ships", "The most frequent class", "Without hidden layers"
    ]  # fmt: skip
    assert points.markdown() == "- **problem**: it fails; mend it\n- **note**: a; b"


@pytest.mark.usefixtures("here")
def test_shares_stand_where_they_belong_on_their_axis():
    rows = [
        Estimate("a", 0.62, Interval(0.62, 0.41, 0.8)),
        Estimate("b", None, Interval(0, 0.5, 1)),
    ]
    axis = Estimates("", "accuracy", rows)
    assert axis.ticks == pytest.approx([0.4, 0.6, 0.8, 1])
    assert [axis.place(share) for share in (0.4, 0.7, 1)] == ["0.00%", "50.00%", "100.00%"]
    assert [one.numbers for one in rows] == ["0.620 (0.410 to 0.800)", "0.500 to 1.000"]


def test_rows_kept_aside_are_not_called_seen_and_epochs_are_at_most_so_many(odd_page):
    text = odd_page.read_text()
    assert "144 training rows of data/source/odd.csv, 29 of them kept aside for validation" in text
    assert "It has seen these rows, but for those kept aside" in text
    assert "adam, at most 3 epochs" in text


@pytest.mark.parametrize(
    ("patience", "weight", "fraction", "words"),
    [
        (0, "none", 0.2, ""),
        (5, "none", 0.2, "Each network went back to the epoch of its lowest loss"),
        (0, "balanced", 0.2, "The loss on the rows trained on is weighted by class, that on the"),
        (0, "balanced", 0.0, "The loss on the rows trained on is weighted by class."),
    ],
)
def test_it_says_how_curves_differ_from_what_ships(patience, weight, fraction, words):
    params = {"patience": patience, "class_weight": weight, "validation_fraction": fraction}
    found = content.what_curves_are_of({f"train.{key}": value for key, value in params.items()})
    assert "".join(found).startswith(words)
    assert words or not "".join(found)


def test_rows_kept_aside_are_counted_for_groups_are_kept_as_a_whole(prepared, monkeypatch):
    rows = "".join(f"{n // 40},{n},{'ab'[n // 80]}\n" for n in range(160))
    folder = prepared(f"k,x,y\n{rows}", header=True, label="y", group="k")
    monkeypatch.setattr("classifier.base.paths.TRAINING_ROWS", folder / "train")
    assert content.rows_kept_aside(0.3, seed=1) == 80
    assert content.rows_kept_aside(0, seed=1) == 0


def test_rows_that_were_trained_on_too_do_not_lead_as_others(odd, odd_page):
    found = json.loads(odd.read("metrics/evaluation.json"))
    rows, seen = (found["test"][key] for key in ("rows", "rows_trained_on"))
    assert (
        f"accuracy on {rows} rows, {seen} of which are in the training data" in odd_page.read_text()
    )


@pytest.mark.usefixtures("here")
def test_a_set_that_leads_is_named():
    run = results.load_run()
    answers, run = run.left_out, replace(run, crossval={"models": 0})
    assert answers
    for name, of_set in (("test", ""), ("clinic", " of clinic")):
        run = replace(run, others={name: answers}, evaluation={name: {"rows": 2}})
        words = content.leading_words(run, "accuracy")
        assert words == f"accuracy on 2 rows{of_set}, not trained on"


def test_a_class_that_is_rare_is_seen_in_the_matrix():
    """Rows are actual classes as in scikit-learn; a shade is the share of its row."""
    cells = [("no", "no", 970), ("yes", "yes", 15), ("yes", "no", 15)]
    rows = [dict(zip(("actual", "predicted", "answers"), cell, strict=True)) for cell in cells]
    (spec,) = plots.dvc_plots({"workspace": {"metrics/confusion.csv": rows}}).values()
    svg = plots.to_svg(plots.sized(spec, ["no", "yes"], False), "")
    drawn = re.findall(r'<path d="M(\d+),(\d+)h[^"]*" fill="rgba\(148, 93, 214, ([\d.]+)\)"', svg)
    shade = {(int(down) > 0, int(right) > 0): float(alpha) for right, down, alpha in drawn}
    assert shade[False, False] == 0.6
    assert shade[True, True] == shade[True, False] == pytest.approx(0.32)
    assert {"970", "15"} <= {*re.findall(r">(\d+)</text>", svg)}


def test_no_bar_stands_beyond_an_accuracy_of_1():
    folds = [{"accuracy": accuracy} for accuracy in (0.52, 0.9, 1.0, 1.0)]
    (spec,) = plots.dvc_plots({"workspace": {"metrics/folds.csv": folds}}).values()
    svg = plots.to_svg(plots.sized(spec, [], False), "")
    assert re.findall(r'text-anchor="middle" transform="translate\(340,\d+\)"[^>]*>1.00<', svg)


def test_every_picture_is_told_in_numbers(page):
    told = re.findall(r'<svg [^>]*aria-label="([^"]*)"', page.read_text())
    assert len(told) == page.read_text().count("<svg") == 9
    assert all(re.search(r"\d", words) for words in told)
    wrong = r"\d+ of 1,500 predictions are wrong; most often Iris-v\w+ is taken for"
    assert re.match(wrong, told[0])
    assert told[2].startswith("Loss while training: 2.648 after the first of 20 epochs, ")
    assert told[7] == (
        "petal_length: median Iris-setosa 1.5, Iris-versicolor 4.35, Iris-virginica 5.55."
    )


def test_its_pictures_are_those_of_dvc_plots(here):
    ours = results.load_run().plots
    theirs = json.loads(here.dvc("plots", "show", "--json"))["data"]
    assert theirs.pop("metrics/crossval.json") == [], "there is nothing to draw"
    del theirs["metrics/predictions/train.csv"]  # on rows trained on
    assert set(ours) == set(theirs)
    for name, (plot,) in theirs.items():
        assert {**ours[name], "data": None} == {**plot["content"], "data": None}


def test_against_a_revision_it_says_what_changed_and_lays_the_curves_over_each_other(page):
    text = page.read_text()
    changes = text.split("What changed since HEAD~1</h2>")[1].split("</section>")[0]
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", changes)
    assert cells == ["name", "HEAD~1", "workspace", "train.epochs", "150", "20"]
    assert changes.count("<b>worse</b>") == 3
    curves = [one for one in re.findall(r"(?s)<figure>.*?</figure>", text) if "aria-label" in one]
    for figure in curves[1:5]:
        assert {"HEAD~1", "workspace"} <= set(re.findall(r"<text[^>]*>([^<]*)<", figure))


@pytest.mark.usefixtures("here")
def test_markdown_is_short_begins_with_the_verdict_and_folds_the_rest(capsys):
    text = as_markdown(capsys, against="HEAD~1")
    assert text.count("\n") < 60
    assert text.startswith("## species, predicted from 4 columns\n")
    assert "### How good it is\n\n**0." in text.split("<details>")[0]
    assert "| train.epochs " in text.split("<details>")[0]
    assert text.count("- **worse**: ") == 3
    assert "### Which classes it mixes up" in text.split("<details>")[1]
    assert "Also on the page: " in text
    assert text.endswith("</details>\n")
    assert "<svg" not in text


def test_tables_and_lists_in_markdown_are_cut():
    table = Table("Many", ["row", "value"], [[f"{row}", "x"] for row in range(100)])
    cut = LONG.sub(CUT, f"{table.markdown()}\n\nAfter it.").splitlines()
    assert len(cut) == 12
    assert cut[-3:] == ["…", "", "After it."]


@pytest.mark.usefixtures("own")
def test_the_model_card_has_the_fields_that_readers_look_for():
    report(model_card=True)
    _, front, text = Path("models/MODEL_CARD.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(front)
    assert (fields["library_name"], fields["pipeline_tag"]) == ("keras", "tabular-classification")
    accuracy, *_ = fields["model-index"][0]["results"][0]["metrics"]
    assert (
        accuracy["value"]
        == json.loads(Path("metrics/crossval.json").read_bytes())["accuracy"]["mean"]
    )
    for name in ("intended use", "out of scope", "limitations", "training data", "get started"):
        assert f"\n| {name} " in text
    assert {"## Model card", "## How good it is", "## What is wrong"} <= {*text.splitlines()}
    Path("models/MODEL_CARD.md").write_text("")
    report(model_card=True)  # once more, now that it may be committed


@pytest.mark.usefixtures("here")
def test_it_opens_in_a_browser(monkeypatch, tmp_path):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with pytest.raises(UserError, match=r"^no browser was found; open .*page\.html in one$"):
        report(open_it=True, output=tmp_path / "page.html")
    assert opened == [(tmp_path / "page.html").as_uri()]
    with pytest.raises(UserError, match="exclude each other; choose one"):
        report(open_it=True, markdown=True)


@pytest.mark.usefixtures("here")
def test_a_section_is_added_in_ten_lines():
    text = (ROOT / "CONTRIBUTING.md").read_text().split("## Add a section to the report")[1]
    [code] = re.findall(r"```python\n(.*?)```", text.split("\n## ")[0], re.DOTALL)
    assert len(code.splitlines()) <= 10
    names: dict[str, Any] = {**vars(content)}
    exec(code, names)
    section = names["LastEpochs"](results.load_run())
    assert "<h2" in section.html()
    assert re.search(r"### The last epochs\n\n.*\n\n\| +epoch \|", section.markdown())


def test_groups_of_rows_make_intervals_wider():
    generator = np.random.default_rng(0)
    units = np.repeat(np.arange(20), 10)
    right = (generator.random(20) < 0.7)[units]  # all rows of a group, or none
    found = OutOfFold(
        actual=np.zeros(200, np.int32),
        predicted=1 - right[None].astype(np.int32),
        losses=np.zeros((1, 200)),
        models=(units % 5)[None],
        numbers=np.arange(200),
    )
    half = np.arange(200) >= 100
    alone, together = (results.recall(one, half) for one in (found, replace(found, units=units)))
    assert together.low < alone.low
    assert together.high > alone.high


@pytest.mark.parametrize(
    ("classes", "rows"),
    [
        (["1.1", "1.10", "2.0"], ["1.1,1.10", "1.1,1.10", "2.0,2.0"]),
        (["01", "02", "1"], ["01,1", "01,1", "02,02"]),
        (["FALSE", "TRUE"], ["TRUE,FALSE", "TRUE,FALSE", "TRUE,TRUE"]),
        (["01", "02", "other"], ["02,01", "02,01", "other,02"]),
    ],
)
def test_classes_of_a_test_set_are_told_as_they_are_written(monkeypatch, tmp_path, classes, rows):
    """pandas would take these for numbers or for yes and no, of which some are the same."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{at},{row},0.{at}" for at, row in enumerate(rows, 1)]
    Path("metrics/predictions").mkdir(parents=True)
    text = "\n".join(["row,actual,predicted,probability", *lines, ""])
    Path("metrics/predictions/odd.csv").write_text(text)
    per_class = [{"class": name, "rows": 0} for name in classes]
    answers = results.other_answers("odd", per_class, Lock(stages={}))
    assert answers.pairs.to_numpy().tolist() == [[*rows[0].split(","), 2], [*rows[2].split(","), 1]]
    mistakes = [row.split(",") for row in reversed(rows) if len({*row.split(",")}) == 2]
    assert answers.wrong[["actual", "predicted"]].to_numpy().tolist() == mistakes


def test_dates_are_shown_as_the_table_has_them():
    date = NumberFeature(name="day", date="%d.%m.%Y", lowest=0, highest=20_000)
    names = np.array(["a"] * 5 + ["b"] * 5, dtype=object)
    days = np.concatenate([np.full(5, 18_628.0), np.full(5, 19_000.0)])
    picture = content.feature_picture(date, days, names, ["a", "b"])
    assert isinstance(picture, page_of.Figure)
    assert picture.alternative == "day: median a 01.01.2021, b 08.01.2022."
    assert "2021" in picture.svg
    assert content.cell(float("nan"), date) == ""


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        (None, 15_342_637.0, "15342637"),
        (None, float(np.float32(5.1)), "5.1"),
        (None, -0.25, "-0.25"),
        (None, 0.0, "0"),
        (None, 1e-7, "1e-07"),
        ("%Y-%m-%d %H:%M", 18_628.25, "about 2021-01-01 06:00"),
        ("%Y-%m-%d", 18_628.0, "2021-01-01"),
    ],
)
def test_a_number_is_shown_as_exactly_as_it_is_known(feature, value, text):
    date = feature and NumberFeature(name="at", date=feature, lowest=0, highest=20_000)
    assert content.cell(value, date) == text


@pytest.mark.usefixtures("here")
def test_classes_that_a_test_set_has_no_row_of_are_named_beside_its_macro_f1():
    run = results.load_run()
    (answers,) = [run.left_out] if run.left_out else []
    absent = {"rare": {"rows": 0}, "frequent": {"rows": 40}}
    others = {"healthy": replace(answers, per_class=absent)}
    scores = {"healthy": {"rows": 40, "macro_f1": 1.0, "accuracy": 1.0}}
    run = replace(run, others=others, evaluation=run.evaluation | scores)
    assert content.estimates(run)[-1].note == "40 rows"
    run.crossval["beside"]["majority"]["accuracy"]["mean"] = 0.9
    assert content.estimates(run)[-1].note == "40 rows, none of rare"


@pytest.mark.usefixtures("own")
def test_of_a_classifier_without_mistakes_there_are_no_wrong_rows():
    crossval = json.loads(Path("metrics/crossval.json").read_text()) | {"confidently_wrong": {}}
    answers = results.left_out(crossval, ["Iris-setosa", "Iris-versicolor", "Iris-virginica"])
    run = replace(results.load_run(), left_out=answers)
    assert content.wrong_rows(run, answers, Path("data/prepared/train")).rows == []
    axis = Estimates("", "recall", [Estimate("a", 1.0, None), Estimate("b", 1.0, None)])
    assert axis.ticks == pytest.approx([0.9, 1])


@pytest.mark.usefixtures("own")
def test_where_a_model_of_a_cache_was_made_is_not_known():
    report()
    assert "AVX2" in Path("report.html").read_text()
    text = Path("metrics/environment.json").read_text()
    model = read_lock().outs()["models/classifier.keras"].md5
    Path("metrics/environment.json").write_text(text.replace(model, "0" * 32))
    report()
    text = Path("report.html").read_text()
    assert "Where the model was made is not known: it came from a cache or a remote." in text
    assert "AVX2" not in text


def drawn_picture(run: results.Run) -> str:
    """Return the first screen as an SVG, which each browser draws with its own fonts."""
    css = Path(page_of.__file__).with_name("page.css").read_text()
    screen = page_of.template().screen(content.title(run), content.lead(run), content.first(run))
    width, height = PICTURE_SIZE
    style = "height: 100%; border: 1px solid var(--line); border-radius: 8px"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">\n'
        f'<foreignObject width="100%" height="100%">\n'
        f'<body xmlns="http://www.w3.org/1999/xhtml" style="{style}">\n'
        f"<style>{css}</style>{screen}</body>\n</foreignObject>\n</svg>\n"
    )


def test_the_readme_begins_with_a_picture_of_the_first_screen(reproduced):
    with reproduced.entered():
        drawn = drawn_picture(results.load_run())
    if "REGENERATE" in os.environ:
        PICTURE.write_text(drawn)
    assert drawn == PICTURE.read_text(), "run `make picture` and look at it"
    assert re.match(r"# .*\n\n!\[[^]]+\]\(docs/report\.svg\)\n", (ROOT / "README.md").read_text())


def test_nothing_of_the_picture_is_cut_off(browser: Browser):
    tab = browser.new_page()
    tab.goto(PICTURE.as_uri())
    bottoms = (
        "[...document.querySelectorAll('section')].map(one => one.getBoundingClientRect().bottom)"
    )
    assert 0.8 * PICTURE_SIZE[1] < max(tab.evaluate(bottoms)) < PICTURE_SIZE[1]


def test_names_are_shown_as_they_are_and_no_html_is_made_of_them(
    odd, odd_page, monkeypatch, capsys
):
    assert "<script" not in odd_page.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in odd_page.read_text()
    monkeypatch.chdir(odd.path)
    text = as_markdown(capsys)
    assert "<script" not in text
    assert r"it's \| \*b\*" in text


def test_no_mark_of_markdown_is_left():
    assert plain("~~a~~ `b` *c* _d_ [e](f) a_b") == r"\~\~a\~\~ \`b\` \*c\* \_d\_ \[e\](f) a_b"


def test_held_out_rows_and_test_sets_have_sections_with_intervals(odd_page):
    text = odd_page.read_text()
    titles = re.findall(r"<h2[^>]*>(.*)</h2>", text)
    assert titles[2:5] == ["How sure it is", "Rows held out", "Test set &lt;i&gt;odd"]
    assert "There was no cross-validation (crossval.folds: 0)." in text
    assert re.search(r"<span class=\"number\">0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)</span>", text)
    assert "rows kept aside</text>" in text
    assert "Licence" not in text


@pytest.mark.usefixtures("here")
def test_its_size_does_not_grow_with_classes_or_features(monkeypatch, tmp_path):
    for limit in ("TABLE_CLASSES", "PLOT_CLASSES", "PLOT_FEATURES", "NAMED"):
        monkeypatch.setattr(content, limit, 2)
    monkeypatch.setattr(results, "MATRIX_CLASSES", 2)
    report(output=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<p>3 classes. 150 training rows of" in text
    assert "correctly: the 2 of 3 classes with the lowest F1" in text
    assert "Only the 2 of 4 features that tell the classes apart best are shown." in text
    assert "Among so many, some do so by chance." in text
    assert "<figcaption>sepal_width" not in text
    assert "<caption>Most frequent mistakes</caption>" in text


def test_its_plots_are_made_of_a_sample_that_is_like_the_whole():
    """In the table, two classes take turns."""
    labels = np.tile(np.eye(2, dtype=np.uint8), (10_000, 1))
    inputs, classes = features.sample(Dataset(labels.astype(np.float32), labels))
    assert len(inputs) == len(classes) < 10_000
    assert np.bincount(classes) / len(classes) == pytest.approx([0.5, 0.5], abs=0.02)
    epochs = pd.DataFrame({"epoch": range(1_000_001)})
    assert 500 <= len(plots.drawn(epochs)) <= 1000


def test_features_are_what_they_were_in_the_table(prepared):
    table = "a,b,y\n5.1,x,p\n0,,q\n,z,q\n-7.25,x,p\n"
    folder = prepared(table, header=True, label="y", missing="impute")
    schema = Schema.load(folder / "schema.json")
    inputs, _ = features.sample(open_dataset(folder / "train"))
    columns = np.split(inputs, schema.first_inputs[1:-1], axis=1)
    values = [
        features.values(feature, column).tolist()
        for feature, column in zip(schema.features, columns, strict=True)
    ]
    number, text = values
    assert number == pytest.approx([5.1, 0, np.nan, -7.25], nan_ok=True)
    assert text == ["x", "", "z", "x"]


def test_a_category_that_is_called_as_those_of_the_report_is_not_added_to_them():
    column = np.array(["(other)", "(other)", "", "", "(no value)", "(no value)", "b"], object)
    shares = features.category_shares(column, np.array(["p"] * 7), limit=3)
    assert (shares.loc["p"] * 7).to_dict() == pytest.approx(
        {"'(no value)'": 2, "'(other)'": 2, "(no value)": 2, "(other)": 1}
    )


def test_gaps_have_no_part_in_the_figures_of_numbers():
    numbers, names = np.array([1.0, np.nan, 3, np.nan, np.nan]), np.array([*"aabbc"], object)
    found = features.quantiles(numbers, names)
    assert [(row["class"], row["p50"]) for row in found] == [("a", 1), ("b", 3)]
    inputs = np.array([[1, 0], [np.nan, 1], [3, 0], [3, np.nan]], np.float32)
    shares = features.telling(inputs, np.array([0, 0, 1, 1]))
    assert shares == pytest.approx([1, 1 / 4])
    assert content.cell(np.nan) == ""


def test_wrong_rows_are_those_of_the_table(here):
    run = results.load_run()
    (*_, wrong) = content.Confidence(run).parts
    assert isinstance(wrong, Table)
    table = here.read("data/raw.csv").splitlines()
    assert 1 <= len(wrong.rows) <= results.WRONG_ROWS
    for number, actual, predicted, probability, *values in wrong.rows:
        *cells, label = table[int(number) - 1].split(",")
        assert label == actual != predicted
        assert [float(cell) for cell in cells] == [float(value) for value in values]
        assert 1 / 3 < float(probability) <= 1


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("metrics/evaluation.json", None, "metrics/evaluation.json: no such file; run `dvc repro`"),
        ("metrics/evaluation.json", "{", "is not the file that dvc.lock names"),
        ("metrics/history.csv", "", "is not the file that dvc.lock names"),
        ("metrics/environment.json", "{", "metrics/environment.json: is damaged"),
        ("metrics/environment.json", "[1]", "metrics/environment.json: is damaged"),
        ("metrics/predictions/train.csv", None, "metrics/predictions: is not the folder that dvc"),
        ("data/prepared/schema.json", "{}", "schema.json: is not a schema that prepare wrote"),
        ("dvc.lock", "a: [", "dvc.lock: is damaged: it is cut off"),
    ],
)
def test_what_is_missing_or_damaged_is_one_line(own, path, text, words):
    (own.path / path).unlink()
    if text is not None:
        (own.path / path).write_text(text)
    with pytest.raises(UserError) as raised:
        report()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (own.path / "report.html").exists()


def test_params_that_are_not_utf_8_are_one_line(own):
    (own.path / "params.yaml").write_bytes(b"train: \xff\n")
    with pytest.raises(UserError, match=r"^params.yaml: "):
        report()


def test_scores_of_another_model_are_not_shown(own):
    """As after `dvc repro train`, with another seed."""
    lock = yaml.safe_load(own.read("dvc.lock"))
    (model,) = [out for out in lock["stages"]["train"]["outs"] if out["path"].endswith("onnx")]
    model["md5"] = "0" * 32
    (own.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(UserError, match=r"^dvc.lock: its stages have seen different versions of m"):
        report()


@pytest.mark.parametrize("path", ["params.yaml", "metrics/evaluation.json"])
def test_a_file_that_is_broken_in_the_other_revision_is_no_change(own, path):
    whole = own.read(path)
    (own.path / path).write_text("{")
    own.commit("Break it")
    (own.path / path).write_text(whole)
    with pytest.raises(UserError, match=f"^HEAD: .*{path}|^{path} of HEAD: "):
        report(against="HEAD")


@pytest.mark.parametrize("path", ["metrics/evaluation.json", "metrics/history.csv"])
def test_results_that_were_edited_in_the_other_revision_are_refused(own, path):
    whole = own.read(path)
    (own.path / path).write_text(whole.replace("0.9", "0.99", 1))
    own.commit("Edit it")
    (own.path / path).write_text(whole)
    with pytest.raises(UserError, match=rf"^HEAD: {path}: does not match its dvc\.lock; run"):
        report(against="HEAD")


def test_results_of_other_params_in_the_other_revision_are_told(own, capsys):
    whole = own.read("params.yaml")
    edited = re.sub(r"(?s)(train:.*?)  seed: 42", r"\1  seed: 7", whole)
    (own.path / "params.yaml").write_text(edited)
    own.commit("Another start")
    (own.path / "params.yaml").write_text(whole)
    report(against="HEAD", markdown=True)
    assert "HEAD: its results were made with another train.seed\n" in capsys.readouterr().err


def test_predictions_of_another_run_are_not_shown(own):
    path = own.path / "metrics/predictions/train.csv"
    path.write_text(path.read_text().replace("0.", "0.0", 1))
    with pytest.raises(UserError, match=r"metrics/predictions: is not the folder that dvc.lock"):
        report()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("nosuch", "unknown Git revision 'nosuch'"),
        ("HEAD:params.yaml", "HEAD:params.yaml: is not a commit, branch, tag or experiment"),
        ("", "an empty name is not a revision"),
    ],
)
def test_what_cannot_be_compared_with_is_one_line(revision, words):
    with pytest.raises(UserError, match=f"^{re.escape(words)}$"):
        report(against=revision)


def test_without_cross_validation_the_rest_is_compared(odd, monkeypatch, capsys):
    monkeypatch.chdir(odd.path)
    text = as_markdown(capsys, against="HEAD")
    assert "The cross-validations cannot be compared: workspace: was not cross-validated" in text
    assert "| crossval.folds" in text


def test_a_cross_validation_that_was_run_alone_is_refused(own):
    lock = yaml.safe_load(own.read("dvc.lock"))
    for changed, words in (
        (lambda stages: stages["train"]["params"]["params.yaml"]["train"].update(epochs=7),
         "was cross-validated on other rows or settings"),
        (lambda stages: [dep.update(md5="0" * 32) for dep in stages["evaluate"]["deps"]
                         if dep["path"] == "metrics/crossval.json"],
         "its stages have seen different versions of metrics/crossval.json"),
    ):  # fmt: skip
        other = json.loads(json.dumps(lock))
        changed(other["stages"])
        (own.path / "dvc.lock").write_text(yaml.safe_dump(other))
        with pytest.raises(UserError, match=f"^dvc.lock: {words}"):
            report(markdown=True)


@pytest.mark.usefixtures("here")
def test_markdown_goes_into_a_file_where_one_is_named(tmp_path, capsys):
    report(markdown=True, output=tmp_path / "report.md")
    assert capsys.readouterr().out == f"{tmp_path / 'report.md'}\n"
    assert (tmp_path / "report.md").read_text().startswith("## species, predicted from")


def test_nothing_that_git_or_dvc_keeps_is_replaced(own):
    (own.path / "link").symlink_to("models/classifier.keras")
    (own.path / "folder").symlink_to(".")
    (own.path / "hard link").hardlink_to("params.yaml")
    before = own.files()
    for place in (
        "params.yaml", "models/classifier.keras", "models/../models/classifier.onnx",
        "data/prepared/report.html", "data/test_sets/mine.csv", "metrics/predictions",
        ".dvc/config", ".git/config", ".dvc/cache/report.html",
        "link", "folder/params.yaml", "hard link",
    ):  # fmt: skip
        words = f"^{place}: belongs to the project; choose another file$"
        with pytest.raises(UserError, match=words):
            refuse_to_replace(Path(place))
    with pytest.raises(UserError, match=r"^params\.yaml: belongs to the project"):
        report(output=Path("params.yaml"))
    assert own.files() == before


@pytest.mark.usefixtures("own")
def test_no_folder_is_made():
    with pytest.raises(UserError, match=r"^no/such/report\.html: there is no folder .*/no/such$"):
        report(output=Path("no/such/report.html"))


@pytest.mark.usefixtures("own")
def test_a_link_stays_a_link(tmp_path):
    Path("link.html").symlink_to(tmp_path / "report.html")
    report(output=Path("link.html"))
    assert Path("link.html").is_symlink()
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.usefixtures("own")
def test_what_is_not_a_regular_file_is_opened_and_not_replaced(tmp_path):
    fifo = tmp_path / "report.html"
    os.mkfifo(fifo)
    with ThreadPoolExecutor() as pool:
        page = pool.submit(fifo.read_text)
        report(output=fifo)
        assert page.result(timeout=60).startswith("<!doctype html>")
    assert fifo.is_fifo()


def test_params_that_have_changed_since_are_told(own, capsys):
    own.edit("params.yaml", "hidden: [8]", "hidden: [16]")
    report(markdown=True)
    written = capsys.readouterr()
    assert written.err == "train.hidden has changed since; run `dvc repro`\n"
    assert "- **outdated**: train.hidden has changed since; run" in written.out
    assert "[16]" not in written.out


def test_files_are_listed_as_they_were_made_whatever_stands_in_their_place(own):
    outs = read_lock().outs()
    (own.path / "models/classifier.keras").write_bytes(b"another model")
    (own.path / "data/raw.csv").unlink()
    run = results.load_run()
    assert run.outdated == [
        "models/classifier.keras is not what dvc.lock names; run `classifier verify --repair`"
    ]
    rows = {row[0]: row[1:] for row in run.files}
    for path in ("data/raw.csv", "models/classifier.keras"):
        assert rows[path] == ["", outs[path].md5, f"{outs[path].size:,}"]
    source, *_ = content.Data(run).content()
    assert isinstance(source, page_of.Text)
    assert source.words.endswith(f"4,551 bytes, md5 {outs['data/raw.csv'].md5}.")


def test_params_are_read_as_dvc_reads_them(own, capsys):
    """To YAML 1.1, which PyYAML reads, 1e-05 is a word."""
    lock = own.read("dvc.lock").replace("learning_rate: 0.001", "learning_rate: 1e-05")
    (own.path / "dvc.lock").write_text(lock)
    own.edit("params.yaml", "learning_rate: 0.001", "learning_rate: 0.00001")
    report(output=Path("page.html"))
    assert "has changed since" not in capsys.readouterr().err
    assert re.search(r"train\.learning_rate</th>\s*<td[^>]*>1e-05<", own.read("page.html"))


def test_the_library_names_every_table_of_the_project():
    for path in (ROOT / "data/source").iterdir():
        source, md5 = f"data/source/{path.name}", md5_of(path)
        assert content.library_row(source, md5), path.name
        assert content.library_row(source, md5[::-1]) is None
        assert content.library_row(f"https://example.org/{path.name}", md5) is None


def test_git_does_not_see_the_page():
    assert Clone(ROOT).git("check-ignore", "--no-index", "report.html") == "report.html\n"


def test_help_has_examples(reproduced):
    shown = reproduced.classifier("report", "--help").stdout
    assert "report --against main --output new.html\n" in shown


def test_an_editor_gets_templates_that_it_can_fill(compared):
    command = ["plots", "diff", "HEAD~1", "--json", "--split"]  # as the extension of VS Code does
    plots = json.loads(compared.dvc(*command))["data"]
    for (plot,) in filter(None, plots.values()):
        assert {"<DVC_METRIC_DATA>", "<DVC_METRIC_TITLE>"} <= set(plot["anchor_definitions"])
        assert plot["content"]["data"]["values"] == "<DVC_METRIC_DATA>"
        assert set(plot["revisions"]) == {"HEAD~1", "workspace"}


def test_dvc_plots_shows_validation_rows_where_there_are_some(odd):
    (plot,) = json.loads(odd.dvc("plots", "show", "--json", "metrics/history.csv"))["data"].values()
    spec = plot[0]["content"]
    assert {"loss", "val_loss"} <= set(spec["data"]["values"][0])
    assert [layer["encoding"]["y"]["field"] for layer in spec["layer"]] == ["loss", "val_loss"]


def test_dvc_plots_shows_the_curve_while_training_goes_on(copied):
    copied.edit("params.yaml", "epochs: 150", "epochs: 1000000")
    (copied.path / "metrics/history.csv").unlink()
    repro = subprocess.Popen(
        ["dvc", "repro", "--single-item", "train"],
        cwd=copied.path,
        env=copied.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until((copied.path / "metrics/history.csv").exists)
        shown = json.loads(copied.dvc("plots", "show", "--json", "metrics/history.csv"))
        ((plot,),) = shown["data"].values()
        assert 0 < len(plot["content"]["data"]["values"]) < 1_000_000
        assert repro.poll() is None
    finally:
        os.killpg(repro.pid, signal.SIGKILL)
        repro.wait()


def test_a_run_that_is_under_way_is_told(own, capsys):
    words = f"`dvc repro train` is running here (process {os.getpid()}); "
    with Repo() as repo, rwlock(repo.tmp_dir, repo.fs, "/bin/dvc repro train", [], [MODEL], False):
        report(markdown=True)
        assert capsys.readouterr().err == f"{words}this report is of the run before it\n"
        (own.path / "metrics/evaluation.json").unlink()
        with pytest.raises(UserError) as raised:
            report()
    assert str(raised.value).startswith(f"{words}try again when it has ended (metrics/evaluation.j")
    assert run_under_way() == ""


def test_a_run_on_another_machine_cannot_be_told_from_one_that_was_killed(own):
    noted = {"write": {"/clone/models": {"pid": 2**30, "cmd": "dvc repro"}}}
    (own.path / ".dvc/tmp/rwlock").write_text(json.dumps(noted))
    words = "on another machine, or was killed"
    assert run_under_way() == f"`dvc repro` is running {words} (process {2**30})"


def test_a_test_set_that_was_evaluated_and_git_lacks_is_told(own):
    test_set = own.path / "data/test_sets/more.csv"
    test_set.write_text(own.read("data/source/iris.data").splitlines()[0] + "\n")
    own.reproduce("evaluate")
    own.git("commit", "--quiet", "--all", "--message", "Evaluate more")
    assert commit().endswith(": Evaluate more; what was run is not all in it")
    own.commit("The test set, too")
    assert commit().endswith(": The test set, too")
    own.git("config", "status.branch", "true")
    assert commit().endswith(": The test set, too"), "whatever else git shows"
    own.edit("params.yaml", "epochs: 150", "epochs: 20")
    own.git("commit", "--quiet", "--all", "--message", "Not run")
    assert commit().endswith(": Not run; what was run is not all in it")


def test_a_change_outside_the_folder_of_the_project_is_none(own, monkeypatch):
    kept = shutil.ignore_patterns(".git", "report.html")
    whole = Clone(own.path.parent / "whole")
    shutil.copytree(own.path, whole.path / "project", ignore=kept)
    (whole.path / "notes").write_text("of something else")
    whole.git("init", "--quiet")
    whole.commit("All of it")
    (whole.path / "notes").write_text("edited")
    monkeypatch.chdir(whole.path / "project")
    assert commit().endswith(": All of it")
    with (whole.path / "project/README.md").open("a") as page:
        page.write("more")
    assert commit().endswith(": All of it; with uncommitted changes")


def test_a_namesake_of_what_it_is_compared_with_is_told(own, capsys):
    own.git("branch", "both")
    own.git("tag", "both")
    report(against="both", markdown=True)
    told = "both: means refs/tags/both; refs/heads/both has the same name\n"
    assert capsys.readouterr().err == told


@pytest.mark.usefixtures("own")
def test_why_no_commit_is_known_is_told(monkeypatch, capsys):
    monkeypatch.setenv("GIT_DIR", "nowhere")
    assert commit() == ""
    assert capsys.readouterr().err.startswith(
        "no git commit is known: git log: fatal: not a git re"
    )


def test_it_is_not_compared_with_itself(own):
    own.git("branch", "workspace")
    with pytest.raises(
        UserError, match=r"^workspace: means the files as they are now, which the r"
    ):
        report(against="workspace")


def test_the_model_card_is_not_written_through_a_link(own):
    (own.path / "models/MODEL_CARD.md").symlink_to("../../victim")
    with pytest.raises(UserError, match=r"MODEL_CARD.md: is a link, which may lead out"):
        report(model_card=True)
    assert not (own.path.parent / "victim").exists()


def test_test_sets_that_differ_are_among_what_changed(own):
    (own.path / "data/test_sets/more.csv").write_text(own.read("data/source/iris.data"))
    own.reproduce("evaluate")
    found = compared_with("HEAD", read_lock(), json.loads(own.read("metrics/evaluation.json")))
    changed = {name: (old, new) for name, old, new in found.differences}
    assert changed["more.accuracy"] == ("", "0.973333")
    old, new = changed["data/test_sets"]
    assert old != new
    assert "data/raw.csv" not in changed


def test_a_table_of_this_machine_alone_is_no_uncommitted_change(own):
    own.edit("params.yaml", "data/source/iris.data", (own.path / "data/source/iris.data").as_uri())
    own.reproduce("fetch")
    own.commit("A table of this machine")
    assert commit().endswith(": A table of this machine")


def test_the_plots_of_dvc_are_drawn_offline(compared, browser: Browser, tmp_path):
    compared.dvc("plots", "diff", "HEAD~1", "--out", str(tmp_path))
    page = (tmp_path / "index.html").as_uri()
    with browser.new_context(offline=True) as context:
        tab, asked = context.new_page(), []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: asked.append(str(error)))
        tab.goto(page)
        tab.wait_for_selector("svg.marks")
        assert asked == [page]
