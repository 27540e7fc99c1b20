"""What the report says of a run, section by section."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifier.base.errors import listed
from classifier.base.paths import (
    ABOUT_TABLES,
    CONFUSION,
    FOLDS,
    HISTORY,
    KERAS_MODEL,
    ONNX_MODEL,
    PREDICTIONS,
    PREPARED,
    RAW,
    RELIABILITY,
    SOURCES,
    TRAINING_ROWS,
)
from classifier.commands.report import features
from classifier.commands.report.page import Block, Figure, Figures, Section, Table
from classifier.commands.report.plots import (
    Records,
    boxes,
    dvc_plots,
    shares,
    to_svg,
    with_counts,
    with_size,
)
from classifier.commands.report.results import (
    Predictions,
    Run,
    drawn,
    records,
)
from classifier.rows.dataset import open_dataset
from classifier.scoring.intervals import wilson
from classifier.scoring.scores import METRICS
from classifier.table.cells import counted
from classifier.table.schema import Feature, NumberFeature

MATRIX_CLASSES = 25  # more do not fit into a matrix that can be read
TABLE_CLASSES = 30  # of a data set, those with the lowest F1
PLOT_CLASSES = 12  # in the plot of a feature, the most frequent ones
PLOT_CATEGORIES = 8
PLOT_FEATURES = 24  # those that tell the classes apart best
ROW_FEATURES = 8  # that are shown of a row
PAIRS = 10  # of classes, the one taken for the other
ENVIRONMENT_CAPTION = "Environment of the last training here, which dvc.lock does not record"
Z95 = 1.959964  # of the normal distribution, two-sided


class Pictures:
    """The plots of dvc.yaml for a run and, laid over it, a revision that it is compared with."""

    def __init__(self, run: Run, others: Mapping[str, Mapping[str, Records]]) -> None:
        own = {str(HISTORY): drawn(run.history), str(FOLDS): drawn(run.folds)}
        own[str(RELIABILITY)] = records(run.reliability)
        if len(run.schema.classes) <= MATRIX_CLASSES:
            own[str(CONFUSION)] = records(run.confusion)
        for name, predictions in run.predictions.items():
            if len(run.schema.classes) <= MATRIX_CLASSES:
                own[f"{PREDICTIONS}/{name}.csv"] = records(predictions.pairs)
        self.specs = dvc_plots({"workspace": own, **others})
        self.run, self.compared = run, bool(others)

    def figure(self, plot: str, caption: str, alternative: str) -> list[Block]:
        """Return the figure of a plot, none if there is nothing to draw."""
        if plot not in self.specs:
            return []
        spec = self.specs[plot]
        legend = self.compared or ("val_loss" in self.run.history and plot != str(FOLDS))
        if plot == str(CONFUSION):
            spec, legend = with_size(spec, len(self.run.schema.classes)), False
        elif plot.startswith(str(PREDICTIONS)):
            spec, legend = with_counts(spec, len(self.run.schema.classes)), False
        return [Figure(caption, alternative, to_svg(spec, legend, alternative))]


def sections(
    run: Run, commit: str, changes: list[Section], others: Mapping[str, Mapping[str, Records]]
) -> list[Section]:
    """Return the report; with changes and the rows to draw of another revision, if any."""
    pictures = Pictures(run, others)
    return [
        results(run),
        Section("Findings", [*map(str, run.findings)] or ["There is nothing to say."]),
        *changes,
        curves(run, pictures),
        cross_validation(run, pictures),
        *(data_set(run, name, pictures) for name in run.evaluation),
        data(run),
        model_card(run),
        what_was_run(run, commit),
    ]


def results(run: Run) -> Section:
    head = ["measured on", "rows", "accuracy", "loss", "macro F1"]
    source = run.params["fetch"]["source"]
    return Section(
        "Results",
        [
            *run.outdated,
            f"{source}: {len(run.schema.features)} features, {len(run.schema.classes)} classes.",
            Table("Metrics, with 95% intervals", head, headline(run)),
            "Judge the model by rows that it was not trained on: by cross-validation, whose "
            "intervals are of other rows and other models (docs/statistics.md), and by test sets "
            "(intervals of Wilson, 1927).",
        ],
    )


def headline(run: Run) -> list[list[str]]:
    rows = []
    if run.crossval["models"]:
        intervals = [
            "{mean:.3f} ({ci95_low:.3f} to {ci95_high:.3f})".format(**run.crossval[metric])
            for metric in METRICS
        ]
        left_out = f"Rows left out, {run.crossval['models']} models"
        rows.append([left_out, f"{run.evaluation['train']['rows']:,}", *intervals])
        rows += other_answers(run)
    for name, found in run.evaluation.items():
        accuracy = f"{found['accuracy']:.3f}"
        if name != "train":
            interval = wilson(found["accuracy"], found["rows"], Z95)
            accuracy += f" ({interval.low:.3f} to {interval.high:.3f})"
        rows.append(
            [
                title_of(run, name),
                f"{found['rows']:,}",
                accuracy,
                *formatted(found, "loss", "macro_f1"),
            ]
        )
    return rows


def other_answers(run: Run) -> list[list[str]]:
    """Return what stands beside the cross-validated mean: one model of it, and what knows less."""
    of_rows = f"{run.evaluation['train']['rows']:,}"
    forms = {
        "shipped": ("One such model, as the one that ships", "{ci95_low:.3f} to {ci95_high:.3f}"),
        "one_network": (
            "One network of its mean",
            "{mean:.3f}, \u00b1 {std_by_start:.3f} by its start",
        ),
        "no_hidden_layer": ("Without hidden layers", "{mean:.3f}"),
        "majority": ("Always the most frequent class", "{mean:.3f}"),
    }
    return [
        [name, of_rows, *(form.format(**found[metric]) for metric in METRICS)]
        for key, found in run.crossval["beside"].items()
        for name, form in [forms[key]]
    ]


def formatted(found: Mapping[str, float], *keys: str) -> list[str]:
    return [f"{found[key]:.3f}" for key in keys]


def title_of(run: Run, name: str) -> str:
    """Return what a data set is called in the report."""
    kept_aside = " or kept aside" if run.params["train"]["validation_fraction"] else ""
    parts = {"train": f"Rows trained on{kept_aside}", "test": "Rows held out"}
    return parts.get(name, f"Test set {name}")


def curves(run: Run, pictures: Pictures) -> Section:
    first, last = run.history.iloc[0], run.history.iloc[-1]
    blocks: list[Block] = []
    for metric, plot in (("loss", str(HISTORY)), ("accuracy", "Accuracy while training")):
        words = f"{metric.capitalize()} while training, {len(run.history)} epochs: "
        words += f"{first[metric]:.3f} after the first, {last[metric]:.3f} after the last"
        validation = f"val_{metric}"
        if validation in run.history:
            words += f"; on validation rows {last[validation]:.3f}"
        blocks += pictures.figure(plot, f"{metric.capitalize()} while training", words + ".")
    return Section("Learning curves", blocks)


def cross_validation(run: Run, pictures: Pictures) -> Section:
    title = "Cross-validation"
    if not run.crossval["models"]:
        stale = "It was run on other rows or with other settings; `dvc repro` runs it anew."
        none = "There was none (crossval.folds: 0)."
        return Section(title, [stale if run.params["crossval"]["folds"] else none])
    settings = run.params["crossval"]
    low, first, middle, third, high = run.folds["accuracy"].quantile([0, 0.25, 0.5, 0.75, 1])
    words = (
        f"Accuracy of {len(run.folds)} models, {settings['folds']} folds {settings['repeats']} "
        f"times, each on the fold that it was not trained on: from {low:.3f} to {high:.3f}, half "
        f"of them between {first:.3f} and {third:.3f}, median {middle:.3f}."
    )
    caption = "Accuracy fold by fold; the line is the mean"
    head = ["metric", "mean", "95% interval", "standard deviation"]
    rows = [
        [
            metric.replace("_f1", " F1"),
            f"{found['mean']:.3f}",
            f"{found['ci95_low']:.3f} to {found['ci95_high']:.3f}",
            f"{found['std']:.3f}",
        ]
        for metric, found in ((metric, run.crossval[metric]) for metric in METRICS)
    ]
    table = Table("Metrics on the folds left out", head, rows)
    figures = pictures.figure(str(FOLDS), caption, words)
    return Section(title, [*figures, table, *left_out_answers(run, pictures)])


def left_out_answers(run: Run, pictures: Pictures) -> list[Block]:
    """Return what models answered for rows left out: which classes they mix up, how sure."""
    scores, answers = run.crossval["out_of_fold"], int(run.confusion["answers"].sum())
    wrong = run.confusion[run.confusion["actual"] != run.confusion["predicted"]]
    mixed_up = f"Rows left out: {int(wrong['answers'].sum()):,} of {answers:,} answers are wrong"
    if len(wrong):
        (most,) = wrong.nlargest(1, "answers").to_dict("records")
        mixed_up += f"; the most frequent is {most['predicted']} for {most['actual']}"
    sure = (
        f"Mean confidence is {scores['confidence']:.3f}, accuracy "
        f"{run.crossval['accuracy']['mean']:.3f}."
    )
    head = ["balanced accuracy", "area under the ROC curve", "Brier score", "calibration error"]
    keys = ("balanced_accuracy", "roc_auc", "brier", "calibration_error")
    caption = "Which class is taken for which, on rows left out"
    return [
        *(pictures.figure(str(CONFUSION), caption, f"{mixed_up}.") or [f"{mixed_up}."]),
        per_class("Rows left out", [*run.crossval["per_class"].items()]),
        Table("Rows left out: more scores", head, [formatted(scores, *keys)]),
        *pictures.figure(str(RELIABILITY), "Confidence and accuracy on rows left out", sure),
    ]


def data_set(run: Run, name: str, pictures: Pictures) -> Section:
    title, predictions = title_of(run, name), run.predictions[name]
    path = f"{PREDICTIONS}/{name}.csv"
    words = confusion_in_words(title, predictions)
    blocks = pictures.figure(path, f"{title}: confusion matrix", words) or [words]
    return Section(
        title,
        [
            *blocks,
            per_class(title, [(one["class"], one) for one in run.evaluation[name]["per_class"]]),
            *mistakes(title, predictions),
            *wrong_rows(run, name),
        ],
    )


def confusion_in_words(title: str, predictions: Predictions) -> str:
    rows, wrong = int(predictions.pairs.rows.sum()), predictions.mistakes
    words = f"{title}: {rows - int(wrong.rows.sum()):,} of {rows:,} rows right"
    if len(wrong):
        actual, predicted, count = wrong.iloc[0][["actual", "predicted", "rows"]]
        words += f"; the most frequent mistake is {actual} taken for {predicted}, "
        words += f"in {counted(count, 'row')}"
    return words + "."


def per_class(title: str, classes: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    chosen = sorted(range(len(classes)), key=lambda place: classes[place][1]["f1"])[:TABLE_CLASSES]
    few = f", the {TABLE_CLASSES} of {len(classes)} classes with the lowest F1"
    rows = [
        [name, *class_scores(found), f"{found['rows']:,}"]
        for name, found in (classes[place] for place in sorted(chosen))
    ]
    head = ["class", "precision", "recall", "F1", "rows"]
    return Table(f"{title}: by class" + few * (len(classes) > TABLE_CLASSES), head, rows)


def class_scores(found: dict[str, float]) -> list[str]:
    """Return precision, recall and F1; the last two say nothing where no row is of the class."""
    precision, recall, f1 = formatted(found, "precision", "recall", "f1")
    return [precision, recall, f1] if found["rows"] else [precision, "none", "none"]


def mistakes(title: str, predictions: Predictions) -> list[Block]:
    """Return a table of the pairs of classes that are mixed up most often, if any are."""
    rows = [
        [str(pair.actual), str(pair.predicted), f"{pair.rows:,}"]
        for pair in predictions.mistakes.head(PAIRS).itertuples()
    ]
    head = ["actual class", "taken for", "rows"]
    return [Table(f"{title}: most frequent mistakes", head, rows)] if rows else []


def wrong_rows(run: Run, name: str) -> list[Block]:
    """Return a table of the rows that are wrong and thought most probable, if any are."""
    wrong = run.predictions[name].wrong
    if wrong.empty:
        return []
    shown = feature_cells(run, name, wrong.row.to_numpy() - 1)
    head = ["row", "actual", "predicted", "probability", *shown]
    rows = [
        [f"{one.row}", str(one.actual), str(one.predicted), f"{one.probability:.3f}", *cells]
        for one, *cells in zip(wrong.itertuples(), *shown.values(), strict=True)
    ]
    words = "Rows are counted within this data set, without those that were held out or left out."
    return [Table(f"{title_of(run, name)}: most confidently wrong rows", head, rows), words]


def feature_cells(run: Run, name: str, rows: Any) -> dict[str, list[str]]:
    """Return some features of rows of a prepared split; of a test set nothing is kept."""
    if name not in run.schema.counts:
        return {}
    inputs, _ = open_dataset(PREPARED / name).take(rows)
    starts = run.schema.first_inputs
    return {
        feature.name: [
            cell(value)
            for value in features.values(feature, inputs[:, starts[at] : starts[at + 1]])
        ]
        for at, feature in enumerate(run.schema.features[:ROW_FEATURES])
    }


def cell(value: Any) -> str:
    """Return a feature's value as text, nothing for a gap."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def data(run: Run) -> Section:
    totals = {
        name: [f"{split.get(name, 0):,}" for split in run.schema.counts.values()]
        for name in run.schema.classes
    }
    train = run.schema.counts["train"]
    chosen = set(sorted(train, key=lambda name: -train[name])[:TABLE_CLASSES])
    head = ["class", *(title_of(run, split).lower() for split in run.schema.counts)]
    few = f", the {TABLE_CLASSES} most frequent of {len(totals)}" * (len(totals) > TABLE_CLASSES)
    rows = [[name, *cells] for name, cells in totals.items() if name in chosen]
    counts = Table(f"Rows of each class{few}", head, rows)
    figures = feature_figures(run)
    return Section(
        "Data", [*about_source(run), counts, words_on_figures(run, figures), Figures(figures)]
    )


