"""Side by side: the project and what people would write instead, in turn, on this machine.

`make bench` writes benchmarks/results.json and the table in docs/performance.md; `--quick` leaves
out what takes minutes and writes nothing. Only ratios mean something: an absolute time is of one
machine in one moment.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.growth import draw_growth, measure_growth, record_model
from benchmarks.measure import PREPARE, TRAIN, fit, measure, peer, predict, predict_to_file, within
from benchmarks.sweeps import SWEEP, SWEEPS, THEIRS, forget_trials
from benchmarks.tables import write_table
from classifier.base.files import rounded, write_json, write_text
from classifier.base.progress import Progress

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results.json"
DOCUMENT = ROOT / "docs/performance.md"
GROWTH = ROOT / "docs/growth.svg"
TABLE_STARTS, TABLE_ENDS = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
HEAD = "| what | against | must be | measured |\n| --- | --- | --- | --- |\n"
IRIS = "data/source/iris.data"
ROW = ["5.1", "3.5", "1.4", "0.2"]
ECHO = "echo"
LARGE, LARGE_ROWS = "large", 10_000_000
TEN = "ten"  # a folder beside another, in which the model has ten members


@dataclass(frozen=True)
class Comparison:
    """Two commands to run in turn in a clone, and the ratio of their times to stay below.

    ready: brings the clone into the state in which ours is run. part: only what a process itself
    reports as `seconds: ...` counts, not its start. memory: the ratio of their peaks to stay below.
    folder: where in the clone both run.
    """

    what: str
    against: str
    limit: float
    ours: list[str]
    peer: list[str]
    ready: Callable[[Path], object] = lambda _: None
    part: bool = False
    memory: float | None = None
    folder: str = "."
    rounds: int = 5
    quick: bool = True


RECIPE = peer("recipe", IRIS)


def forget_results(clone: Path) -> None:
    """Make the next `dvc repro` run every stage."""
    for path in (".dvc/cache", ".dvc/tmp", "dvc.lock"):
        target = clone / path
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)


def set_folds(folds: int) -> Callable[[Path], object]:
    """Return what makes the next `dvc repro` run every stage, with this number of folds."""

    def ready(clone: Path) -> None:
        forget_results(clone)
        text = (ROOT / "params.yaml").read_text()
        (clone / "params.yaml").write_text(text.replace("folds: 10 ", f"folds: {folds} "))

    return ready


def add_test_set(clone: Path) -> None:
    """Change what only evaluate sees."""
    lines = (clone / IRIS).read_text().splitlines(keepends=True)
    (clone / "data/test_sets/some.csv").write_text("".join(lines[: 3 + time.time_ns() % 100]))


def make_echo(clone: Path) -> None:
    """Make a repository of DVC with one stage, which has run."""
    folder = clone / ECHO
    if not folder.exists():
        folder.mkdir()
        (folder / "dvc.yaml").write_text("stages:\n  only:\n    cmd: echo\n")
        for command in ("git init --quiet", "dvc init --quiet", "dvc repro --quiet"):
            subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


def prepare_large(clone: Path) -> None:
    """Make a folder with ten million rows, prepared, and a model to predict them with."""
    folder = clone / LARGE
    if not folder.exists():
        (folder / "data").mkdir(parents=True)
        shutil.copytree(clone / "models", folder / "models")
        shutil.copy(clone / "params.yaml", folder)
        (folder / "dvc.yaml").write_text("stages: {}\n")  # predict wants to be run in a project
        write_table(folder / "data/raw.csv", LARGE_ROWS)
        measure(PREPARE, folder, clone)
        record_model(folder)


def make_ten(clone: Path) -> None:
    """Make a folder in a clone with its rows, in which train makes the mean of ten."""
    folder = clone / TEN
    if not folder.exists():
        shutil.copytree(clone / "data/prepared", folder / "data/prepared")
        text = (clone / "params.yaml").read_text()
        (folder / "params.yaml").write_text(text.replace("members: 1 ", "members: 10 "))
        measure(TRAIN, folder, clone)


def prepare_large_ten(clone: Path) -> None:
    """Make a folder beside the ten million rows with a model of ten members to predict them."""
    prepare_large(clone)
    make_ten(clone)
    folder = clone / LARGE / TEN
    if not folder.exists():
        shutil.copytree(clone / TEN, folder)
        (folder / "data/prepared/schema.json").write_bytes(
            (clone / LARGE / "data/prepared/schema.json").read_bytes()
        )
        (folder / "dvc.yaml").write_text("stages: {}\n")
        record_model(folder)


COMPARISONS = [
    Comparison("`fit` of the default recipe", "`fit` in a plain Keras script", 0.20,
               fit("train"), RECIPE, part=True),
    Comparison("100 cross-validated models", "`fit` in a plain Keras script", 0.4,
               fit("crossval", "--repeats", "10"), RECIPE, part=True),
    Comparison("1,000 cross-validated models", "`fit` in a plain Keras script", 0.8,
               fit("crossval", "--repeats", "100"), RECIPE, part=True),
    Comparison("100 cross-validated means of ten networks", "`fit` in a plain Keras script", 0.8,
               fit("crossval", "--repeats", "10", "--members", "10"), RECIPE, part=True),
    Comparison("`train` with 10 members", "`train` with one", 1.4,
               within(TEN, TRAIN), TRAIN, ready=make_ten),
    Comparison("`dvc repro` from nothing, `crossval.folds: 0`", "the plain script", 0.95,
               ["dvc", "repro"], RECIPE, ready=set_folds(0), rounds=3, quick=False),
    Comparison("`dvc repro` from nothing, 100 cross-validated models", "the plain script", 1.4,
               ["dvc", "repro"], RECIPE, ready=set_folds(10), rounds=3, quick=False),
    Comparison("`dvc repro` with nothing to do", "the same where one stage runs `echo`", 1.15,
               ["dvc", "repro"], ["dvc", "--cd", ECHO, "repro"], ready=make_echo),
    Comparison("`dvc repro` after a change that only `evaluate` sees", "the plain script", 0.2,
               ["dvc", "repro"], RECIPE, ready=add_test_set, rounds=3, quick=False),
    Comparison("ten-fold cross-validation", "a loop of `fit` over the folds", 0.1,
               fit("crossval"), peer("folds", IRIS), part=True, rounds=3, quick=False),
    Comparison("prepare 10 million rows", "`read_csv`, `get_dummies`, `np.save`", 0.75,
               PREPARE, peer("prepare", "data/raw.csv"), ready=prepare_large, memory=0.12,
               folder=LARGE, rounds=15, quick=False),
    Comparison("an epoch of 10 million rows, batches of 1,024", "`fit` on arrays in memory", 0.25,
               fit("epoch"), peer("epoch", "data/prepared/train"), ready=prepare_large, part=True,
               memory=0.5, folder=LARGE, rounds=3, quick=False),
    Comparison("an epoch of 10 members on 10 million rows", "an epoch of one network", 4.0,
               fit("epoch", "--members", "10"), fit("epoch"), ready=prepare_large, part=True,
               memory=1.5, folder=LARGE, rounds=3, quick=False),
    Comparison("predict a row, from the start of the process", "`load_model` and `predict`", 0.12,
               predict(*ROW), peer("predict", "models/classifier.keras", *ROW)),
    Comparison("predict 10 million rows", "`read_csv`, `predict`, `to_csv`", 0.5,
               predict_to_file("data/raw.csv"),
               peer("predict", "models/classifier.keras", "data/raw.csv"), ready=prepare_large,
               memory=0.2, folder=LARGE, rounds=2, quick=False),
    Comparison("predict 10 million rows with 10 members", "`read_csv`, `predict` with one", 0.3,
               within(TEN, predict_to_file("../data/raw.csv")),
               peer("predict", "models/classifier.keras", "data/raw.csv"),
               ready=prepare_large_ten, folder=LARGE, rounds=2, quick=False),
    Comparison("a sweep of 8 trials, 2 at a time", "a loop of `dvc exp run`", 0.65,
               SWEEP, peer("serial", *THEIRS), ready=forget_trials, folder=SWEEPS, rounds=2,
               quick=False),
    Comparison("a sweep of 8 trials, 2 at a time", "`dvc queue start -j 2`", 1.0,
               SWEEP, peer("dvc_queue", *THEIRS), ready=forget_trials, folder=SWEEPS, rounds=2,
               quick=False),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--only", metavar="WORDS", help="measure again what has these words in it")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        clone = clone_in(Path(folder))
        results = run_all(chosen(options.quick, options.only or ""), clone)
        if options.quick:
            return
        found = json.loads(RESULTS.read_text()) if options.only else {}
        found["results"] = with_new(found.get("results", []), results)
        if not options.only:
            found |= {"machine": machine(), "growth": measure_growth(clone)}
            write_text(GROWTH, draw_growth(found["growth"]))
        write_text(DOCUMENT, with_table(DOCUMENT.read_text(), to_table(found["results"])))
        write_json(RESULTS, rounded(found))


def chosen(quick: bool, words: str = "") -> list[Comparison]:
    """Return the comparisons with the words in them; if quick, those alone that take little."""
    found = [one for one in COMPARISONS if words in f"{one.what}, {one.against}"]
    return [replace(one, rounds=2) for one in found if one.quick] if quick else found


def with_new(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the results, new ones in place of old ones, in the order of the comparisons."""
    found = {(one["what"], one["against"]): one for one in [*old, *new]}
    pairs = [(one.what, one.against) for one in COMPARISONS]
    return [found[pair] for pair in pairs if pair in found]


