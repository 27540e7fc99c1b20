"""Side by side: the project and what people would write instead, in turn, on this machine.

`make bench` writes benchmarks/results.json and the table in docs/performance.md; `--quick` leaves
out what takes minutes and writes nothing. Only ratios mean something: an absolute time is of one
machine in one moment.
"""

import argparse
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
from subprocess import DEVNULL, PIPE
from tempfile import TemporaryDirectory
from typing import Any

from classifier.files import rounded, write_json, write_text
from classifier.progress import Progress

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks/results.json"
DOCUMENT = ROOT / "docs/performance.md"
TABLE_STARTS, TABLE_ENDS = "<!-- benchmarks -->\n", "<!-- end of benchmarks -->\n"
IRIS = "data/source/iris.data"
RECIPE = [sys.executable, "-m", "benchmarks.peers.recipe", IRIS]


@dataclass(frozen=True)
class Measured:
    """Seconds and the peak of resident memory, in bytes, of a process or of its children."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class Comparison:
    """Two commands to run in turn in a clone, and the ratio of their times to stay below.

    ready: brings the clone into the state in which ours is run. part: only what a process itself
    reports as `seconds: ...` counts, not its start.
    """

    what: str
    against: str
    limit: float
    ours: list[str]
    peer: list[str]
    ready: Callable[[Path], object] = lambda _: None
    part: bool = False
    rounds: int = 5
    quick: bool = True


def fit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.fit", *arguments]


def forget_results(clone: Path) -> None:
    """Make the next `dvc repro` run every stage."""
    for path in (".dvc/cache", ".dvc/tmp", "dvc.lock"):
        target = clone / path
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)


def set_folds(folds: int) -> Callable[[Path], object]:
    """Return what makes the next `dvc repro` run every stage, with so many folds."""

    def ready(clone: Path) -> None:
        forget_results(clone)
        text = (ROOT / "params.yaml").read_text()
        (clone / "params.yaml").write_text(text.replace("folds: 10 ", f"folds: {folds} "))

    return ready


def add_test_set(clone: Path) -> None:
    """Change what only evaluate sees."""
    lines = (clone / IRIS).read_text().splitlines(keepends=True)
    (clone / "data/test_sets/some.csv").write_text("".join(lines[: 3 + time.time_ns() % 100]))


COMPARISONS = [
    Comparison("`fit` of the default recipe", "`fit` in a plain Keras script", 0.20,
               fit("train"), RECIPE, part=True),
    Comparison("100 cross-validated models", "`fit` in a plain Keras script", 0.4,
               fit("crossval", "10"), RECIPE, part=True),
    Comparison("1,000 cross-validated models", "`fit` in a plain Keras script", 0.8,
               fit("crossval", "100"), RECIPE, part=True),
    Comparison("`dvc repro` from nothing, `crossval.folds: 0`", "the plain script", 1.0,
               ["dvc", "repro"], RECIPE, ready=set_folds(0), rounds=3, quick=False),
    Comparison("`dvc repro` from nothing, 100 cross-validated models", "the plain script", 1.5,
               ["dvc", "repro"], RECIPE, ready=set_folds(10), rounds=3, quick=False),
    Comparison("`dvc repro` with nothing to do", '`python -c "import dvc.repo"`', 2.0,
               ["dvc", "repro"], [sys.executable, "-c", "import dvc.repo"]),
    Comparison("`dvc repro` after a change that only `evaluate` sees", "the plain script", 0.5,
               ["dvc", "repro"], RECIPE, ready=add_test_set, rounds=3, quick=False),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    quick = parser.parse_args().quick
    with TemporaryDirectory() as folder:
        results = run_all(chosen(quick), clone_in(Path(folder)))
    print(to_table(results))
    if not quick:
        write_json(RESULTS, rounded({"machine": machine(), "results": results}))
        write_text(DOCUMENT, with_table(DOCUMENT.read_text(), to_table(results)))


def chosen(quick: bool) -> list[Comparison]:
    if not quick:
        return COMPARISONS
    return [replace(comparison, rounds=2) for comparison in COMPARISONS if comparison.quick]


def clone_in(folder: Path) -> Path:
    """Return a clone of the project in which `dvc repro` was run."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    measure(["dvc", "repro"], clone)
    return clone


def run_all(comparisons: list[Comparison], clone: Path) -> list[dict[str, Any]]:
    rounds = sum(comparison.rounds for comparison in comparisons)
    with Progress(desc="bench", total=rounds, unit="round") as bar:
        return [compare(comparison, clone, bar) for comparison in comparisons]


def compare(comparison: Comparison, clone: Path, bar: Progress) -> dict[str, Any]:
    """Return the medians of both sides and the median ratio of a round's two times."""
    pairs = []
    for _ in range(comparison.rounds):
        comparison.ready(clone)
        pairs.append(
            [measure(side, clone, comparison.part) for side in (comparison.ours, comparison.peer)]
        )
        bar.update()
    ours, peer = zip(*pairs, strict=True)
    return {
        "what": comparison.what,
        "against": comparison.against,
        "limit": comparison.limit,
        "ratio": median(a.seconds / b.seconds for a, b in pairs),
        "memory_ratio": median(a.memory / b.memory for a, b in pairs),
        "seconds": [median(measured.seconds for measured in side) for side in (ours, peer)],
        "rounds": comparison.rounds,
    }


def measure(command: list[str], clone: Path, part: bool = False) -> Measured:
    """Run a command in the clone; raise `CalledProcessError` if it fails."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
        "PYTHONPATH": str(clone),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=clone, env=environment, text=True, stdout=PIPE, stderr=DEVNULL
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    if part:
        seconds = float(output.split("seconds: ")[1].split()[0])
    return Measured(seconds, usage.ru_maxrss * 1024)


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
    head = "| what | against | must be | measured |\n| --- | --- | --- | --- |\n"
    rows = (
        f"| {r['what']} | {r['against']} | ≤ {r['limit']:.2f} | {r['ratio']:.2f} |\n"
        for r in results
    )
    return head + "".join(rows)


def with_table(document: str, table: str) -> str:
    before, rest = document.split(TABLE_STARTS)
    return before + TABLE_STARTS + table + TABLE_ENDS + rest.split(TABLE_ENDS)[1]


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error}\n{error.output}")
