"""How often intervals of cross-validation hold: `python -m benchmarks.coverage`.

Tables are drawn from Gaussian classes, one per class, so that what a classifier is worth is known
from fresh rows. The classifier is a stand-in that is fitted in no time, linear discriminant
analysis, its weights moved at random, as the start of a network moves it; and, on fewer tables, the
network of params.yaml.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from benchmarks.networks import Tables
from classifier.base.files import write_text
from classifier.base.progress import Progress
from classifier.params import load_params
from classifier.rows.stratified import stratified_folds
from classifier.scoring.intervals import INTERVALS, Interval
from classifier.scoring.out_of_fold import OutOfFold, difference
from classifier.scoring.scores import METRICS, f1_scores

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.intp]

DOCUMENT = Path(__file__).parent.parent / "docs/statistics.md"
COVERAGE, RARE = "coverage", "rare"  # tables of the document, by the comments around them
FEATURES, FRESH_ROWS = 4, 5_000
FOLDS, REPEATS = 10, 10
RIDGE = 1e-3  # of the covariance, so that it can be inverted
SIZES = (50, 150, 1_000)


@dataclass(frozen=True)
class World:
    """Where tables come from: classes with centres `apart`; how far a start moves the weights.

    rare: the share of rows that are of the last class, if not as many as of each other one.
    """

    classes: int
    apart: float
    start: float
    rare: float = 0.0

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[Floats, Classes]:
        """Return features, (rows, FEATURES), and classes, (rows,)."""
        actual = (np.arange(rows) % (self.classes - (self.rare > 0))).astype(np.int32)
        if self.rare:  # two rows at least, of which one is trained on
            actual[: max(2, rng.binomial(rows, self.rare))] = self.classes - 1
        centres = self.apart * np.eye(self.classes, FEATURES)
        return centres[actual] + rng.normal(size=(rows, FEATURES)), actual


@dataclass(frozen=True)
class Model:
    """Scores of a class are linear in the features: (FEATURES, classes), and (classes,)."""

    weights: Floats
    bias: Floats

    def log_probabilities(self, features: Floats) -> Floats:
        scores = features @ self.weights + self.bias
        return np.asarray(scores - np.logaddexp.reduce(scores, axis=1)[:, None])


def fit(features: Floats, actual: Classes, world: World, rng: np.random.Generator) -> Model:
    """Return linear discriminant analysis, its weights moved by a start."""
    centres = np.stack([features[actual == c].mean(axis=0) for c in range(world.classes)])
    inner = features - centres[actual]
    covariance = inner.T @ inner / len(features) + RIDGE * np.eye(FEATURES)
    weights = np.linalg.solve(covariance, centres.T)
    bias = np.log(np.bincount(actual) / len(actual)) - 0.5 * (centres.T * weights).sum(axis=0)
    moved = weights * (1 + world.start * rng.normal(size=weights.shape))
    return Model(moved, bias + world.start * rng.normal(size=bias.shape))


@dataclass(frozen=True)
class Trial:
    """A table that was cross-validated, and what is true of its models.

    counts: right, actual and predicted fresh rows by class, (3, classes), of all models; loss:
    their mean; shipped: accuracy, loss and macro F1 of a model of all rows.
    """

    found: OutOfFold
    counts: Counts
    loss: float
    shipped: dict[str, float]


def cross_validate(
    table: tuple[Floats, Classes], world: World, fresh: tuple[Floats, Classes], seed: list[int]
) -> Trial:
    """Cross-validate models of a table, and try them on fresh rows."""
    features, actual = table
    rng, shape = np.random.default_rng(seed), (REPEATS, len(actual))
    logs, models = np.empty((*shape, world.classes)), np.empty(shape, np.int32)
    counts, losses = np.zeros((3, world.classes), np.intp), []
    for repeat in range(REPEATS):
        folds = stratified_folds(
            actual.astype(np.intp), None, FOLDS, np.random.default_rng([*seed[:-1], repeat])
        )
        models[repeat] = repeat * FOLDS + folds
        for fold in range(FOLDS):
            left_out = folds == fold
            model = fit(features[~left_out], actual[~left_out], world, rng)
            logs[repeat, left_out] = model.log_probabilities(features[left_out])
            one, loss = try_on(model, fresh)
            counts += one
            losses.append(loss)
    shipped, loss = try_on(fit(features, actual, world, rng), fresh)
    found = OutOfFold(
        actual=actual,
        predicted=logs.argmax(axis=-1).astype(np.int32),
        losses=-np.take_along_axis(logs, actual[None, :, None], axis=-1)[..., 0],
        models=models,
        numbers=np.arange(len(actual), dtype=np.int32),
    )
    return Trial(found, counts, float(np.mean(losses)), metrics_of(shipped, loss))


def try_on(model: Model, fresh: tuple[Floats, Classes]) -> tuple[Counts, float]:
    """Return right, actual and predicted fresh rows by class, and the mean loss of a model."""
    features, actual = fresh
    logs = model.log_probabilities(features)
    predicted = logs.argmax(axis=1)
    each = (actual[actual == predicted], actual, predicted)
    counts = [np.bincount(classes, minlength=logs.shape[1]) for classes in each]
    loss = -np.take_along_axis(logs, actual[:, None], axis=1).mean()
    return np.stack(counts), float(loss)


def metrics_of(counts: Counts, loss: float) -> dict[str, float]:
    hits, actual, predicted = counts
    return {
        "accuracy": float(hits.sum() / actual.sum()),
        "loss": loss,
        "macro_f1": float(f1_scores(hits, actual, predicted).mean()),
    }


def covers(interval: Interval, value: float) -> bool:
    return interval.low <= value <= interval.high


def stand_ins(world: World, rows: int, tables: int, bar: Progress) -> Iterator[Trial]:
    """Yield tables that discriminant analysis was cross-validated on."""
    rng = np.random.default_rng(rows)
    fresh = world.draw(FRESH_ROWS, rng)
    for number in range(tables):
        yield cross_validate(world.draw(rows, rng), world, fresh, [rows, number, 0])
        bar.update()


def coverage(trials: Sequence[Trial]) -> dict[str, float]:
    """Return how often intervals of each metric hold what the recipe, or one model of it, scores.

    What the recipe scores is the mean over the models of all tables.
    """
    counts = np.sum([trial.counts for trial in trials], axis=0)
    truth = metrics_of(counts, float(np.mean([trial.loss for trial in trials])))
    shares = {}
    for metric in METRICS:
        spreads = [trial.found.spread(metric) for trial in trials]
        ends = [INTERVALS[metric](each, False) for each in spreads]
        of_one = [INTERVALS[metric](each, True) for each in spreads]
        shares[metric] = np.mean([covers(each, truth[metric]) for each in ends])
        shares[f"{metric} of one"] = np.mean(
            [covers(each, t.shipped[metric]) for each, t in zip(of_one, trials, strict=True)]
        )
    return {name: float(share) for name, share in shares.items()}


def detection(world: World, other: World, rows: int, tables: int, bar: Progress) -> float:
    """Return how often two recipes differ in accuracy by more than noise, on the same folds."""
    rng, found = np.random.default_rng(rows + 1), 0
    fresh = world.draw(3, rng)
    for number in range(tables):
        table = world.draw(rows, rng)
        one, two = (
            cross_validate(table, each, fresh, [rows, number, start]).found
            for start, each in enumerate((world, other))
        )
        found += differ(one, two)
        bar.update()
    return found / tables


def false_alarms(world: World, rows: int, tables: int, bar: Progress) -> dict[str, float]:
    """Return how often two recipes of the same worth differ, by metric, on the same folds.

    Each sees half the features: that on which one of two classes differs, and one of noise.
    """
    rng, found = np.random.default_rng(rows + 2), dict.fromkeys(METRICS, 0)
    for number in range(tables):
        features, actual = world.draw(rows, rng)
        one, two = (
            cross_validate(
                (features * half, actual), world, (features * half, actual), [rows, number, 0]
            ).found
            for half in ([1, 0, 1, 0], [0, 1, 0, 1])
        )
        for metric in METRICS:
            found[metric] += differ(one, two, metric)
        bar.update()
    return {metric: count / tables for metric, count in found.items()}


def differ(one: OutOfFold, two: OutOfFold, metric: str = "accuracy") -> bool:
    """Return whether two differ by more than noise, on the same folds."""
    found = difference(two, one, metric)
    return not found["ci95_low"] <= 0 <= found["ci95_high"]


def networks(world: World, rows: int, tables: int, bar: Progress) -> tuple[list[Trial], float]:
    """Return tables that networks were cross-validated on, and how often other starts differ."""
    rng = np.random.default_rng(rows)
    drawn = [world.draw(rows, rng) for _ in range(tables)] + [world.draw(FRESH_ROWS, rng)]
    every = Tables(drawn, load_params())
    members = [member for number in range(tables) for member in every.members(number)]
    network = every.train(members, bar)
    found, (counts, losses) = every.answers(network, members), every.on_fresh_rows(network, members)
    counts, losses = every.by_table(counts).sum(axis=-1), every.by_table(losses).mean(axis=-1)
    shipped = [every.shipped(number) for number in range(tables)]
    of_one, loss_of_one = every.on_fresh_rows(every.train(shipped, bar), shipped)
    others = [member.sibling(1) for member in members]
    again = every.answers(every.train(others, bar), others)
    trials = [
        Trial(each, counts[..., at], losses[at], metrics_of(of_one[..., at], loss_of_one[at]))
        for at, each in enumerate(found)
    ]
    return trials, float(np.mean([differ(*pair) for pair in zip(found, again, strict=True)]))


WORLDS = {
    "three classes": World(3, 2.0, 0.0),
    "three classes, results depend on the start": World(3, 2.0, 0.3),
    "two classes": World(2, 1.5, 0.0),
    "two classes, results depend on the start": World(2, 1.5, 0.3),
    "two classes, 3% of rows of one": World(2, 2.5, 0.0, rare=0.03),
    "two classes, 10% of rows of one": World(2, 1.5, 0.3, rare=0.1),
}


# The same task, and a recipe that depends less on its start: two points of accuracy better.
BETTER = {
    "three classes, results depend on the start": World(3, 2.0, 0.18),
    "two classes, results depend on the start": World(2, 1.5, 0.1),
}
# Two recipes of the same worth, each of which sees half the features.
EQUALS = {
    "two classes": World(2, 2.0, 0.0),
    "two classes, 10% of rows of one": World(2, 2.0, 0.0, rare=0.1),
    "two classes, 3% of rows of one": World(2, 2.5, 0.0, rare=0.03),
}
LARGE = SIZES[-1]
NETWORKS = ("three classes", "two classes")  # a start of networks moves them enough

HEAD = [
    "classes", "rows", "tables",
    *(f"{metric.replace('_f1', ' F1')}{of}" for metric in METRICS for of in ("", ", of one")),
    "false alarms", "power",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--tables", type=int, default=500, help="in each cell of a stand-in")
    parser.add_argument("--networks", type=int, default=200, help="tables of networks")
    settings = parser.parse_args()
    cells_with_tables = sum(1 + (world.start > 0) for world in WORLDS.values()) * len(SIZES)
    total = (cells_with_tables + len(BETTER) + len(EQUALS) * len(SIZES)) * settings.tables
    with Progress(desc="coverage", total=total, unit="table") as bar:
        rows = [
            cells(name, world, size, settings.tables, bar)
            for name, world in WORLDS.items()
            for size in SIZES
        ]
        alarms = [
            [name, f"{size:,}", f"{settings.tables:,}",
             *shares(false_alarms(world, size, settings.tables, bar))]
            for name, world in EQUALS.items()
            for size in SIZES
        ]  # fmt: skip
    write_table(RARE, [*HEAD[:3], *(metric.replace("_f1", " F1") for metric in METRICS)], alarms)
    with Progress(desc="networks", unit="epoch") as bar:
        rows += [
            network_cells(name, WORLDS[name], size, settings.networks, bar)
            for name in NETWORKS
            for size in SIZES
        ]
    write_table(COVERAGE, HEAD, rows)


def write_table(name: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a table, and put it in its place in the document."""
    table = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    print(table)
    starts, ends = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = DOCUMENT.read_text().split(starts)
    write_text(DOCUMENT, f"{before}{starts}{table}\n{ends}{rest.split(ends)[1]}")


def cells(name: str, world: World, size: int, tables: int, bar: Progress) -> list[str]:
    """Return a row of the table: how often intervals hold, and see a difference that is not."""
    found = coverage([*stand_ins(world, size, tables, bar)])
    # Two recipes that are one differ by their starts alone.
    alarms = f"{detection(world, world, size, tables, bar):.3f}" if world.start else ""
    is_seen = name in BETTER and size == LARGE
    power = f"{detection(world, BETTER[name], size, tables, bar):.3f}" if is_seen else ""
    return [name, f"{size:,}", f"{tables:,}", *shares(found), alarms, power]


def network_cells(name: str, world: World, size: int, tables: int, bar: Progress) -> list[str]:
    trials, alarms = networks(world, size, tables, bar)
    found = coverage(trials)
    return [f"{name}, networks", f"{size:,}", f"{tables:,}", *shares(found), f"{alarms:.3f}", ""]


def shares(found: dict[str, float]) -> list[str]:
    return [f"{share:.3f}" for share in found.values()]


if __name__ == "__main__":
    main()
