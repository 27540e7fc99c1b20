"""Commands to measure, and the time and memory that they take."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT

CHILD = Path(__file__).parent / "child.py"
WITHOUT_EXTRAS = Path(__file__).parent / "without_extras"  # pandas imports pyarrow where it is
PREPARE = [sys.executable, "-m", "stages.prepare"]
TRAIN = [sys.executable, "-m", "stages.train"]


def fit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.fit", *arguments]


def peer(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{script}", *arguments]


def predict(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "classifier", "predict", *arguments]


def predict_to_file(table: str) -> list[str]:
    return ["sh", "-c", f"exec {shlex.join(predict(table))} > predicted.csv"]


def within(folder: str, command: list[str]) -> list[str]:
    """Return the command, to be run in another folder."""
    return ["sh", "-c", 'cd "$0" && exec "$@"', folder, *command]


@dataclass(frozen=True)
class Measured:
    """Seconds and the peak of resident memory, in bytes, of a process or of its children."""

    seconds: float
    memory: int


def measure(command: list[str], folder: Path, clone: Path, part: bool = False) -> Measured:
    """Run a command in a folder with a clone's code; raise `CalledProcessError` if it fails."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(WITHOUT_EXTRAS), str(clone)]),
        "PYTHONDONTWRITEBYTECODE": "",  # whoever has run it before has its modules compiled
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CHILD), *command],
        cwd=folder, env=environment, text=True, stdout=PIPE, stderr=STDOUT, check=True,
    )  # fmt: skip
    seconds, memory = done.stdout.splitlines()[-1].split()
    if part:
        seconds = done.stdout.split("seconds: ")[1].split()[0]
    return Measured(float(seconds), int(memory))
