"""check: whether a classifier is good enough, by its findings and by the bounds of params.yaml."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.base.dvc_lock import read_lock, require_recorded
from classifier.base.errors import UserError
from classifier.base.paths import CROSSVAL, EVALUATION, LOCK, PARAMS
from classifier.findings.finding import recorded_findings
from classifier.params import load_params
from classifier.scoring.scores import is_better_low, numbers_in

if TYPE_CHECKING:
    from dvc.output import Output


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Print the findings, and exit with 1 if the classifier is not good enough.

    It is not if a finding is a problem, if a bound under `check` in params.yaml does not hold, or
    if results are missing or are not those of the current params and files. A bound names a number
    in crossval.json or evaluation.json, which must be at least as large; at most, if it is a loss,
    a standard deviation, a Brier score, a calibration error or models_of_one_answer.

    \b
      check:
        crossval.accuracy.ci95_low: 0.9
        crossval.loss.ci95_high: 0.4
        crossval.per_class.Iris-virginica.recall: 0.9

    \b
    Examples:
      classifier check
      classifier check --json
    """
    findings = recorded_findings()
    problems = [one for one in findings if one.level == "problem"]
    metrics = {key: value for path in (CROSSVAL, EVALUATION) for key, value in recorded(path)}
    broken = [*broken_bounds(load_params().check, metrics)]
    outdated = what_is_outdated()
    if as_json:
        found = {"findings": [*map(vars, findings)], "broken": broken, "outdated": outdated}
        print(json.dumps(found, indent=2))
    else:
        for line in [*findings, *broken, *outdated]:
            print(line)
    if problems or broken or outdated:
        raise typer.Exit(1)


def recorded(path: Path) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a metrics file that is as dvc.lock names it."""
    return numbers_in(path.stem, json.loads(require_recorded(path).read_bytes()))


def what_is_outdated() -> list[str]:
    """Return a line for each reason why the results are not those of the files as they are."""
    from classifier.commands.artifacts.reach import hidden_inputs, outdated_card
    from classifier.commands.revisions import lines_on_changes, repo_at

    lock = read_lock()
    lock.require_one_run(str(LOCK))
    with repo_at(None) as repo:
        outs = [line for out in repo.index.outs for line in lines_on_output(out)]
        return [*lines_on_changes(None, lock), *hidden_inputs(repo), *outdated_card(), *outs]


def lines_on_output(out: "Output") -> Iterator[str]:
    """Yield a line if an output is not what a stage has made."""
    for path, change in out.workspace_status().items():
        if out.hash_info:
            command = "pull" if change == "deleted" else "verify --repair"
            yield f"{path}: {change} since; `classifier {command}` brings it back"
        else:
            yield f"{path}: not made yet; run `dvc repro`"


def broken_bounds(bounds: dict[str, float], metrics: dict[str, float]) -> Iterator[str]:
    """Yield a line for each bound that does not hold.

    Raises:
        UserError: a bound is of a number that there is not.
    """
    from classifier.commands.revisions import unknown_metric

    for name, bound in bounds.items():
        if name not in metrics:
            raise UserError(f"{PARAMS}: check.{name}: {unknown_metric(name, metrics.keys())}")
        low = is_better_low(name)
        value, least = metrics[name], "at most" if low else "at least"
        if not (value <= bound if low else value >= bound):
            yield f"check: {name} is {value:g}, should be {least} {bound:g}"
