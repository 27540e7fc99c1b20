"""The sections of the report: each says one thing of a run."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

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
from classifier.commands.compare import WORKSPACE
from classifier.commands.report import features
from classifier.commands.report.against import Differences
from classifier.commands.report.page import (
    Estimate,
    Estimates,
    Facts,
    Figure,
    Figures,
    Headline,
    Part,
    Points,
    Section,
    Table,
    Text,
)
from classifier.commands.report.plots import Records, boxes, shares, sized, to_svg
from classifier.commands.report.results import Z95, Answers, Run
from classifier.findings.finding import LEVELS
from classifier.findings.of_table import FREQUENT
from classifier.rows.dataset import open_dataset
from classifier.scoring.intervals import Interval, wilson
from classifier.scoring.scores import METRICS
from classifier.table.cells import counted
from classifier.table.schema import Feature, NumberFeature

TABLE_CLASSES = 20  # of a data set, those with the lowest F1
PLOT_CLASSES = 12  # in the plot of a feature, the most frequent ones
PLOT_CATEGORIES = 8
PLOT_FEATURES = 24  # those that tell the classes apart best
ROW_FEATURES = 8  # that are shown of a row
PAIRS = 15  # of classes, the one taken for the other
NAMES = {"accuracy": "accuracy", "loss": "loss", "macro_f1": "macro F1"}
OTHER_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "area under the ROC curve",
    "brier": "Brier score (0 is best, 2 worst)",
    "confidence": "mean confidence",
    "calibration_error": "calibration error (0 is best)",
}
BESIDE = {
    "shipped": "One model of it, as ships",
    "one_network": "One network of its mean",
    "no_hidden_layer": "Without hidden layers",
    "majority": "Always the most frequent class",
}
CHECKED = (
    "Checked for: columns with one value, spans too unlike, one class with most of the rows, "
    "duplicates, rows that contradict each other, columns that alone tell the class, and test sets "
    "that share rows or leave the range. What was found stands under “What is wrong”."
)


class Verdict(Section):
    title = "How good it is"

    def content(self) -> Iterator[Part]:
        metric, rows = measure(self.run), estimates(self.run)
        if not rows:
            yield Text("Nothing is known of rows that it was not trained on.")
            return
        lead = rows[0]
        words = f"{NAMES[metric]} on rows that it was not trained on"
        ends = lead.interval
        interval = f"95% interval {ends.low:.3f} to {ends.high:.3f}" if ends else "no interval"
        yield Headline(f"{lead.value:.3f}", words, interval)
        if metric != "accuracy":
            share = self.run.crossval["beside"]["majority"]["accuracy"]["mean"]
            yield Text(f"Not accuracy: always answering the most frequent class has {share:.3f}.")
        yield Estimates("Beside what less would do, with 95% intervals", NAMES[metric], rows, True)


def measure(run: Run) -> str:
    """Return the metric to judge by: not accuracy where almost all rows are of one class."""
    beside = run.crossval.get("beside", {}).get("majority")
    return "macro_f1" if beside and beside["accuracy"]["mean"] >= FREQUENT else "accuracy"


def estimates(run: Run) -> list[Estimate]:
    """Return how good the recipe is, beside one model of it, less than it, and on other rows."""
    metric, rows = measure(run), []
    if run.crossval["models"]:
        note = f"{run.crossval['models']} models, each on rows it left out"
        rows.append(Estimate("The recipe", *value_of(run.crossval[metric]), note))
        for key, found in run.crossval["beside"].items():
            value, interval = value_of(found[metric])
            rows.append(Estimate(BESIDE[key], value, interval, note_on(key, found[metric])))
    for name in run.others:
        found = run.evaluation[name]
        value = found[metric]
        interval = wilson(value, found["rows"], Z95) if metric == "accuracy" else None
        rows.append(Estimate(title_of(name), value, interval, f"{found['rows']:,} rows"))
    return rows


def value_of(found: dict[str, float]) -> tuple[float | None, Interval | None]:
    """Return a metric and its interval; that of a difference to it is none of it."""
    mean = found.get("mean")
    if "ci95_low" not in found or "difference" in found:
        return mean, None
    return mean, Interval(mean or 0, found["ci95_low"], found["ci95_high"])


def note_on(key: str, found: dict[str, float]) -> str:
    if "std_by_start" in found:
        return f"± {found['std_by_start']:.3f} by its start"
    if "difference" in found:
        gain = "the recipe is {difference:+.3f} ({ci95_low:+.3f} to {ci95_high:+.3f})"
        return gain.format(**found)
    return "depends on its start and its rows" if key == "shipped" else ""


class Wrong(Section):
    title = "What is wrong"

    def content(self) -> Iterator[Part]:
        yield from map(Text, self.run.outdated)
        counts = Counter(one.level for one in self.run.findings)
        found = [counted(counts[level], level) for level in LEVELS if counts[level]]
        if counts["problem"]:
            yield Text(f"Not to be used as it is: {', '.join(found)}.")
        else:
            yield Text(f"No problem was found{': ' * bool(found)}{', '.join(found)}.")
        yield Points([(one.level, sentence(one.seen), sentence(one.advice)) for one in self.run.findings])


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


class Changes(Section):
    @property
    def title(self) -> str:
        return f"What changed since {self.run.against.revision}"

    def content(self) -> Iterator[Part]:
        against = self.run.against
        yield from map(Text, against.outdated)
        if against.changes:
            told = [f"{NAMES[one.metric]} {one.verdict}" for one in against.changes]
            yield Text(sentence(", ".join(told)))
            head = ["metric", against.revision, WORKSPACE, "difference", "verdict"]
            rows = [
                [NAMES[one.metric], f"{one.old:.3f}", f"{one.new:.3f}", gain(one.difference), one.verdict]
                for one in against.changes
            ]
            yield Table("On rows left out, with 95% intervals", head, rows)
        yield from (Text(line) for line in against.how.splitlines())
        yield differing("Parameters", against.revision, against.params)
        yield differing("Metrics of each data set", against.revision, against.metrics)


def gain(found: Interval) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def differing(what: str, revision: str, changes: Differences) -> Part:
    """Return a table of what differs; what one side has not is empty."""
    if not changes:
        return Text(f"{what}: no difference.")
    rows = [
        [name, *("" if found[side] is None else f"{found[side]}" for side in ("old", "new"))]
        for name, found in changes.items()
    ]
    return Table(f"{what} that differ", ["name", revision, WORKSPACE], rows)


class MixedUp(Section):
    title = "Which classes it mixes up"

    def content(self) -> Iterator[Part]:
        if self.run.left_out:
            yield from by_class(self.run, self.run.left_out, str(CONFUSION))


def by_class(run: Run, answers: Answers, plot: str) -> Iterator[Part]:
    """Yield which classes are taken for which, and how many rows of each are right."""
    total, mistakes = int(answers.pairs["answers"].sum()), answers.mistakes
    words = f"{int(mistakes['answers'].sum()):,} of {total:,} answers are wrong"
    if len(mistakes):
        most = mistakes.iloc[0]
        words += f"; most often {most['actual']} is taken for {most['predicted']}"
    yield Text(f"{words}.")
    caption = "Actual class in rows, predicted in columns; darker: more of the actual class"
    yield from figure(run, plot, caption, words)
    if plot not in run.plots:
        rows = [
            [str(one.actual), str(one.predicted), f"{one.answers:,}"]
            for one in mistakes.head(PAIRS).itertuples()
        ]
        yield Table("Most frequent mistakes", ["actual class", "taken for", "answers"], rows)
    some = [(name, found) for name, found in answers.per_class.items() if found["rows"]]
    worst = sorted(some, key=lambda item: item[1]["f1"])[:TABLE_CLASSES]
    few = f", of the {TABLE_CLASSES} of {len(some)} classes with the lowest F1"
    yield Estimates(
        "Share of each class that is right (recall)" + few * (len(some) > TABLE_CLASSES),
        "recall",
        [
            Estimate(
                name,
                found["recall"],
                answers.recalls.get(name),
                "precision {precision:.3f}, F1 {f1:.3f}, {rows:,} rows".format(**found),
            )
            for name, found in (item for item in some if item in worst)
        ],
    )


def figure(run: Run, plot: str, caption: str, words: str) -> Iterator[Figure]:
    """Yield the figure of a plot of dvc.yaml, if there is something to draw."""
    if plot in run.plots:
        spec = sized(run.plots[plot], len(run.schema.classes), run.against is not None)
        yield Figure(caption, f"{words}.", to_svg(spec, words))


class Confidence(Section):
    title = "How sure it is"

    def content(self) -> Iterator[Part]:
        if not self.run.left_out:
            stale = "It was run on other rows or with other settings; `dvc repro` runs it anew."
            none = "There was no cross-validation (crossval.folds: 0)."
            yield Text(stale if self.run.params["crossval"]["folds"] else none)
            return
        crossval, scores = self.run.crossval, self.run.crossval["out_of_fold"]
        words = "Mean confidence is {confidence:.3f}".format(**scores)
        words += f", accuracy {crossval['accuracy']['mean']:.3f}"
        caption = "Confidence and accuracy; on the dashed line they are equal"
        yield from figure(self.run, str(RELIABILITY), caption, words)
        rows = [[NAMES[metric], Estimate("", *value_of(crossval[metric])).numbers] for metric in METRICS]
        rows += [[OTHER_NAMES[key], f"{value:.3f}"] for key, value in scores.items()]
        yield Table("Scores on rows left out", ["score", "with 95% interval"], rows)
        yield from wrong_rows(self.run, self.run.left_out, PREPARED / "train")


def wrong_rows(run: Run, answers: Answers, split: Path) -> Iterator[Part]:
    """Yield the rows that are wrong and thought most probable, with some of their own values."""
    wrong = answers.wrong
    if wrong.empty:
        return
    shown = feature_cells(run, split, wrong["row"].to_numpy() - 1)
    head = ["row", "actual", "predicted", "probability", *shown]
    rows = [
        [f"{one.row}", str(one.actual), str(one.predicted), f"{one.probability:.3f}", *cells]
        for one, *cells in zip(wrong.itertuples(), *shown.values(), strict=True)
    ]
    yield Table("Most confidently wrong rows, counted within their data set", head, rows)


def feature_cells(run: Run, split: Path, rows: Any) -> dict[str, list[str]]:
    """Return the values of the most telling features of prepared rows; test sets are not kept."""
    if not split.exists():
        return {}
    inputs, _ = open_dataset(split).take(rows)
    starts = run.schema.first_inputs
    chosen = features.most_telling(run.schema, *features.sample(open_dataset(TRAINING_ROWS)), ROW_FEATURES)
    return {
        run.schema.features[at].name: [
            cell(value)
            for value in features.values(run.schema.features[at], inputs[:, starts[at] : starts[at + 1]])
        ]
        for at in chosen
    }


def cell(value: Any) -> str:
    """Return a feature's value as text, nothing for a gap."""
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)


