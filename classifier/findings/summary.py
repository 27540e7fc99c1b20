"""The summary of a run: what was trained on what, how good it is, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from classifier.base.errors import shown
from classifier.findings.finding import Finding
from classifier.table.cells import counted
from classifier.table.schema import Schema

SHOWN = 2  # findings, so that it is five lines
BASELINES = {
    "majority": "for always predicting the most frequent class",
    "no_hidden_layer": "without hidden layers",
}


def summary(
    schema: Schema,
    evaluation: Mapping[str, Any],
    crossval: Mapping[str, Any],
    findings: Sequence[Finding],
) -> list[str]:
    """Return five lines at most; findings: the worst first."""
    rows, features = evaluation["train"]["rows"], counted(len(schema.features), "column")
    label = f"{shown(schema.label)} ({len(schema.classes)} classes)"
    what = f"predicts {label} from {features}; {counted(rows, 'training row')}"
    return [what, how_good(evaluation, crossval), *map(str, findings[:SHOWN]), more(findings)]


def to_markdown(lines: Sequence[str]) -> str:
    """Return the lines as a list in Markdown, and in YAML, where `: ` would make a key of them."""
    safe = (line.replace(": ", ":\u00a0").replace(" #", "\u00a0#") for line in lines)
    return "".join(f"- {line}\n" for line in safe)


def how_good(evaluation: Mapping[str, Any], crossval: Mapping[str, Any]) -> str:
    """Return the accuracy on rows that were not trained on, and that of simpler models."""
    if not crossval["models"]:
        others = [f"{shown(name)} {found['accuracy']:.3f}" for name, found in evaluation.items()]
        return f"accuracy: {', '.join(others)}; there was no cross-validation"
    accuracy = "{mean:.3f} ({ci95_low:.3f} to {ci95_high:.3f})".format(**crossval["accuracy"])
    beside = [
        f"{found['accuracy']['mean']:.3f} {BASELINES[name]}"
        for name, found in crossval["beside"].items()
        if name in BASELINES
    ]
    return f"accuracy on rows left out: {accuracy}; {', '.join(beside)}"


def headline(crossval: Mapping[str, Any]) -> dict[str, float]:
    """Return the cross-validated accuracy and its interval, if there is any.

    The keys are short: `dvc metrics show` has a column for each.
    """
    if not crossval["models"]:
        return {}
    accuracy = crossval["accuracy"]
    return {
        "accuracy": accuracy["mean"],
        "low": accuracy["ci95_low"],
        "high": accuracy["ci95_high"],
    }


def more(findings: Sequence[Finding]) -> str:
    """Return where there is more to see."""
    rest = len(findings) - SHOWN
    left = f"{counted(rest, 'more finding')} in metrics/findings.json; " if rest > 0 else ""
    return f"{left}see `classifier report`"
