"""What a worker does for a trial. It is sent to the worker, which needs no clone of the project.

So it must not import anything of the project but what is sent with it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypedDict

from classifier.base.files import md5_of, parse_yaml
from classifier.base.run_inputs import differences, record_of
from classifier.commands.git import of_no_repository

LOG_BYTES = 64 * 1024  # at the end of a log, that are sent back
CACHE = {"type": "reflink,hardlink,symlink,copy"}  # a trial needs no copies of its own
POLL = 0.2  # seconds between two looks whether the trial is still wanted


class Setup(TypedDict):
    """What all trials of a sweep have in common.

    git: the URL to clone and to push to; config: sections of .dvc/config.local in the clone;
    shared: whether the cache is that of whoever has asked, so that artifacts need not travel.
    """

    commit: str
    refs: str
    git: str
    config: dict[str, dict[str, str]]
    shared: bool
    author: dict[str, str]


class Outcome(TypedDict):
    """failed: what went wrong, "" if nothing; log: the last that the commands have written."""

    failed: str
    log: str


class NotWantedError(Exception):
    """Nobody waits for the trial any more."""


def run_trial(name: str, overrides: tuple[str, ...], setup: Setup) -> Outcome:
    """Run an experiment in a clone of its own and push it, unless it was pushed before."""
    from distributed import get_worker

    worker, failed = get_worker(), ""
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in ("executing", "long-running")

    with (
        tempfile.TemporaryDirectory(prefix=f"{name}-", dir=worker.local_directory) as scratch,
        Path(scratch, "log").open("w+b") as log,
    ):
        commands = Commands(Path(scratch), log, wanted, setup)
        try:
            if not commands.is_pushed(name):
                commands.run_experiment(name, overrides)
                commands.push(name)
        except (subprocess.CalledProcessError, OSError, NotWantedError) as error:
            failed = str(error) or type(error).__name__
        log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_BYTES))
        return {"failed": failed, "log": log.read().decode(errors="replace")}


class Commands:
    """The commands of a trial, their output in its log."""

    def __init__(
        self, scratch: Path, log: IO[bytes], wanted: Callable[[], bool], setup: Setup
    ) -> None:
        self.clone, self.cache = scratch / "clone", scratch.parent / "cache"
        self.log, self.wanted, self.setup = log, wanted, setup
        self.environment = of_no_repository() | setup["author"] | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "DVC_SITE_CACHE_DIR": str(scratch / "site-cache"),
            "GIT_TERMINAL_PROMPT": "0",
        }  # fmt: skip

    def is_pushed(self, name: str) -> bool:
        """Whether another worker or an earlier sweep has finished it."""
        return (
            self.status("git", "ls-remote", "--exit-code", self.setup["git"], self.ref(name)) == 0
        )

    def run_experiment(self, name: str, overrides: tuple[str, ...]) -> None:
        self.run("git", "clone", "--quiet", "--no-checkout", self.setup["git"], str(self.clone))
        self.run("git", "checkout", "--quiet", self.setup["commit"], inside=True)
        self.write_config()
        pull = [] if self.setup["shared"] else ["--pull"]
        sets = [word for override in overrides for word in ("--set-param", override)]
        self.dvc("exp", "run", *pull, "--name", name, *sets)
        self.require_recorded()

    def require_recorded(self) -> None:
        """Raise OSError if DVC has taken, unread, what is damaged or of another run."""
        lock = parse_yaml((self.clone / "dvc.lock").read_bytes(), "dvc.lock")
        for name, stage in lock["stages"].items():
            record = self.clone / record_of(name)
            others = differences(record.read_bytes(), stage) if record.exists() else []
            if others:
                where = "see docs/reproducibility.md"
                raise OSError(f"{name} was not run with this {others[0]}; {where}")
        for out in (out for stage in lock["stages"].values() for out in stage.get("outs", [])):
            path = self.clone / out["path"]
            if path.exists() and md5_of(path) != out["md5"]:
                raise OSError(f"{out['path']}: is damaged in the cache")

    def write_config(self) -> None:
        """Have all trials of a worker use one cache, unless another is shared."""
        from configobj import ConfigObj

        config = ConfigObj(
            {"cache": CACHE | {"dir": str(self.cache)}} | self.setup["config"], encoding="utf-8"
        )
        config.filename = str(self.clone / ".dvc/config.local")
        config.write()

    def push(self, name: str) -> None:
        """Push artifacts, then the experiment: `dvc exp push` would do it the other way round.

        So whoever sees the experiment can have its artifacts, even if this worker is killed.
        """
        if not self.setup["shared"]:
            self.dvc("push", "--run-cache")
        ref = self.ref(name)
        if self.status("git", "push", "--quiet", self.setup["git"], f"{ref}:{ref}", inside=True):
            # git does not replace what another worker has pushed meanwhile; it has the same bytes.
            self.run("git", "ls-remote", "--exit-code", self.setup["git"], ref)

    def ref(self, name: str) -> str:
        return f"{self.setup['refs']}{name}"

    def dvc(self, *arguments: str) -> None:
        self.run("dvc", *arguments, inside=True)

    def run(self, *command: str, inside: bool = False) -> None:
        """Run a command; raise `CalledProcessError` if it fails, without a URL and its password."""
        code = self.status(*command, inside=inside)
        if code:
            raise subprocess.CalledProcessError(code, " ".join(command[:2]))

    def status(self, *command: str, inside: bool = False) -> int:
        """Return the exit code of a command, which ends when nobody wants the trial any more."""
        process = subprocess.Popen(
            command,
            cwd=self.clone if inside else None,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=end_with_worker(),
        )
        while True:
            try:
                return process.wait(POLL)
            except subprocess.TimeoutExpired:
                if not self.wanted():
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    raise NotWantedError from None


def end_with_worker() -> Callable[[], None]:
    """Return what has a new process killed when the worker's thread that starts it ends.

    Elsewhere than on Linux the process would go on for nothing: only the worker pushes.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl, pr_set_pdeathsig = ctypes.CDLL(None).prctl, 1  # loaded here: a fork could not do it
    return lambda: prctl(pr_set_pdeathsig, signal.SIGKILL)