@dataclass(frozen=True)
class OtherRows(Section):
    data_set: str

    @property
    def title(self) -> str:
        return title_of(self.data_set)

    def content(self) -> Iterator[Part]:
        found, answers = self.run.evaluation[self.data_set], self.run.others[self.data_set]
        yield Text(scores_in_words(found))
        yield from by_class(self.run, answers, f"{PREDICTIONS}/{self.data_set}.csv")
        yield from wrong_rows(self.run, answers, PREPARED / self.data_set)


def title_of(name: str) -> str:
    return "Rows held out" if name == "test" else f"Test set {name}"


def scores_in_words(found: dict[str, Any]) -> str:
    scores = ", ".join(f"{NAMES[metric]} {found[metric]:.3f}" for metric in METRICS)
    return f"On {found['rows']:,} rows: {scores}."


class Learning(Section):
    title = "How it learned"

    def content(self) -> Iterator[Part]:
        history = self.run.history
        first, last = history.iloc[0], history.iloc[-1]
        for metric, plot in (("loss", str(HISTORY)), ("accuracy", "Accuracy while training")):
            caption = f"{metric.capitalize()} while training"
            words = f"{caption}, {len(history)} epochs: {first[metric]:.3f} after the first, "
            words += f"{last[metric]:.3f} after the last"
            if f"val_{metric}" in history:
                words += f"; on rows kept aside {last[f'val_{metric}']:.3f}"
            yield from figure(self.run, plot, caption, words)
        if self.run.left_out:
            low, middle, high = self.run.folds["accuracy"].quantile([0, 0.5, 1])
            words = f"Accuracy of {len(self.run.folds)} models, each on the rows it left out: from "
            words += f"{low:.3f} to {high:.3f}, median {middle:.3f}"
            caption = "How models differ: accuracy of each on its fold; the line is the mean"
            yield from figure(self.run, str(FOLDS), caption, words)


