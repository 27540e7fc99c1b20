"""What the metrics say about a classifier that a person would otherwise have to work out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from classifier.base.errors import listed, shown
from classifier.findings.finding import Finding
from classifier.findings.of_other_sets import of_drop, of_one_answer
from classifier.params import Train
from classifier.scoring.scores import FEW_MODELS, Counts
from classifier.table.cells import counted

GAP = 0.1  # of accuracy between training rows and rows left out that is no accident
UNSURE = 0.05  # by which confidence is below accuracy
FALLING = 0.02  # of the loss, over the last tenth of the epochs
FAILED = 0.02  # of the models that were cross-validated
FEW = 10  # rows of other classes than the most frequent one
WIDER = 0.05  # of accuracy, by which one model may be worse than the interval of all


@dataclass(frozen=True)
class Results:
    """What is known of a classifier.

    classes: their names; confusion: (classes, classes), training rows by actual and predicted
    class; train: its metrics on these; crossval, history: what crossval.json and history.csv hold;
    recipe: what it was trained by; others: the confusion, as above, of each data set with other
    rows than it was trained on, by its name; is_grouped: whether rows belong together; in_time:
    whether models know only what came before their fold.
    """

    classes: list[str]
    confusion: Counts
    train: Mapping[str, Any]
    crossval: Mapping[str, Any]
    history: pd.DataFrame
    recipe: Train
    others: Mapping[str, Counts]
    is_grouped: bool = False
    in_time: bool = False

    @property
    def accuracy(self) -> Mapping[str, float]:
        found: Mapping[str, float] = self.crossval["accuracy"]
        return found

    @property
    def beside(self) -> Mapping[str, Any]:
        """What the cross-validated model is compared with: one such model, and simpler ones."""
        found: Mapping[str, Any] = self.crossval["beside"]
        return found

    @property
    def other_starts(self) -> str:
        """Advice for a model that depends on where its training began."""
        return (
            "train.members: 10 averages ten networks"
            if self.recipe.members == 1
            else "try another train.seed"
        )


def of_model(results: Results) -> Iterator[Finding]:
    """Yield what there is to say of the classifier."""
    yield from of_answers(results)
    for name, confusion in results.others.items():
        yield from of_drop(name, confusion, results.train, results.crossval)
    if not results.crossval["models"]:
        for name, confusion in results.others.items():
            yield from of_one_answer(name, confusion)
        if results.is_grouped and results.others:
            seen = (
                "rows of a group, or of a stretch of time, vary together: how sure the accuracy is "
            )
            seen += "on other rows is not known"
            yield Finding("warning", "model", seen, "set crossval.folds")
        if not any((rows.sum(axis=1) > 0).sum() > 1 for rows in results.others.values()):
            seen = "it was evaluated only on its training data"
            seen += " and on rows of one class, which one answer for all gets right" * bool(
                results.others
            )
            advice = "set crossval.folds or prepare.test_size"
            yield Finding("warning", "model", seen, advice)
        yield from of_a_constant(results)
        return
    if results.crossval["models"] < FEW_MODELS:
        seen = f"only {results.crossval['models']} cross-validated models: the intervals are rough"
        yield Finding("note", "model", seen, "raise crossval.folds or crossval.repeats")
    yield from of_baselines(results)
    yield from of_its_own_rows(results)
    yield from of_starts(results)
    yield from of_training(results)


def of_answers(results: Results) -> Iterator[Finding]:
    """Yield which classes it never predicts in its training data."""
    answered = results.confusion.sum(axis=0) > 0
    names = [name for name, is_one in zip(results.classes, answered, strict=True) if is_one]
    if len(names) == 1:
        seen = f"it predicts {shown(names[0])} for every row of its training data"
        advice = f"{results.other_starts}; see also train.scale and train.epochs"
        yield Finding("problem", "model", seen, advice)
    elif len(names) < len(results.classes):
        never = [name for name in results.classes if name not in names]
        seen = f"it never predicts {listed(never)} for any row of its training data"
        is_balanced = results.recipe.class_weight == "balanced"
        advice = "see train.epochs" if is_balanced else "see train.class_weight and train.epochs"
        yield Finding("warning", "model", seen, advice)


def of_a_constant(results: Results) -> Iterator[Finding]:
    """Yield whether one answer for all rows would do better on the training data: no fold tells."""
    rows, right = results.confusion.sum(axis=1), results.confusion.diagonal()
    accuracy, constant = results.train["accuracy"], rows.max() / rows.sum()
    if accuracy < constant:
        is_better = (right[rows > 0] / rows[rows > 0]).mean() > 1 / (rows > 0).sum()
        seen = f"even on its training data, its accuracy is {accuracy:.3f}, below the "
        seen += f"{constant:.3f} of always predicting the most frequent class"
        if is_better:
            advice = "look at balanced accuracy and at each class"
            yield Finding("warning", "model", seen, advice)
        else:
            advice = "try more train.epochs or a larger train.learning_rate"
            yield Finding("problem", "model", seen, advice)


def of_baselines(results: Results) -> Iterator[Finding]:
    """Yield whether a simpler model would do as well, on the same folds."""
    majority = results.beside.get("majority")
    if majority:
        # Not macro F1: whoever guesses has more than one answer for all has.
        judged = ("accuracy", "balanced_accuracy")
        better = [name for name in judged if majority[name]["ci95_low"] > 0]
        accuracy, constant = results.accuracy["mean"], majority["accuracy"]["mean"]
        figures = "always predicting the most frequent class: "
        figures += f"accuracy {accuracy:.3f} on rows left out, against {constant:.3f}, "
        figures += f"a difference of {ends_of(majority)}"
        if not better:
            seen = f"it is not clearly better than {figures}"
            others = int(results.confusion.sum() - results.confusion.sum(axis=1).max())
            few = f"only {counted(others, 'row')} of another class, too few to tell"
            advice = "the features may say nothing about the class"
            if results.is_grouped or results.in_time:
                units = "stretches of time" if results.in_time else "groups"
                advice += f", or there are too few {units} to tell"
            advice = few if others < FEW else advice
            yield Finding("problem", "model", seen, advice)
        elif "accuracy" not in better:
            seen = f"by accuracy alone, it is not clearly better than {figures}"
            yield Finding("warning", "model", seen, "look at balanced accuracy and at each class")
    plain = results.beside.get("no_hidden_layer")
    helps = plain and any(plain[name]["ci95_low"] > 0 for name in plain if name != "loss")
    if plain and not helps and plain["loss"]["ci95_high"] >= 0:
        is_loss_worse = plain["accuracy"]["ci95_high"] >= 0 and plain["loss"]["ci95_low"] > 0
        metric = "loss" if is_loss_worse else "accuracy"
        worse = is_loss_worse or plain["accuracy"]["ci95_high"] < 0
        what = "hidden layers make it worse" if worse else "hidden layers do not clearly help"
        seen = (
            f"{what}: {metric} {results.crossval[metric]['mean']:.3f} on rows left out, "
            f"{plain[metric]['mean']:.3f} without them, a difference of {ends_of(plain, metric)}"
        )
        advice = "train.hidden: [] is simpler; more rows would make it clearer"
        yield Finding("note", "model", seen, advice)


def ends_of(baseline: Mapping[str, Any], metric: str = "accuracy") -> str:
    """Return the interval of how much higher a metric is than that of a baseline."""
    return "{ci95_low:+.3f} to {ci95_high:+.3f}".format(**baseline[metric])


def of_its_own_rows(results: Results) -> Iterator[Finding]:
    """Yield whether it does much worse, or better, on its own rows than others on rows left out."""
    own, left_out = results.train["accuracy"], results.accuracy
    figures = f"accuracy {own:.3f} on its training data, "
    if own < left_out["ci95_low"] and not results.in_time:  # else the first rows were not left out
        seen = f"the model that ships had a bad start: {figures}"
        seen += f"while other models get {left_out['mean']:.3f} on rows left out"
        yield Finding("problem", "model", seen, results.other_starts)
    elif own > left_out["ci95_high"] and own - left_out["mean"] > GAP:
        seen = f"it does worse on rows left out: {figures}{left_out['mean']:.3f} on those left out"
        if underfits(results):  # so it is no better by knowing its rows by heart
            advice = f"its start was better than most; {results.other_starts}"
            yield Finding("warning", "model", seen, advice)
            return
        patience = "less train.patience" if results.recipe.patience else "train.patience"
        smaller = " or a smaller train.hidden" * bool(results.recipe.hidden)
        advice = f"unless by chance, it overfits: try fewer train.epochs, {patience}{smaller}"
        yield Finding("warning", "model", seen, advice)


def of_starts(results: Results) -> Iterator[Finding]:
    """Yield whether much depends on the start, and how many models have learned nothing."""
    shipped, majority = results.beside.get("shipped"), results.beside.get("majority")
    if shipped and shipped["accuracy"]["ci95_low"] < results.accuracy["ci95_low"] - WIDER:
        ends = "{ci95_low:.3f} to {ci95_high:.3f}".format(**shipped["accuracy"])
        seen = f"a single model may score anywhere from {ends}, depending on its start and its rows"
        yield Finding("note", "model", seen, results.other_starts)
    if majority and majority["accuracy"]["ci95_low"] > 0:  # else it is a finding of its own
        models, failed = results.crossval["models"], results.crossval.get("models_of_one_answer", 0)
        if failed > FAILED * models:
            seen = (
                f"{failed} of {models} cross-validated models predict one class for all rows of "
                "their fold"
            )
            advice = "see metrics/folds.csv: the first were trained on the fewest rows"
            advice = advice if results.in_time else results.other_starts
            yield Finding("warning", "model", seen, advice)


def of_training(results: Results) -> Iterator[Finding]:
    """Yield whether it would have learned more in more epochs, or by larger steps."""
    if underfits(results):
        confidence = results.crossval["out_of_fold"]["confidence"]
        seen = (
            "it underfits: its loss was still falling, and its mean confidence, "
            f"{confidence:.3f}, is below its accuracy, {results.accuracy['mean']:.3f}"
        )
        more = "train.epochs and train.patience" if results.recipe.patience else "train.epochs"
        advice = f"try more {more} or a larger train.learning_rate"
        yield Finding("note", "model", seen, advice)


def underfits(results: Results) -> bool:
    """Return whether its loss was still falling when training ended, and it is not sure enough."""
    losses = results.history["loss"].to_numpy()
    if len(losses) < 2:
        return False
    last = -(-len(losses) // 10)
    before, end = losses[-2 * last : -last].mean(), losses[-last:].mean()
    confidence = results.crossval["out_of_fold"]["confidence"]
    is_falling = before - end > FALLING * before
    return bool(is_falling and confidence < results.accuracy["mean"] - UNSURE)
