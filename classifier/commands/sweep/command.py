"""sweep: many trials of the pipeline, on the cores of this machine or on a Dask cluster."""

import json
import sys
import time
from collections.abc import Container
from dataclasses import dataclass, field
from itertools import product
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import numpy as np
import typer

from classifier.base.dvc_lock import OF_GAPS
from classifier.base.errors import UserError, listed
from classifier.base.files import rounded, write_text
from classifier.base.paths import SOURCES, TEST_SETS
from classifier.base.progress import Progress, say
from classifier.commands.compare import Change, Side, change_of, read_side
from classifier.scoring.scores import METRICS, is_better_low

if TYPE_CHECKING:
    from distributed import Client

    from classifier.commands.sweep.experiments import Baseline, Trial
    from classifier.commands.sweep.override_syntax import Space
    from classifier.commands.sweep.search import Search
    from classifier.commands.sweep.trial import Outcome, Setup

BEST = 10  # rows of the table
# Params that say which rows a trial is tested on, and which rows are tested together.
OF_THE_TEST = (
    "fetch.source", "fetch.sha256", "prepare.group", "prepare.header", "prepare.label",
    "prepare.missing", "prepare.seed", "prepare.test_size", "prepare.time",
)  # fmt: skip
OF_THE_FOLDS = ("crossval.folds", "crossval.repeats", "crossval.seed")
MOST_ANSWERS = 100_000_000  # of all trials, that are read to tell what the best is worth
LAST_LINES = 4  # of the log of a trial that has failed
Direction = Literal["minimize", "maximize"]