class Features(Section):
    title = "Features by class"

    def content(self) -> Iterator[Part]:
        figures = feature_figures(self.run)
        words = (
            "Rows trained on. Of a number: the line reaches from the 5th to the 95th percentile, "
            "the box from the 25th to the 75th, the tick is the median. Of a text: the share of the "
            "class that has each value."
        )
        if len(figures) < (total := len(self.run.schema.features)):
            words += f" Drawn are the {len(figures)} of {total:,} features that tell the classes "
            words += "apart best. Pictures chosen from many flatter: of so many, some do by chance."
        if len(self.run.schema.classes) > PLOT_CLASSES:
            words += f" Drawn are the {PLOT_CLASSES} most frequent classes."
        yield Text(words)
        yield Figures(figures)


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
    return Figure(feature.name, words, to_svg(spec, words))


def medians_in_words(rows: Records) -> str:
    return "median " + listed([f"{row['class']} {row['p50']:.4g}" for row in rows])


def shares_in_words(rows: Records) -> str:
    most = pd.DataFrame(rows).sort_values("share", ascending=False).drop_duplicates("class")
    return "most frequent " + listed(
        [f"{row['class']} {row['category']} ({row['share']:.0%})" for row in most.to_dict("records")]
    )


class Data(Section):
    title = "Data and checks"

    def content(self) -> Iterator[Part]:
        schema, source = self.run.schema, self.run.params["fetch"]["source"]
        raw = self.run.lock.outs()[str(RAW)]
        yield Text(f"{source}, {raw.size:,} bytes, md5 {raw.md5}.")
        if known := library_row(source, raw.size):
            yield Text(f"It holds {known[0]}. From {known[1]}. Licence: {known[2]}.")
        yield Text(CHECKED)
        train = schema.counts["train"]
        frequent = sorted(train, key=lambda name: -train[name])[:TABLE_CLASSES]
        few = f", the {TABLE_CLASSES} most frequent of {len(schema.classes)}"
        head = ["class", *("trained on" if name == "train" else "held out" for name in schema.counts)]
        rows = [
            [name, *(f"{split.get(name, 0):,}" for split in schema.counts.values())]
            for name in frequent
        ]
        yield Table("Rows of each class" + few * (len(schema.classes) > len(rows)), head, rows)


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


