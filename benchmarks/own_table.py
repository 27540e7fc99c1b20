"""How good `classifier init` is, compared with scikit-learn: `python -m benchmarks.own_table`.

Each table goes through `classifier init` and the cross-validation that it suggests, in a clone of
the last commit, and scikit-learn's models as they come through the same folds. The table in
docs/own_table.md is written anew; with `--only`, the rows that are measured.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import NamedTuple

from benchmarks.shipped import PACKAGES, ROOT, SHIPPED, Shipped
from classifier.base.files import write_text
from classifier.base.progress import Progress

DOCUMENT = ROOT / "docs/own_table.md"
TABLE_STARTS, TABLE_ENDS = "<!-- own tables -->\n", "<!-- end of own tables -->\n"
HEAD = (
    "| table | rows | inputs | classes | most frequent | logistic regression | gradient boosting "
    "| here |\n" + "| --- " * 8 + "|\n"
)
PEER = ROOT / "benchmarks/peers/classical.py"


class Measured(NamedTuple):
    """A table's size, and the accuracy of each on rows left out; as a row of the document."""

    title: str
    rows: int
    inputs: int
    classes: int
    majority: float
    linear: float
    boosting: float
    here: float

    def __str__(self) -> str:
        sizes = (f"{self.rows:,}", f"{self.inputs:,}", f"{self.classes:,}")
        shares = (f"{share:.3f}" for share in self[4:])
        return f"| {' | '.join([self.title, *sizes, *shares])} |\n"


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder, and return its output; raise `CalledProcessError` if it fails."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
    return subprocess.run(
        command, cwd=folder, env=environment, text=True, check=True, stdout=subprocess.PIPE
    ).stdout


def initialize(shipped: Shipped, name: str, folder: Path) -> str:
    """Put a table into a clone, and return what `init` says of it."""
    (folder / f"data/source/{name}.csv").write_text(shipped.read(), encoding="utf-8")
    label = ["--label", shipped.label] if shipped.label else []
    return run(folder, "classifier", "init", "--force", f"data/source/{name}.csv", *label)


def peers(folder: Path, *models: str) -> dict[str, float]:
    """Return the accuracy of models of scikit-learn on the folds of a clone's cross-validation."""
    paths = ["data/prepared/train", "metrics/out_of_fold.csv"]
    found: dict[str, float] = json.loads(
        run(folder, "env", f"PYTHONPATH={PACKAGES}", sys.executable, str(PEER), *paths, *models)
    )
    return found


def measure(name: str, folder: Path) -> Measured:
    """Return how a table does in a clone."""
    initialize(SHIPPED[name], name, folder)
    run(folder, "dvc", "repro", "--quiet", "crossval")
    schema = json.loads((folder / "data/prepared/schema.json").read_text())
    crossval = json.loads((folder / "metrics/crossval.json").read_text())
    inputs = sum(len(feature.get("categories", [0])) for feature in schema["features"])
    found = peers(folder, "logistic_regression", "gradient_boosting")
    return Measured(
        SHIPPED[name].title,
        sum(schema["counts"]["train"].values()),
        inputs,
        len(schema["classes"]),
        crossval["beside"]["majority"]["accuracy"]["mean"],
        found["logistic_regression"],
        found["gradient_boosting"],
        crossval["accuracy"]["mean"],
    )


def with_rows(document: str, new: dict[str, Measured]) -> str:
    """Return the document with rows of its table in place of old ones; by their titles."""
    before, rest = document.split(TABLE_STARTS)
    old, after = rest.split(TABLE_ENDS)
    lines = [line for line in old.splitlines()[2:] if line.startswith("|")]
    rows = {line.split("|")[1].strip(): f"{line}\n" for line in lines}
    rows |= {title: str(measured) for title, measured in new.items()}
    titles = [shipped.title for shipped in SHIPPED.values() if shipped.title in rows]
    ordered = [rows[title] for title in titles]
    table = HEAD + "".join(ordered)
    return before + TABLE_STARTS + f"{table}\n{verdict(ordered)}\n" + TABLE_ENDS + after


def verdict(rows: Sequence[str]) -> str:
    """Return in words on how many tables it is as good as both models, and by how much not."""
    short = []
    for title, *_, linear, boosting, here in (row.strip("| \n").split(" | ") for row in rows):
        if (lacks := max(float(linear), float(boosting)) - float(here)) > 0:
            short.append(f"{title} {100 * lacks:.1f}")
    as_good = f"on {len(rows) - len(short)} of these {len(rows)} tables"
    words = f"To three digits it is at least as good as both {as_good}. On the others it lacks, in "
    return fill(f"{words}points of accuracy: {'; '.join(short)}.", 110, break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_table", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SHIPPED, default=SHIPPED, metavar="TABLE")
    chosen = parser.parse_args().only
    print(HEAD, end="", flush=True)
    with TemporaryDirectory() as scratch, Progress(desc="tables", total=len(chosen)) as bar:
        folder = Path(scratch) / "clone"
        run(ROOT, "git", "clone", "--quiet", ".", str(folder))
        for name in chosen:
            measured = measure(name, folder)
            print(measured, end="", flush=True)
            document = with_rows(DOCUMENT.read_text(), {measured.title: measured})
            write_text(DOCUMENT, document)
            bar.update()


if __name__ == "__main__":
    main()