def clone_in(folder: Path) -> Path:
    """Return a clone of the project in which `dvc repro` was run."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    measure(["dvc", "repro"], clone, clone)
    return clone


def run_all(comparisons: list[Comparison], clone: Path) -> list[dict[str, Any]]:
    """Return the results, and print each once it is there."""
    rounds, results = sum(comparison.rounds for comparison in comparisons), []
    print(HEAD, end="", flush=True)
    with Progress(desc="bench", total=rounds, unit="round") as bar:
        for comparison in comparisons:
            results.append(compare(comparison, clone, bar))
            print(to_rows(results[-1]), end="", flush=True)
    return results


def compare(comparison: Comparison, clone: Path, bar: Progress) -> dict[str, Any]:
    """Return the medians of both sides and the median ratio of a round's two times."""
    pairs = []
    for _ in range(comparison.rounds):
        comparison.ready(clone)
        folder = clone / comparison.folder
        sides = (comparison.ours, comparison.peer)
        pairs.append([measure(side, folder, clone, comparison.part) for side in sides])
        bar.update()
    ours, peer = zip(*pairs, strict=True)
    return {
        "what": comparison.what,
        "against": comparison.against,
        "limit": comparison.limit,
        "ratio": median(a.seconds / b.seconds for a, b in pairs),
        "seconds": [median(measured.seconds for measured in side) for side in (ours, peer)],
        "memory_limit": comparison.memory,
        "memory_ratio": median(a.memory / b.memory for a, b in pairs),
        "megabytes": [median(measured.memory for measured in side) / 1e6 for side in (ours, peer)],
        "rounds": comparison.rounds,
    }


def machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "python": platform.python_version(),
    }


def to_table(results: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    return HEAD + "".join(map(to_rows, results))


def to_rows(result: dict[str, Any]) -> str:
    """Return the row of a result, and another for memory where it has a limit."""
    pair = f"| {result['what']} | {result['against']} |"
    rows = f"{pair} ≤ {result['limit']:.2f} | {result['ratio']:.2f} |\n"
    if limit := result["memory_limit"]:
        rows += f"{pair} memory ≤ {limit:.2f} | memory {result['memory_ratio']:.2f} |\n"
    return rows


def with_table(document: str, table: str) -> str:
    before, rest = document.split(TABLE_STARTS)
    return before + TABLE_STARTS + table + TABLE_ENDS + rest.split(TABLE_ENDS)[1]


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error}\n{error.output}")