class Parameters(Section):
    title = "Parameters"

    def content(self) -> Iterator[Part]:
        for section, keys in self.run.params.items():
            values = {key: json.dumps(value, ensure_ascii=False) for key, value in keys.items()}
            yield Facts(section, values)


class Environment(Section):
    title = "Environment and files"

    def content(self) -> Iterator[Part]:
        commit = self.run.commit
        yield Text(f"Commit {commit}." if commit else "There is no git commit.")
        if self.run.environment:
            flat = pd.json_normalize(self.run.environment).iloc[0].to_dict()
            values = {
                str(key): ", ".join(value) if isinstance(value, list) else str(value)
                for key, value in flat.items()
            }
            yield Facts("Of the last training here, which dvc.lock does not record", values)
        files = [[out.path, out.md5, f"{out.size:,}"] for out in self.run.lock.outs().values()]
        yield Table("Files that the run made", ["file", "md5", "bytes"], files)


class ModelCard(Section):
    """The fields of the cards of Hugging Face and of skops that are not sections of their own."""

    title = "Model card"

    def content(self) -> Iterator[Part]:
        yield Table("What to know before using it", ["field", "value"], [*fields(self.run)])


def fields(run: Run) -> Iterator[list[str]]:
    schema, train, outs = run.schema, run.params["train"], run.lock.outs()
    source = run.params["fetch"]["source"]
    known = library_row(source, outs[str(RAW)].size)
    members = train.get("members", 1)
    networks = "dense network" if members == 1 else f"mean of {members} dense networks"
    aside = train["validation_fraction"]
    yield ["model", f"{networks}, hidden layers {train['hidden']}, softmax over the classes"]
    yield ["predicts", f"{schema.label}: {listed(schema.classes)}"]
    yield ["from", listed([feature.name for feature in schema.features])]
    yield [
        "intended use",
        "to classify rows drawn as those it was trained on were, with the same columns in the same "
        "units, where a mistake as often as the intervals say does no harm, or a person checks",
    ]
    yield [
        "out of scope",
        "rows of another origin or beyond the range of the data; classes that are not listed, since "
        "it always answers with one of these; decisions about people",
    ]
    yield [
        "limitations",
        "those under “What is wrong”; its probabilities have not been calibrated",
    ]
    yield [
        "training data",
        f"{run.evaluation['train']['rows']:,} rows of {source}"
        + f", of which {aside} kept aside to validate on" * bool(aside),
    ]
    yield ["licence of the data", known[2] if known else f"not stated; {ABOUT_TABLES} can state it"]
    yield ["licence of the model", "not stated; LICENSE is that of the code"]
    yield ["training procedure", "{optimizer}, {epochs} epochs, batches of {batch_size}".format(**train)]
    yield ["get started", f'keras.saving.load_model("{KERAS_MODEL}"), or classifier predict table.csv']
    for path in (KERAS_MODEL, ONNX_MODEL):
        yield [str(path), f"md5 {outs[str(path)].md5}"]
    yield ["authors, citation", "not stated; CITATION.cff is that of the code"]


