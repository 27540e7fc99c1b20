"""The sections of the report: each says one thing of a run."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from classifier.base import paths
from classifier.base.errors import listed
from classifier.commands.compare import WORKSPACE, Change
from classifier.commands.report import features
from classifier.commands.report.against import Against
from classifier.commands.report.features import Classes, Inputs
from classifier.commands.report.page import (
    Estimate,
    Estimates,
    Figure,
    Part,
    Points,
    Section,
    Table,
    Text,
)
from classifier.commands.report.plots import boxes, sized, to_svg
from classifier.commands.report.results import (
    COLUMNS,
    Z95,
    Answers,
    Run,
    commit,
    read_json,
    vary_alone,
)
from classifier.findings.finding import LEVELS
from classifier.findings.of_table import FREQUENT
from classifier.rows.dataset import open_dataset
from classifier.rows.stratified import split_rows
from classifier.scoring.intervals import Interval, wilson
from classifier.scoring.scores import METRICS
from classifier.table.cells import counted
from classifier.table.schema import Feature, NumberFeature

TABLE_CLASSES = 20  # of a data set, those with the lowest F1
PLOT_CLASSES = 12  # in the plot of a feature, the most frequent ones
PLOT_CATEGORIES = 8
PLOT_FEATURES = 24  # those that tell the classes apart best
ROW_FEATURES = 8  # that are shown of a row
FACTS = ["name", "value"]  # the head of a table of them
NAMED = 5  # classes, at the top
PAIRS = 15  # of classes, the one taken for the other
NAMES = {"accuracy": "accuracy", "loss": "loss", "macro_f1": "macro F1"}
OTHER_NAMES = {
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "area under the ROC curve",
    "brier": "Brier score (0 is best, 2 worst)",
    "confidence": "mean confidence",
    "calibration_error": "calibration error (0 is best)",
}
ENDS = "{ci95_low:.3f}\u00a0to\u00a0{ci95_high:.3f}"
AHEAD, NOT_AHEAD = (
    f"recipe ahead by {ENDS}",
    "no clear lead: {ci95_low:+.3f}\u00a0to\u00a0{ci95_high:+.3f}",
)
TIME_OF_DAY = re.compile(r"%[HIMSfpXTcr]")  # in days of float32, to some minutes
BESIDE = {
    "shipped": ("The model that ships", "may score in this range"),
    "one_network": ("One network alone", "they differ by {std_on_fold:.3f} on a fold"),
    "no_hidden_layer": ("Without hidden layers", AHEAD),
    "majority": ("The most frequent class", AHEAD),
}


class Verdict(Section):
    title = "How good it is"

    def content(self) -> Iterator[Part]:
        metric, rows = measure(self.run), estimates(self.run)
        if rows:
            words = leading_words(self.run, NAMES[metric])
            if ends := rows[0].interval:
                words += f", 95%\u00a0interval {ends.low:.3f}\u00a0to\u00a0{ends.high:.3f}"
            yield Text(words, f"{rows[0].value:.3f}")
        yield Text(" ".join(conclusions(self.run)))
        if rows:
            caption = "Bars are 95% intervals"
            if self.run.crossval["models"]:
                caption = "Compared with simpler models; bars are 95% intervals"
            yield Estimates(caption, NAMES[metric], rows, leads=True)


def leading_words(run: Run, metric: str) -> str:
    """Return what the first estimate is: a metric, by its name, on which rows."""
    if models := run.crossval["models"]:
        return f"{metric} of {models} models on rows not trained on"
    name = next(iter(run.others))
    found, of_set = run.evaluation[name], "" if name == "test" else f" of {name}"
    repeated, where = found.get("rows_trained_on", 0), f"{metric} on {found['rows']:,} rows{of_set}"
    told = f"{repeated:,} of which are in the training data" if repeated else "not trained on"
    return f"{where}, {told}"


def measure(run: Run) -> str:
    """Return the metric to judge by: not accuracy where almost all rows are of one class."""
    beside = run.crossval.get("beside", {}).get("majority")
    return "macro_f1" if beside and beside["accuracy"]["mean"] >= FREQUENT else "accuracy"


def conclusions(run: Run) -> Iterator[str]:
    """Yield what the next sections conclude, in a sentence each."""
    if measure(run) != "accuracy":
        share = run.crossval["beside"]["majority"]["accuracy"]["mean"]
        yield (
            "Judged by macro F1, because always predicting the most frequent class already has an "
            f"accuracy of {share:.3f}."
        )
    counts = Counter(one.level for one in run.findings)
    found = [counted(counts[level], level) for level in LEVELS if counts[level]]
    if counts["problem"] or counts["warning"]:
        worst = run.findings[0]
        advice = "Do not use it as it is" if counts["problem"] else "Look at this first"
        yield f"{' and '.join(found)}. {advice}: {worst.seen}."
    else:
        yield f"No problems were found{', but ' * bool(found)}{' and '.join(found)}."
    if run.against and run.against.changes:
        (one,) = (each for each in run.against.changes if each.metric == measure(run))
        name, since = NAMES[one.metric], run.against.revision
        yield f"Change in {name} since {since}: {one.verdict}, {gain(one)}."
        yield from run.against.caveats


def estimates(run: Run) -> list[Estimate]:
    """Return how good the recipe is, one model of it, simpler ones, and the model on other rows."""
    metric, rows = measure(run), []
    if run.crossval["models"]:
        note = f"{run.crossval['models']} models, on rows left out"
        rows.append(estimate(run.crossval[metric], "The recipe", note))
        for key, found in run.crossval["beside"].items():
            name, note = BESIDE[key]
            rows.append(estimate(found[metric], name, note_of(note, found[metric])))
    for name in run.others:
        value, count = run.evaluation[name][metric], run.evaluation[name]["rows"]
        are_alone, note = vary_alone(run.lock), counted(count, "row")
        absent = [one for one, found in run.others[name].per_class.items() if not found["rows"]]
        note += f", none of {listed(absent)}" * bool(absent and metric == "macro_f1")
        interval = wilson(value, count, Z95) if metric == "accuracy" and are_alone else None
        rows.append(
            Estimate(title_of(name), value, interval, note + ", not independent" * (not are_alone))
        )
    return rows


def note_of(note: str, found: dict[str, float]) -> str:
    """Return the note on a baseline: whether the recipe is ahead of it, behind, or neither."""
    if note != AHEAD or found["ci95_low"] > 0:
        return note
    if found["ci95_high"] >= 0:
        return NOT_AHEAD
    return f"recipe behind by {-found['ci95_high']:.3f} to {-found['ci95_low']:.3f}"


def estimate(found: dict[str, float], name: str = "", note: str = "") -> Estimate:
    """Return a metric with its interval; that of a difference to it is none of it."""
    value, interval = found.get("mean"), None
    if "ci95_low" in found and "difference" not in found:
        interval = Interval(value or 0, found["ci95_low"], found["ci95_high"])
    return Estimate(name, value, interval, note.format(**found))


class Wrong(Section):
    title = "What is wrong"

    def content(self) -> Iterator[Part]:
        outdated = (line.partition("; ") for line in self.run.outdated)
        rows = [("outdated", what, advice) for what, _, advice in outdated]
        rows += [(one.level, one.seen, one.advice) for one in self.run.findings]
        yield Points(rows) if rows else Text("No problems were found.")


@dataclass(frozen=True)
class Changes(Section):
    against: Against

    @property
    def title(self) -> str:
        return f"What changed since {self.against.revision}"

    def content(self) -> Iterator[Part]:
        since, changes = self.against, self.against.changes
        told = [(one, f"{NAMES[one.metric]} {one.old:.3f}, now {one.new:.3f}") for one in changes]
        outdated = [("outdated", line, "run `dvc repro` there") for line in since.outdated]
        yield Points(outdated + [(one.verdict, words, gain(one)) for one, words in told])
        head = ["name", since.revision, WORKSPACE]
        yield Table(
            "Parameters, md5 of tables, code and packages, and metrics on other rows",
            head,
            since.differences,
        )
        yield Text(since.how)


def gain(change: Change) -> str:
    found = change.difference
    return f"{found.mean:+.3f} ({found.low:+.3f}\u00a0to\u00a0{found.high:+.3f})"


@dataclass(frozen=True)
class ByClass(Section):
    """Which classes are taken for which, in the cross-validation or in a data set of this name."""

    name: str = ""

    @property
    def title(self) -> str:
        return title_of(self.name) if self.name else "Which classes it mixes up"

    def content(self) -> Iterator[Part]:
        answers = self.run.others[self.name] if self.name else self.run.left_out
        if not answers:
            return
        plot = str(paths.PREDICTIONS / f"{self.name}.csv" if self.name else paths.CONFUSION)
        total, mistakes = int(answers.pairs["answers"].sum()), answers.mistakes
        words = f"{int(mistakes['answers'].sum()):,} of {total:,} predictions are wrong"
        if len(mistakes):
            words += "; most often {actual} is taken for {predicted}".format(**mistakes.iloc[0])
        yield Text(f"{words}.")
        if self.name:
            yield Text(scores_in_words(self.run, self.name))
        caption = "Rows: actual class; columns: predicted class; colour: share of the actual class"
        yield from figure(self.run, plot, caption, words)
        if plot not in self.run.plots:
            worst = mistakes.head(PAIRS)[["actual", "predicted", "answers"]]
            rows = [[str(cell) for cell in pair] for pair in worst.itertuples(index=False)]
            yield Table("Most frequent mistakes", ["actual class", "taken for", "times"], rows)
        yield recalls(answers)
        if self.name:
            yield wrong_rows(self.run, answers, paths.PREPARED / self.name)


def recalls(answers: Answers) -> Estimates:
    """Return the recall of each class, or of those with the lowest F1."""
    some = [(name, found) for name, found in answers.per_class.items() if found["rows"]]
    caption = "Share of each class that is predicted correctly"
    if len(some) > TABLE_CLASSES:
        caption += f": the {TABLE_CLASSES} of {len(some)} classes with the lowest F1"
        some = sorted(some, key=lambda one: one[1]["f1"])[:TABLE_CLASSES]
    note = "precision {precision:.2f}, F1 {f1:.2f}, {rows:,} rows"
    rows = [
        Estimate(name, found["recall"], answers.recalls.get(name), note.format(**found))
        for name, found in some
    ]
    return Estimates(caption, "recall", rows)


def figure(run: Run, plot: str, caption: str, words: str) -> Iterator[Figure]:
    """Yield the figure of a plot of dvc.yaml, if there is something to draw."""
    if plot in run.plots:
        spec = sized(run.plots[plot], run.schema.classes, run.against is not None)
        yield Figure(caption, f"{words}.", to_svg(spec, words))


class Confidence(Section):
    title = "How sure it is"

    def content(self) -> Iterator[Part]:
        if not self.run.left_out:
            yield Text("There was no cross-validation (crossval.folds: 0).")
            return
        crossval, scores = self.run.crossval, self.run.crossval["out_of_fold"]
        words = "Mean confidence is {confidence:.3f}".format(**scores)
        words += f", accuracy {crossval['accuracy']['mean']:.3f}"
        caption = "Confidence and accuracy; on the dashed line they are equal"
        yield from figure(self.run, str(paths.RELIABILITY), caption, words)
        rows = [[NAMES[key], estimate(crossval[key]).numbers] for key in METRICS]
        rows += [[OTHER_NAMES[key], f"{value:.3f}"] for key, value in scores.items()]
        yield Table("Scores on rows left out", ["score", "with 95% interval"], rows)
        yield wrong_rows(self.run, self.run.left_out, paths.TRAINING_ROWS)


def wrong_rows(run: Run, answers: Answers, split: Path) -> Table:
    """Return the rows that are wrong and thought most probable, with their most telling features.

    split: the prepared rows that they are of; those of test sets are not kept.
    """
    wrong = answers.wrong.assign(probability=answers.wrong["probability"].map("{:.3f}".format))
    columns = [(name, [*map(cell, wrong[name].tolist())]) for name in COLUMNS]
    if split.is_dir():
        inputs, _ = open_dataset(split).take(wrong["row"].to_numpy() - 1)
        sampled = features.sample(open_dataset(paths.TRAINING_ROWS))
        chosen = features.most_telling(run.schema, *sampled, ROW_FEATURES)
        found = features.columns(run.schema, inputs, chosen)
        columns += [(each.name, [cell(value, each) for value in values]) for each, values in found]
    head, cells = zip(*columns, strict=True)
    rows = [*zip(*cells, strict=True)]
    return Table("Most confident mistakes; rows are numbered within their data set", head, rows)


def cell(value: Any, feature: Feature | None = None) -> str:
    """Return a value as text, as the table has it as far as float32 does, nothing for a gap."""
    if not isinstance(value, float):
        return str(value)
    if np.isnan(value):
        return ""
    if isinstance(feature, NumberFeature) and (feature.date or feature.like):
        about = "about " if feature.date and TIME_OF_DAY.search(feature.date) else ""
        return about + feature.notation.text(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e9 else f"{value:.7g}"


def title_of(name: str) -> str:
    return "Rows held out" if name == "test" else f"Test set {name}"


def scores_in_words(run: Run, name: str) -> str:
    found = run.evaluation[name]
    scores = ", ".join(f"{NAMES[metric]} {found[metric]:.3f}" for metric in METRICS)
    return f"On {found['rows']:,} rows: {scores}."


class Learning(Section):
    title = "How it learned"

    def content(self) -> Iterator[Part]:
        history, folds = self.run.tables[paths.HISTORY], self.run.tables[paths.FOLDS]
        first, last = history.iloc[0], history.iloc[-1]
        for metric, plot in (("loss", str(paths.HISTORY)), ("accuracy", "Accuracy while training")):
            caption = f"{metric.capitalize()} while training"
            words = f"{caption}: {first[metric]:.3f} after the first of {len(history)} epochs, "
            words += f"{last[metric]:.3f} after the last"
            if f"val_{metric}" in history:
                words += f"; {last[f'val_{metric}']:.3f} on the rows kept aside"
            yield from figure(self.run, plot, caption, words)
        yield from map(Text, what_curves_are_of(self.run.params))
        if self.run.left_out:
            low, middle, high = folds["accuracy"].quantile([0, 0.5, 1])
            words = f"{len(folds)} models: from {low:.3f} to {high:.3f}, median {middle:.3f}"
            caption = "How models differ: accuracy of each on its fold; the line is the mean"
            yield from figure(self.run, str(paths.FOLDS), caption, words)


def what_curves_are_of(params: dict[str, Any]) -> Iterator[str]:
    """Yield how the curves differ from what ships, and from each other."""
    if params["train.patience"]:
        yield "Each network went back to the epoch of its lowest loss on the rows kept aside."
    if params["train.class_weight"] == "balanced":
        unlike = ", that on the rows kept aside is not" * bool(params["train.validation_fraction"])
        yield f"The loss on the rows trained on is weighted by class{unlike}."


class Features(Section):
    title = "Features by class"

    def content(self) -> Iterator[Part]:
        train, schema = open_dataset(paths.TRAINING_ROWS), self.run.schema
        sampled = features.sample(train)
        pictures = [*feature_pictures(self.run, *sampled)]
        rows, are_all = len(sampled[0]), len(sampled[0]) == len(train)
        words = (
            "The training data. " if are_all else f"{rows:,} rows, drawn from the training data. "
        )
        words += (
            "Line: 5th to 95th percentile; box: 25th to 75th; tick: median. "
            "For a column of text: the share of each class that has each value."
        )
        if len(pictures) < (total := len(schema.features)):
            words += f" Only the {len(pictures)} of {total:,} features that tell the classes apart "
            words += "best are shown. Among so many, some do so by chance."
        if len(schema.classes) > PLOT_CLASSES:
            words += f" Only the {PLOT_CLASSES} most frequent classes are shown."
        yield Text(words)
        yield from pictures


def feature_pictures(run: Run, inputs: Inputs, index: Classes) -> Iterator[Part]:
    """Yield a picture of each feature, from rows, (n, inputs), and the class of each, (n,)."""
    counts = np.bincount(index, minlength=len(run.schema.classes))
    frequent = sorted(np.argsort(-counts, kind="stable")[:PLOT_CLASSES])
    classes = [run.schema.classes[place] for place in frequent if counts[place]]
    names, kept = np.array(run.schema.classes, dtype=object)[index], np.isin(index, frequent)
    chosen = features.most_telling(run.schema, inputs, index, PLOT_FEATURES)
    for feature, values in features.columns(run.schema, inputs[kept], chosen):
        yield feature_picture(feature, values, names[kept], classes)


def feature_picture(feature: Feature, values: Any, names: Any, classes: list[str]) -> Part:
    """Return a picture of a feature from its values, (n,), and their class names, (n,)."""
    if isinstance(feature, NumberFeature):
        rows = features.quantiles(values, names)
        medians = listed([f"{row['class']} {cell(row['p50'], feature)}" for row in rows])
        words, spec = (
            f"{feature.name}: median {medians}.",
            boxes(rows, classes, feature.date is not None),
        )
        return Figure(feature.name, words, to_svg(spec, words))
    shares = features.category_shares(values, names, PLOT_CATEGORIES).map("{:.0%}".format)
    cells = [[str(cell) for cell in row] for row in shares.itertuples()]
    return Table(feature.name, ["class", *shares.columns], cells)


class Data(Section):
    title = "Data and checks"

    def content(self) -> Iterator[Part]:
        source, raw = self.run.params["fetch.source"], self.run.lock.outs()[str(paths.RAW)]
        known = (row[1] for row in self.run.files if row[0] == raw.path and row[1])
        sha256 = "".join(f"SHA-256 {each}, " for each in known)
        yield Text(f"{source}, read as {raw.path}: {raw.size:,} bytes, {sha256}md5 {raw.md5}.")
        if row := library_row(source, raw.md5):
            yield Text(f"It holds {row[0]}. From {row[1]}. Licence: {row[2]}.")
        yield Text(
            "Checked for: constant columns, columns of very different ranges, one class with most "
            "of the rows, duplicate and contradictory rows, columns that alone predict the class "
            "or name what rows are of, numbers that may mean no value, and test sets with rows or "
            "groups of the training data, or unlike it."
        )
        train = self.run.schema.counts["train"]
        rows = [f"{train[name]} {name}" for name in sorted(train, key=lambda name: -train[name])]
        yield Text(f"Training rows, by class: {listed(rows)}.")


def library_row(source: str, md5: str) -> list[str] | None:
    """Return what a table is, from whom, and its licence: a row of data/README.md.

    That is on files of data/source with the md5 that it says. A file of the same name from
    elsewhere, or one that has changed, may hold anything.
    """
    name = Path(source).name
    if Path(source) != paths.SOURCES / name or not paths.ABOUT_TABLES.exists():
        return None
    text = paths.ABOUT_TABLES.read_text(encoding="utf-8")
    found = re.search(rf"(?m)^\| `{re.escape(name)}` \| `{md5}` \|(.*)\|$", text)
    cells = [cell.strip() for cell in found[1].split("|")] if found else []
    return cells if len(cells) == 3 else None


class Parameters(Section):
    title = "Parameters"

    def content(self) -> Iterator[Part]:
        found = self.run.params
        rows = [[key, json.dumps(found[key], ensure_ascii=False)] for key in found]
        yield Table("The settings of params.yaml that the stages ran with", FACTS, rows)


class Environment(Section):
    title = "Environment and files"

    def content(self) -> Iterator[Part]:
        yield Text(f"Commit {found}." if (found := commit()) else "No git commit is known.")
        flat: dict[Any, Any] = {}
        if paths.ENVIRONMENT.exists():
            flat = pd.json_normalize(read_json(paths.ENVIRONMENT)).iloc[0].to_dict()
        model = self.run.lock.outs()[str(paths.KERAS_MODEL)].md5
        if flat.pop("model", model) != model:
            yield Text("Where the model was made is not known: it came from a cache or a remote.")
        elif flat:
            rows = [[str(key), re.sub(r"[\[\]']", "", str(flat[key]))] for key in flat]
            yield Table(
                "Of a training that made this model; dvc.lock does not record it", FACTS, rows
            )
        head = ["file", "SHA-256", "md5", "bytes"]
        yield Table("Files made by the run", head, self.run.files)


class ModelCard(Section):
    """The fields of the cards of Hugging Face and of skops that are not sections of their own."""

    title = "Model card"

    def content(self) -> Iterator[Part]:
        schema, params = self.run.schema, self.run.params
        source, members = params["fetch.source"], params["train.members"]
        epochs = "at most " * bool(params["train.patience"]) + str(params["train.epochs"])
        known = library_row(source, self.run.lock.outs()[str(paths.RAW)].md5)
        values = {
            "model": f"mean of {members} dense networks" if members > 1 else "dense network",
            "architecture": f"hidden layers {params['train.hidden']}, softmax over the classes",
            "predicts": f"{schema.label}: {listed(schema.classes)}",
            "from": listed([feature.name for feature in schema.features]),
            "intended use": "to classify rows collected like those it was trained on, in the same "
            "units, where mistakes as frequent as the intervals say do no harm or a person checks",
            "out of scope": "rows from elsewhere, or outside the range of the data; classes that "
            "are not listed (it always predicts one that is); decisions about people",
            "limitations": "those under “What is wrong”; its probabilities are not calibrated",
            "training data": training_rows(self.run),
            "training procedure": f"{params['train.optimizer']}, {epochs} epochs",
            "get started": f'keras.saving.load_model("{paths.KERAS_MODEL}"), or classifier predict',
            "licence of the data": known[2] if known else f"not stated in {paths.ABOUT_TABLES}",
            "licence of the model": "not stated; LICENSE is for the code",
            "authors, citation": "not stated; CITATION.cff is for the code",
        }
        yield Table("What to know before using it", FACTS, [*map(list, values.items())])


class OwnRows(Section):
    title = "On the training data"

    def content(self) -> Iterator[Part]:
        words = "It has seen these rows: this says how well it learned them, not how good it is."
        if self.run.params["train.validation_fraction"]:
            words = words.replace("these rows", "these rows, but for those kept aside")
        yield Text(f"{scores_in_words(self.run, 'train')} {words}")


def first(run: Run) -> list[Section]:
    return [Verdict(run), Wrong(run), *([Changes(run, run.against)] if run.against else [])]


def rest(run: Run) -> list[Section]:
    """Return what stands below the first screen; a section without parts is left out."""
    others = [ByClass(run, name) for name in run.others]
    below = (Learning, Features, Data, Parameters, Environment, ModelCard, OwnRows)
    sections = [ByClass(run), Confidence(run), *others, *(kind(run) for kind in below)]
    return [section for section in sections if section.parts]


def card(run: Run) -> list[Section]:
    """Return the sections of models/MODEL_CARD.md."""
    kinds = (ModelCard, Verdict, Wrong, ByClass, Confidence, Data, Parameters, Environment)
    return [section for kind in kinds if (section := kind(run)).parts]


def title(run: Run) -> str:
    """Return what is predicted from what; the table's name where the label has a number only."""
    label = run.schema.label
    name = Path(run.params["fetch.source"]).stem if label.isdigit() else label
    return f"{name}, predicted from {counted(len(run.schema.features), 'column')}"


