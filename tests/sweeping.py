"""A pipeline whose stages take no time, in place of the real one, and clusters to sweep it on."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.conftest import ROOT, Clone
from tests.servers import HERE, free_port

# What `python` runs for each stage. It notes that it was run, and fails if the loss has diverged.
STAGE = """
import json, os, random, re, sys, time
from classifier.base.process import exit_with_parent
exit_with_parent()
stage, text = sys.argv[1], open("params.yaml").read()
section = text[text.index("\\ntrain:"):]
rate, epochs, seed = (re.search(f" {key}: (\\\\S+)", section)[1]
                      for key in ("learning_rate", "epochs", "seed"))
with open(os.environ.get("RUNS", os.devnull), "a") as runs:
    print(stage, rate, epochs, seed, file=runs)
time.sleep(float(os.environ.get("TAKES", "0")))
if float(rate) > 10:
    sys.exit("error: training diverged")
numbers = random.Random(f"{rate} {epochs}")
accuracies = [round(1 - float(rate) - numbers.random() / 100, 6) for _ in range(100)]
if stage == "prepare":
    open("data/prepared.txt", "w").write("prepared")
elif stage == "train":
    open("models/model.txt", "w").write(f"{rate} {epochs} {seed}")
    json.dump({"train": {"loss": float(rate) + int(seed)}}, open("metrics/evaluation.json", "w"))
else:
    ends = {"mean": sum(accuracies) / 100, "std": 0.1, "ci95_low": 0.1, "ci95_high": 0.9}
    json.dump({"models": 100, "accuracy": ends, "loss": ends}, open("metrics/crossval.json", "w"))
    with open("metrics/out_of_fold.csv", "w") as rows:
        print("repeat,fold,row,actual,predicted,loss", file=rows)
        for repeat in range(1, 11):
            for row in range(1, 101):
                is_right = numbers.random() < sum(accuracies) / 100
                predicted = "ab"[(row + is_right) % 2]
                print(repeat, row % 10 + 1, row, "ba"[row % 2], predicted, 0.5, sep=",", file=rows)
"""
SWEEP = ["python", "-m", "classifier", "sweep"]
PIPELINE = """
stages:
  prepare:
    cmd: exec python -S stage.py prepare
    params: [prepare]
    deps: [data/raw.csv]
    outs: [data/prepared.txt]
  crossval:
    cmd: exec python -S stage.py crossval
    params: [crossval, train.learning_rate, train.epochs]
    deps: [data/prepared.txt, classifier/rows/stratified.py]
    metrics: [metrics/crossval.json: {cache: false}]
    outs: [metrics/out_of_fold.csv]
  train:
    cmd: exec python -S stage.py train
    params: [train]
    deps: [data/prepared.txt]
    outs: [models/model.txt]
    metrics: [metrics/evaluation.json: {cache: false}]
"""


class Swept(Clone):
    """A clone to sweep in, with a bare git repository and a DVC remote beside it."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.noted = path.parent / "runs"
        super().__init__(path, **{"RUNS": str(self.noted)} | environment)

    @property
    def runs(self) -> list[str]:
        """What the last sweep has run: stage, learning rate, epochs, seed."""
        return self.noted.read_text().splitlines()

    def sweep(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Sweep in this process."""
        self.noted.write_text("")
        return self.classifier("sweep", *arguments, check=check)

    @contextmanager
    def sweeping(self, *command: str) -> Iterator["subprocess.Popen[str]"]:
        """Yield a sweep while it runs."""
        self.noted.write_text("")
        with subprocess.Popen(
            command,
            cwd=self.path,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def experiments(self) -> dict[str, str]:
        """Return the name of each experiment with the hash of its whole content."""
        listed = self.git("for-each-ref", "--format=%(refname) %(tree)", "refs/exps")
        pairs = (line.split() for line in listed.splitlines() if "/exec/" not in line)
        return {ref.rpartition("/")[2]: tree for ref, tree in pairs}


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.05)


def living(folder: Path) -> list[psutil.Process]:
    """Return the DVC and the stages that are running somewhere below a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended
            work = {"stage.py", "dvc"} & {Path(word).name for word in process.cmdline()}
            if work and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def make_quick(clone: Clone) -> None:
    """Put stages that take no time in the place of the real ones, run and committed."""
    clone.git("rm", "-rq", "metrics", "models", "data", "dvc.lock")
    for folder in ("metrics", "models", "data"):
        (clone.path / folder).mkdir(exist_ok=True)
    (clone.path / "models/.gitignore").write_text("model.txt\n")
    (clone.path / "data/.gitignore").write_text("prepared.txt\n")
    (clone.path / "data/raw.csv").write_text("1,2\n")
    (clone.path / "dvc.yaml").write_text(PIPELINE)
    (clone.path / "stage.py").write_text(STAGE)
    clone.environment["RUNS"] = os.devnull
    clone.dvc("repro")
    clone.commit("Stages that take no time")
    push_all(clone)


def push_all(clone: Clone) -> None:
    """Push a clone to a bare git repository and a DVC remote beside it."""
    clone.git("init", "--quiet", "--bare", "../origin.git")
    clone.git("remote", "set-url", "origin", "../origin.git")
    clone.git("push", "--quiet", "origin", "main")
    (clone.path.parent / "dvc-remote").mkdir(exist_ok=True)
    clone.dvc("push")


def documented(heading: str, language: str = "sh") -> str:
    """Return the commands of a section of docs/scaling.md."""
    section = (ROOT / "docs/scaling.md").read_text().split(f"# {heading}\n")[1].split("\n## ")[0]
    return "".join(re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL))