def words_on_figures(run: Run, figures: list[Figure]) -> str:
    """Say what the figures of the features show, and what they leave out."""
    words = (
        "Features in the rows trained on, by class. Of a number: the line reaches from the 5th "
        "to the 95th percentile, the box from the 25th to the 75th, the tick is the median. "
        "Of a text: the share of the class that has each value."
    )
    if len(figures) < len(run.schema.features):
        words += f" Drawn are the {len(figures)} of {len(run.schema.features)} features that "
        words += "tell the classes apart best."
    if len(run.schema.classes) > PLOT_CLASSES:
        words += f" Drawn are the {PLOT_CLASSES} most frequent classes."
    return words


def feature_figures(run: Run) -> list[Figure]:
    """Return a figure of each feature, from a sample of the rows trained on."""
    schema = run.schema
    inputs, index = features.sample(open_dataset(TRAINING_ROWS))
    starts = schema.first_inputs
    counts = np.bincount(index, minlength=len(schema.classes))
    frequent = np.argsort(-counts, kind="stable")[:PLOT_CLASSES]
    kept = np.isin(index, frequent)
    names = np.array(schema.classes, dtype=object)[index[kept]]
    classes = [schema.classes[place] for place in sorted(frequent) if counts[place]]
    return [
        feature_figure(
            schema.features[place], inputs[kept, starts[place] : starts[place + 1]], names, classes
        )
        for place in features.most_telling(schema, inputs, index, PLOT_FEATURES)
    ]