def sweep(
    overrides: Annotated[
        list[str],
        typer.Option(
            "--set-param", "-S", help="As in `dvc exp run`: PARAM=VALUE,VALUE,...; or a range."
        ),
    ],
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many trials to run if ranges are searched.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="What to optimize: FILE.KEY of the metrics files.")
    ] = "crossval.accuracy.mean",
    direction: Annotated[
        Direction | None,
        typer.Option(help="By default what is better when low, such as a loss, is minimized."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(envvar="DASK_SCHEDULER_ADDRESS", help="The address of a Dask scheduler."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trials at a time on this machine; by default one per core."),
    ] = None,
    git_remote: Annotated[
        str | None,
        typer.Option(help="Where trials come from and go to; with a scheduler, origin by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Run the pipeline with many values of its params, each as an experiment.

    Values make a grid, in the syntax of `dvc exp run -S`. Ranges, uniform(LOW,HIGH) and
    loguniform(LOW,HIGH), are searched by Optuna in as many trials as --trials says. Finished trials
    are not run again: to continue a sweep that was cut off, repeat the command.

    Trials run the commit that is checked out, on this machine or on the workers of a Dask scheduler
    (see docs/scaling.md). The exit code is 1 if a trial has failed.

    \b
    Examples:
      classifier sweep -S train.batch_size=5,15 -S 'train.epochs=range(50,200,50)'
      classifier sweep -S 'train.learning_rate=loguniform(1e-4,1e-1)' --trials 30
      classifier sweep -S 'train.hidden=[8],[16],[8,8]' --scheduler tcp://10.0.0.1:8786
    """
    from classifier.commands.sweep.cluster import connected, pull_artifacts, setup_of
    from classifier.commands.sweep.experiments import head
    from classifier.commands.sweep.override_syntax import parse_overrides
    from classifier.commands.termination import interrupted_by_sigterm

    baseline = head()
    say_what_is_left_out()
    results = Results(baseline, metric, direction or direction_of(metric))
    space = checked(parse_overrides(overrides), trials, results)
    through = git_remote or ("origin" if scheduler else None)
    setup = setup_of(baseline, through)
    with interrupted_by_sigterm():
        if through:
            baseline.fetch(setup["git"])
        source = source_of(space, trials, results)
        for trial in source.trials.values():
            results.add(trial)
        if len(source.trials) < source.wanted:
            if setup["shared"]:
                require_whole_cache()
            say(results.of_commit())
            with connected(scheduler, workers) as client:
                run_all(client, source, setup, results)
        print(to_json(results) if as_json else to_text(results))
        if through:
            pull_artifacts(results.finished, baseline.refs)
    raise typer.Exit(1 if results.failed else 0)


def require_whole_cache() -> None:
    """Raise `UserError` if an artifact is damaged in the cache: trials take it for what it was."""
    from classifier.commands.artifacts.integrity import cache_of, damaged, opened, recorded_files

    with opened() as repo:
        files, wrong = recorded_files(repo.index.outs, [cache_of(repo)])
        wrong += damaged(files, cache_of(repo))
    if wrong:
        file, place, problem = wrong[0]
        raise UserError(
            f"{file.path}: {problem} ({place.name}), so trials would be too; "
            "run `classifier verify --repair`"
        )


@dataclass
class Results:
    """What is known of the trials of a sweep: the metrics of some, why others have failed."""

    baseline: "Baseline"
    metric: str
    direction: Direction
    finished: dict[str, tuple["Trial", dict[str, float]]] = field(default_factory=dict)
    failed: dict[str, tuple["Trial", "Outcome"]] = field(default_factory=dict)

    def add(self, trial: "Trial") -> float | None:
        """Take in the metrics of a trial that is an experiment by now; return the one at issue."""
        from classifier.commands.revisions import metrics_of

        metrics = metrics_of(f"{self.baseline.refs}{trial.name}")
        self.finished[trial.name] = trial, metrics
        return metrics.get(self.metric)

    def of_commit(self) -> str:
        """Say what the commit itself has, which trials are to be better than."""
        from classifier.commands.revisions import metrics_of

        metrics = metrics_of(self.baseline.commit)
        ends = interval_of(self.metric, metrics)
        interval = f" ({ends[0]:.4f} to {ends[1]:.4f})" if ends else ""
        stale = self.baseline.not_reproduced(self.metric)
        of_another = f"; but these metrics are of another {listed(stale)}" if stale else ""
        shown = f"{self.shown(metrics)}{interval}"
        return f"{self.baseline.commit[:7]}: {shown}, without changes{of_another}"

    def shown(self, metrics: dict[str, float]) -> str:
        """Return the metric, by its name, as `crossval.accuracy.mean=0.9467`."""
        value = self.value(metrics)
        return f"{self.metric}={f'{value:.4f}' if isfinite(value) else '-'}"

    def best_first(self) -> list[tuple["Trial", dict[str, float]]]:
        """Return the trials that have the metric, in its order."""
        having = [pair for pair in self.finished.values() if isfinite(self.value(pair[1]))]
        return sorted(
            having, key=lambda pair: self.value(pair[1]), reverse=self.direction == "maximize"
        )

    def without_metric(self) -> list["Trial"]:
        """Return the trials that have finished without the metric; NaN and infinite are none."""
        return [
            trial for trial, metrics in self.finished.values() if not isfinite(self.value(metrics))
        ]

    def value(self, metrics: dict[str, float]) -> float:
        return metrics.get(self.metric, float("nan"))


class Grid:
    """The trials of all combinations of values; those that are finished already are not asked."""

    def __init__(self, space: "Space", baseline: "Baseline", finished: Container[str]) -> None:
        axes = [[(key, text) for text in cast(list[str], space[key])] for key in space]
        every = (baseline.trial(dict(values)) for values in product(*axes))
        by_name = {trial.name: baseline.require_valid(trial) for trial in every}
        self.trials = {name: trial for name, trial in by_name.items() if name in finished}
        self.left = [trial for name, trial in by_name.items() if name not in finished]
        self.wanted = len(by_name)

    def ask(self) -> "Trial | None":
        return self.left.pop(0) if self.left else None

    def tell(self, trial: "Trial", value: float | None) -> None:
        """Learn nothing."""


def direction_of(metric: str) -> Direction:
    return "minimize" if is_better_low(metric) else "maximize"


def say_what_is_left_out() -> None:
    """Say on standard error what differs from the commit, as only that is run."""
    from classifier.commands.git import git, paths_of_git
    from classifier.commands.revisions import added_files, repo_at

    with repo_at(None) as repo:
        added = added_files(repo)  # git has been told to ignore them
    status = git("status", "--porcelain", "--untracked-files=normal")
    changed = [line[3:] for line in status.splitlines()]
    changed += [path for path, has_changed in added.items() if has_changed]
    ignored = ("--others", "--ignored", "--exclude-standard", "--", str(SOURCES), str(TEST_SETS))
    for path in paths_of_git("ls-files", *ignored):
        if not any(Path(path).is_relative_to(of_dvc) for of_dvc in added):
            changed.append(path)
    if changed:
        print(f"not committed, so not in the trials: {', '.join(changed)}", file=sys.stderr)


def checked(space: "Space", trials: int | None, results: Results) -> "Space":
    """Return the space; raise `UserError` if it, --trials and the metric do not fit each other."""
    from classifier.commands.revisions import unknown_metric
    from classifier.commands.sweep.override_syntax import Range

    ranges = [key for key, values in space.items() if isinstance(values, Range)]
    if ranges and not trials:
        raise UserError(f"{ranges[0]}: is a range; --trials says how many values to try")
    if trials and not ranges:
        raise UserError("--trials: no param has a range to search, such as loguniform(1e-4,1e-1)")
    known = known_metrics(results.baseline)
    if results.metric not in known:
        raise UserError(f"{results.metric}: {unknown_metric(results.metric, known)}")
    folds = space.get("crossval.folds", [str(results.baseline.params["crossval.folds"])])
    if results.metric.startswith("crossval.") and "0" in (folds if isinstance(folds, list) else []):
        raise UserError(f"{results.metric}: none with crossval.folds=0; choose another --metric")
    return space


def known_metrics(baseline: "Baseline") -> set[str]:
    """Return the metrics of the commit, of cross-validation and of a test set."""
    from classifier.commands.revisions import metrics_of

    names = set(metrics_of(baseline.commit))
    statistics = product(METRICS, ("mean", "std", "ci95_low", "ci95_high"))
    crossval = {f"crossval.{metric}.{statistic}" for metric, statistic in statistics}
    return names | crossval | {name.replace(".train.", ".test.") for name in names}


def source_of(space: "Space", trials: int | None, results: Results) -> "Grid | Search":
    """Return what trials come from, that knows those that are finished."""
    from classifier.commands.revisions import metrics_of, params_of

    finished, baseline = results.baseline.experiments(), results.baseline
    if not trials:
        return Grid(space, baseline, finished)
    from classifier.commands.sweep.search import Search

    known = [
        (params_of(commit), metrics_of(commit).get(results.metric)) for commit in finished.values()
    ]
    return Search(space, baseline, results.direction, trials, known)


def run_all(client: "Client", source: "Grid | Search", setup: "Setup", results: Results) -> None:
    """Run the trials that are left, with a progress bar; say on an interrupt how to go on."""
    from classifier.commands.sweep.cluster import run_trials

    with Progress(
        desc="sweep", total=source.wanted, initial=len(source.trials), unit="trial"
    ) as bar:
        view = View(bar, results)

        def ended(trial: "Trial", outcome: "Outcome") -> None:
            source.tell(trial, settled(trial, outcome, setup, results))
            bar.update()

        try:
            run_trials(client, setup, source.ask, ended, view.show, not isinstance(source, Grid))
        except KeyboardInterrupt:
            say(
                f"{len(results.finished)} of {source.wanted} are finished; "
                "run the same command to continue"
            )
            raise
        view.show(0, at_once=True)


def settled(trial: "Trial", outcome: "Outcome", setup: "Setup", results: Results) -> float | None:
    """Keep the log and the result of a trial that has ended; return its value if it has one.

    Says if it is the best so far.
    """
    from classifier.commands.sweep.cluster import FOLDER

    log = FOLDER / f"{trial.name}.log"
    text = "\n".join(filter(None, [outcome["log"].strip(), outcome["failed"]]))
    write_text(log, f"{text}\n")
    if not outcome["failed"]:
        if not setup["shared"]:
            results.baseline.fetch(setup["git"])
        value = results.add(trial)
        if results.best_first()[:1] == [results.finished[trial.name]]:
            shown = results.shown(results.finished[trial.name][1])
            say(f"{trial.name} ({' '.join(trial.overrides)}): {shown}, the best so far")
        return value
    results.failed[trial.name] = trial, outcome
    last = [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
    say("\n  ".join([f"{trial.name} ({' '.join(trial.overrides)}) failed, see {log}", *last]))
    return None


class View:
    """What the progress bar says of the trials."""

    def __init__(self, bar: Progress, results: Results) -> None:
        self.bar, self.results, self.shown = bar, results, 0.0

    def show(self, running: int, at_once: bool = False) -> None:
        """Show what is running and the best so far, and the time anew, once a second."""
        if time.monotonic() - self.shown < 1 and not at_once:
            return
        self.shown = time.monotonic()
        best = self.results.best_first()
        shown = self.results.shown(best[0][1] if best else {})
        state = f"running={running}, failed={len(self.results.failed)}, best {shown}"
        self.bar.set_postfix_str(state, refresh=self.bar.terminal)


def interval_of(metric: str, metrics: dict[str, float]) -> tuple[float, float] | None:
    """Return the 95% interval of a metric that is a mean of cross-validation."""
    if metric.removesuffix("mean") + "difference" in metrics:
        return None  # of which it is the interval
    ends = [metrics.get(metric.removesuffix("mean") + end) for end in ("ci95_low", "ci95_high")]
    return (ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None


@dataclass(frozen=True)
class Best:
    """The best of some trials beside the commit itself.

    change: its interval is of as many comparisons as there are trials; worth: what it scores on
    rows that it was not chosen by, None where trials were tested on other rows or are too many.
    """

    change: Change
    trials: int
    worth: float | None


def best_of(results: Results) -> Best | str:
    """Return how the best differs from the commit itself; or, in words, why that is not known."""
    if results.metric not in [f"crossval.{metric}.mean" for metric in METRICS]:
        return f"{results.metric} has no error bar; the means of crossval do: see `compare`."
    names = [trial.name for trial, _ in results.best_first()]
    metric = results.metric.split(".")[1]
    try:
        default, best = read_side(results.baseline.commit), read_side(names[0])
        if stale := results.baseline.not_reproduced(results.metric):
            commit = results.baseline.commit[:7]
            raise UserError(f"the metrics in {commit} are of another {', '.join(stale)}")
        change = change_of(metric, default, best, len(names))
        sign = 1 if results.direction == "maximize" else -1
        return Best(change, len(names), worth_of_trials(names, metric, best, sign))
    except UserError as error:
        return f"No comparison with the default: {error}."


def worth_of_trials(names: list[str], metric: str, best: Side, sign: int) -> float | None:
    """Return what the best of the trials is worth on rows that it was not chosen by.

    sign: 1 if the highest was chosen, -1 if the lowest.
    """
    from classifier.commands.sweep.selection import worth_of_best

    if len(names) * best.found.predicted.size > MOST_ANSWERS:
        return None
    scores = []
    for name in Progress(iterable=names, desc="worth of the best", unit="trial"):
        side = read_side(name)
        if not side.has_the_rows_of(best):
            return None
        scores.append(side.found.scores(metric).mean(axis=0))
    return sign * worth_of_best(sign * np.stack(scores), best.found.units)


def to_text(results: Results) -> str:
    """Return a table of the best, how the best compares with the default, and what has failed."""
    from tabulate import tabulate

    best, others = results.best_first(), len(results.without_metric())
    without = f", {others} of them without {results.metric}" if others and best else ""
    count = f"{len(results.finished)} finished{without}, {len(results.failed)} failed"
    if not best:
        return f"{count}; none has {results.metric}"
    table = tabulate(
        [table_row(results.metric, *pair) for pair in best[:BEST]],
        ["experiment", results.metric, "95% interval", *best[0][0].params],
        disable_numparse=True,
    )
    adopt = f"`dvc exp apply {best[0][0].name}` adopts the best: its params and its artifacts."
    return f"{table}\n\n{count}. {verdict(results)}\n{adopt}"


def table_row(metric: str, trial: "Trial", metrics: dict[str, float]) -> list[str]:
    ends = interval_of(metric, metrics)
    interval = f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""
    return [trial.name, f"{metrics[metric]:.4f}", interval, *map(str, trial.params.values())]


def verdict(results: Results) -> str:
    found = best_of(results)
    words = found if isinstance(found, str) else verdict_on(found, results)
    if others := of_the_test(results):
        words += f"\nBecause of {', '.join(others)}, trials were tested on other rows or in other "
        words += "folds: what differs may be how hard the test is, not how good the model is."
    return words


def verdict_on(found: Best, results: Results) -> str:
    change, commit = found.change, results.baseline.commit[:7]
    ends = f"{change.difference.low:+.4f} to {change.difference.high:+.4f}"
    words = (
        f"The best of {found.trials} compared with the default, {commit}: "
        f"{change.difference.mean:+.4f} ({ends}), {change.verdict}."
    )
    if found.worth is not None:
        words += f"\nCorrected for having been picked as the best, it is worth {found.worth:.4f}."
    return words


def of_the_test(results: Results) -> list[str]:
    """Return the swept params that decide on which rows, in which folds, trials were tested."""
    best, _ = results.best_first()[0]
    drops = results.baseline.params["prepare.missing"] == "drop"  # rows with gaps in some columns
    those = (*OF_THE_TEST, *(f"prepare.{key}" for key in OF_GAPS if drops))
    if results.metric.startswith("crossval."):
        those += OF_THE_FOLDS
    return [key for key in best.params if key.startswith(those)]


def to_json(results: Results) -> str:
    best = best_of(results) if results.best_first() else ""
    found = {
        "commit": results.baseline.commit,
        "metric": results.metric,
        "direction": results.direction,
        "finished": [
            {"experiment": trial.name, "params": trial.params, "metrics": metrics}
            for trial, metrics in results.best_first()
        ],
        "without_metric": [
            {"experiment": trial.name, "params": trial.params} for trial in results.without_metric()
        ],
        "failed": [
            {"experiment": trial.name, "params": trial.params, "reason": outcome["failed"]}
            for trial, outcome in results.failed.values()
        ],
        "best_against_default": None if isinstance(best, str) else numbers_of(best),
        "not_compared": best if isinstance(best, str) else None,
        "tested_differently_by": of_the_test(results) if results.best_first() else [],
    }
    return json.dumps(found, indent=2)


def numbers_of(best: Best) -> dict[str, Any]:
    change = best.change
    numbers = {"difference": change.difference.mean, **change.difference.ends}
    others = {"verdict": change.verdict, "comparisons": best.trials, "worth": best.worth}
    found: dict[str, Any] = rounded(numbers | others)
    return found