def lead(run: Run) -> str:
    classes = run.schema.classes
    names = f": {listed(classes)}" * (len(classes) <= NAMED)
    return f"{len(classes)} classes{names}. {training_rows(run)}."


def training_rows(run: Run) -> str:
    """Return how many there are, of which table, and how many of them the model did not see."""
    rows, params = run.evaluation["train"]["rows"], run.params
    words = f"{counted(rows, 'training row')} of {params['fetch.source']}"
    aside = rows_kept_aside(params["train.validation_fraction"], params["train.seed"])
    return f"{words}, {aside:,} of them kept aside for validation" if aside else words


def rows_kept_aside(fraction: float, seed: int) -> int:
    """Return how many training rows the model was validated on; of groups, it takes all rows."""
    if not fraction:
        return 0
    data = open_dataset(paths.TRAINING_ROWS)
    _, kept = split_rows(data.labels.argmax(axis=1), data.groups, fraction, seed)
    return len(kept)


def front_matter(run: Run) -> str:
    """Return what Hugging Face reads of a model card, as YAML."""
    task = "tabular-classification"
    metrics = [
        {"type": key, "value": run.crossval[key]["mean"], "name": f"{NAMES[key]} on rows left out"}
        for key in METRICS
        if run.crossval["models"]
    ]
    data = {"type": "tabular", "name": Path(run.params["fetch.source"]).name}
    result = {"task": {"type": task}, "dataset": data, "metrics": metrics}
    model = {"name": title(run), "results": [result] * bool(metrics)}
    fields = {"library_name": "keras", "pipeline_tag": task, "tags": ["keras", "onnx"]}
    return yaml.safe_dump(fields | {"model-index": [model]}, sort_keys=False, allow_unicode=True)