class Cluster:
    """A Dask scheduler and workers, started as documented; workers have no clone of the project.

    Each is on a machine of its own: in a network namespace, where the system allows that.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.machines = stack.enter_context(networks(4))
        commands = documented("By hand")
        if not self.machines[0]:
            commands = commands.replace("8786", str(free_port())).replace("10.0.0.1", HERE)
        start, self.worker, self.sweep = map(shlex.split, commands.splitlines())
        self.address = self.worker[2]
        self.scheduler = self.start("scheduler", start)
        wait_until(lambda: self.address in (folder / "scheduler.log").read_text())
        self.workers: list[subprocess.Popen[bytes]] = []

    def add_worker(self, **environment: str) -> Path:
        """Start a worker; return its folder."""
        at = len(self.workers) + 1
        name = f"worker-{at}"
        environment |= {"RUNS": str(self.folder / "runs"), "TMPDIR": str(self.folder / name)}
        self.workers.append(self.start(name, self.worker, at, **environment))
        return self.folder / name

    def kill_worker(self, at: int) -> None:
        """Kill what `dask worker` has started, and itself, but not the trials."""
        nanny = psutil.Process(self.workers[at].pid)
        for process in (*nanny.children(), nanny):
            process.kill()

    def sweeping(
        self, swept: Swept, *overrides: str, metric: str = "crossval.accuracy.mean"
    ) -> AbstractContextManager["subprocess.Popen[str]"]:
        """Sweep on the workers."""
        sets = [word for override in overrides for word in ("-S", override)]
        command = self.sweep[: self.sweep.index("-S")]
        return swept.sweeping(*self.machines[0], *command, "--metric", metric, *sets)

    def start(
        self, name: str, command: list[str], machine: int = 0, **env: str
    ) -> "subprocess.Popen[bytes]":
        (self.folder / name).mkdir()
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [*self.machines[machine], *command],
                cwd=self.folder / name,
                env=Clone(self.folder, **env).environment,
                stdout=log,
                stderr=log,
            )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process


@contextmanager
def networks(machines: int) -> Iterator[list[list[str]]]:
    """Yield what stands before a command to run it on each machine; the first is linked to all."""
    names = [f"sweep-{os.getpid()}-{at}" for at in range(machines)]
    with ExitStack() as stack:
        try:
            for name in names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "del", name)
                ip("-n", name, "link", "set", "lo", "up")
            for at in range(1, machines):
                link(names[0], names[at], at)
        except (OSError, subprocess.CalledProcessError):  # no ip, or not the right to
            yield [[]] * machines
        else:
            yield [["ip", "netns", "exec", name] for name in names]


def link(hub: str, other: str, at: int) -> None:
    """Lay a cable between 10.0.0.1 and another machine."""
    name, here, there = f"to{at}", "10.0.0.1", f"10.0.0.{10 + at}"
    ip("link", "add", name, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", other)
    for machine, device, mine, peer in ((hub, name, here, there), (other, "eth0", there, here)):
        ip("-n", machine, "addr", "add", mine, "peer", peer, "dev", device)
        ip("-n", machine, "link", "set", device, "up")


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