class OwnRows(Section):
    title = "On the rows trained on"

    def content(self) -> Iterator[Part]:
        yield Text(
            scores_in_words(self.run.evaluation["train"])
            + " It has seen these rows: this says how well it learned them, not how good it is."
        )


def first_screen(run: Run) -> Sequence[Section]:
    return [Verdict(run), Wrong(run), *([Changes(run)] if run.against else [])]


def rest(run: Run) -> Sequence[Section]:
    """Return what stands below the first screen; a section without parts is left out."""
    sections = [
        MixedUp(run),
        Confidence(run),
        *(OtherRows(run, name) for name in run.others),
        Learning(run),
        Features(run),
        Data(run),
        Parameters(run),
        Environment(run),
        ModelCard(run),
        OwnRows(run),
    ]
    return [section for section in sections if section.parts]


def card(run: Run) -> Sequence[Section]:
    """Return the sections of models/MODEL_CARD.md."""
    kinds = (ModelCard, Verdict, Wrong, MixedUp, Confidence, Data, Parameters, Environment)
    return [section for kind in kinds if (section := kind(run)).parts]


def title(run: Run) -> str:
    """Return what is predicted from what; the table's name where the label has a number only."""
    label = run.schema.label
    name = Path(run.params["fetch"]["source"]).stem if label.isdigit() else label
    return f"{name}, predicted from {counted(len(run.schema.features), 'column')}"


def lead(run: Run) -> str:
    rows, source = run.evaluation["train"]["rows"], run.params["fetch"]["source"]
    return f"One of {len(run.schema.classes)} classes. Trained on {rows:,} rows of {source}."


def front_matter(run: Run) -> str:
    """Return what Hugging Face reads of a model card, as YAML."""
    metrics = [
        {"type": key, "value": run.crossval[key]["mean"], "name": f"{NAMES[key]} on rows left out"}
        for key in METRICS
        if run.crossval["models"]
    ]
    source = Path(run.params["fetch"]["source"]).name
    result = {
        "task": {"type": "tabular-classification"},
        "dataset": {"type": "tabular", "name": source},
        "metrics": metrics,
    }
    return yaml.safe_dump(
        {
            "library_name": "keras",
            "pipeline_tag": "tabular-classification",
            "tags": ["tabular-classification", "keras", "onnx"],
            "model-index": [{"name": title(run), "results": [result] * bool(metrics)}],
        },
        sort_keys=False,
        allow_unicode=True,
    )