def feature_figure(feature: Feature, inputs: Any, names: Any, classes: list[str]) -> Figure:
    """Return a figure of a feature from its inputs, (n, columns), and class names, (n,)."""
    values = features.values(feature, inputs)
    if isinstance(feature, NumberFeature):
        rows = features.quantiles(values, names)
        spec, words = boxes(rows, classes), medians_in_words(rows)
    else:
        rows = features.category_shares(values, names, PLOT_CATEGORIES)
        spec, words = shares(rows, classes), shares_in_words(rows)
    words = f"{feature.name}: {words}."
    return Figure(feature.name, words, to_svg(spec, legend=False, alternative=words))


def medians_in_words(rows: Records) -> str:
    return "median " + listed([f"{row['class']} {row['p50']:.4g}" for row in rows])


def shares_in_words(rows: Records) -> str:
    most = pd.DataFrame(rows).sort_values("share", ascending=False).drop_duplicates("class")
    return "most frequent " + listed(
        [
            f"{row['class']} {row['category']} ({row['share']:.0%})"
            for row in most.to_dict("records")
        ]
    )


def about_source(run: Run) -> list[str]:
    """Say which table it is and, where data/README.md has it, what it is, whose, its licence."""
    source = run.params["fetch"]["source"]
    raw = run.lock.outs()[str(RAW)]
    known = library_row(source, raw.size)
    sha256 = next((f"SHA-256 {row[1]}, " for row in run.files if row[0] == str(RAW)), "")
    words = f"{source}, {raw.size:,} bytes, {sha256}md5 {raw.md5}."
    return (
        [words, f"It holds {known[0]}. From {known[1]}. Licence: {known[2]}."] if known else [words]
    )


