"""Commands to measure, and the time and memory that they take."""

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT

PREPARE = [sys.executable, "-m", "stages.prepare"]


def fit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.fit", *arguments]


def peer(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.peers.{script}", *arguments]


def predict(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "classifier", "predict", *arguments]


def predict_to_file(table: str) -> list[str]:
    return ["sh", "-c", f"exec {shlex.join(predict(table))} > predicted.csv"]


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
        "PYTHONPATH": str(clone),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=PIPE, stderr=STDOUT
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