def library_row(source: str, size: int | None) -> list[str] | None:
    """Return what a table is, from whom, and its licence: a row of data/README.md.

    That is on files of data/source, of the size in bytes that it says. A file of the same name from
    elsewhere, or one that has changed, may hold anything.
    """
    name = Path(source).name
    if Path(source) != SOURCES / name or size is None:
        return None
    text = ABOUT_TABLES.read_text(encoding="utf-8") if ABOUT_TABLES.exists() else ""
    pattern = rf"^\| `{re.escape(name)}` \| {size:,} \|(.*)\|$"
    found = re.search(pattern, text, re.MULTILINE)
    cells = [cell.strip() for cell in found[1].split("|")] if found else []
    return cells if len(cells) == 3 else None


def model_card(run: Run) -> Section:
    schema, layers = run.schema, run.params["train"]["hidden"]
    names = listed([feature.name for feature in schema.features])
    source = run.params["fetch"]["source"]
    known = library_row(source, run.lock.outs()[str(RAW)].size)
    fraction = run.params["train"]["validation_fraction"]
    members = run.params["train"].get("members", 1)
    networks = "dense network" if members == 1 else f"mean of {members} dense networks"
    kept_aside = f", of which {fraction} kept aside to validate on" if fraction else ""
    rows = [
        [
            "model",
            f"{networks}, hidden layers {layers}, softmax over {len(schema.classes)} classes",
        ],
        ["predicts", f"{schema.label}: {listed(schema.classes)}"],
        ["from", names],
        ["trained on", f"{run.evaluation['train']['rows']:,} rows of {source}{kept_aside}"],
        ["data licence", known[2] if known else f"not stated; {ABOUT_TABLES} can state it"],
        *([f"accuracy: {row[0]}", row[2]] for row in headline(run)),
        ["files", f"{KERAS_MODEL}, {ONNX_MODEL}"],
    ]
    return Section(
        "Model card",
        [
            Table("The model", ["property", "value"], rows),
            "Intended use: to classify rows drawn as those it was trained on were, with the same "
            "columns in the same units, where a mistake as often as the intervals say does no "
            "harm, or a person checks.",
            "Not intended: rows of another origin or beyond the range of the data; classes that "
            "are not listed, since it always answers with one of these; decisions about people. "
            "Its probabilities have not been calibrated.",
        ],
    )


def what_was_run(run: Run, commit: str) -> Section:
    settings = [
        [f"{section}.{key}", json.dumps(value, ensure_ascii=False)]
        for section, keys in run.params.items()
        for key, value in keys.items()
    ]
    blocks: list[Block] = [
        f"Commit {commit}." if commit else "There is no git commit.",
        Table("Parameters", ["parameter", "value"], settings),
        Table("Files that the run made", ["file", "SHA-256", "md5", "bytes"], run.files),
    ]
    if run.environment:
        flat = pd.json_normalize(run.environment).iloc[0].to_dict()
        rows = [
            [str(key), ", ".join(v) if isinstance(v, list) else str(v)] for key, v in flat.items()
        ]
        blocks.append(
            Table(
                "Environment of the last training here, which dvc.lock does not record",
                ["property", "value"],
                rows,
            )
        )
    return Section("What was run", blocks)
