"""`dvc repro` killed at any moment: nothing lives on, no file is half there, the next completes.

Where a test waits for a random time, its output names the seed; KILL_SEED=... repeats it.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.conftest import OUTS, Clone

SEED = os.environ.get("KILL_SEED", str(time.time_ns()))

# What is killed, and by what.
KILLS = {
    "dvc alone by SIGKILL": (os.kill, signal.SIGKILL),
    "all by SIGKILL": (os.killpg, signal.SIGKILL),
    "all by SIGTERM": (os.killpg, signal.SIGTERM),
    "all by SIGINT": (os.killpg, signal.SIGINT),  # Ctrl-C
}
# Moments in the run of a stage, each with the longest time to wait from there, in seconds.
MOMENTS = {"started": 1.0, "running": 4.0, "writing": 0.02, "written": 0.5}
SHORT = {"fetch": 0.3, "prepare": 0.6}  # seconds that a stage runs at least, of those without Keras


RWLOCK = ".dvc/tmp/rwlock"
# DVC writes these two in place: a kill at that moment cuts one.
CURES = {"dvc.lock": "git checkout dvc.lock", RWLOCK: f"rm {RWLOCK}"}
OF_DVC = re.compile(r"/\.[\w-]{22}\.tmp$")  # a copy that it has not renamed yet


class Repro:
    """A `dvc repro` in a process group of its own, watched from outside."""

    def __init__(self, clone: Clone, *arguments: str) -> None:
        self.clone, self.log = clone, clone.path.parent / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["dvc", "repro", *arguments],
                cwd=clone.path,
                env=clone.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # The & of a script would make it, and the stages, deaf to Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def reached(self, stage: str, moment: str) -> bool:
        """Whether the stage has come to that moment."""
        written = [self.clone.path / out for out in OUTS[stage]]
        writing = [path.with_name(path.name + ".tmp") for path in written]
        return {
            "started": True,
            "running": f"Running stage '{stage}'" in self.log.read_text(),
            "writing": any(path.exists() for path in writing + written),
            "written": any(path.exists() for path in written),
        }[moment]

    def living(self) -> list[psutil.Process]:
        """Return the group's processes that have not ended."""
        group = self.process.pid
        return [process for process in psutil.process_iter() if is_living(process, group)]


def is_living(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):  # it has just ended
        return False


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


@contextmanager
def running(clone: Clone, *arguments: str) -> Iterator[Repro]:
    """Start `dvc repro`; whatever is left of it at the end is killed."""
    repro = Repro(clone, *arguments)
    try:
        yield repro
    finally:
        if repro.living():
            os.killpg(repro.process.pid, signal.SIGKILL)
        repro.process.wait()


def kill(clone: Clone, stage: str, moment: str, how: str, delay: float) -> bool:
    """Kill `dvc repro` so long after that moment; return whether it was still running.

    Nothing of it may live on.
    """
    send, number = KILLS[how]
    with running(clone) as repro:
        wait_for(lambda: repro.reached(stage, moment) or repro.process.poll() is not None, 120)
        assert repro.reached(stage, moment), repro.log.read_text()
        time.sleep(delay)
        if repro.process.poll() is not None:
            return False
        send(repro.process.pid, number)
        repro.process.wait(60)
        # A stage that is still importing ends itself when it has: it has written nothing yet.
        assert wait_for(lambda: not repro.living(), 10), repro.living()
        return True


def assert_no_file_is_half_there(clone: Clone, whole: Clone) -> None:
    for path, content in clone.files().items():
        if ".tmp" in path:
            continue
        if path == "metrics/history.csv":  # it is renewed while training goes on
            assert whole.files()[path].startswith(content)
            assert content.endswith(b"\n")
        else:
            assert content == whole.files()[path], path


def mend_what_dvc_was_writing(clone: Clone, whole: Clone) -> None:
    """Of the two files that DVC writes in place, `verify` names the one that was cut."""
    for path, is_whole in (
        (RWLOCK, lambda: is_json(clone.read(RWLOCK))),
        ("dvc.lock", lambda: clone.read("dvc.lock") == whole.read("dvc.lock")),
    ):
        if (clone.path / path).exists() and not is_whole():
            verified = clone.classifier("verify", check=False)
            assert verified.returncode == 2
            assert CURES[path] in verified.stderr
            clone.run(*CURES[path].split())


def files_but_dvcs(clone: Clone) -> dict[str, bytes]:
    """Return the files of a clone but for what DVC leaves where it is killed as it copies one."""
    return {path: content for path, content in clone.files().items() if not OF_DVC.search(path)}


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def kill_and_run_again(
    undone: Callable[[str], Clone], whole: Clone, stage: str, moment: str, how: str
) -> None:
    longest = min(MOMENTS[moment], SHORT.get(stage, 60))
    delay = random.Random(f"{SEED} {stage} {moment} {how}").uniform(0, longest)
    print(f"KILL_SEED={SEED}: {how}, {delay:.3f} s after {stage} was {moment}")
    while not kill(clone := undone(stage), stage, moment, how, delay):
        delay /= 2
    assert_no_file_is_half_there(clone, whole)
    mend_what_dvc_was_writing(clone, whole)
    again = clone.dvc("repro")
    assert clone.stages_run(again) in ([stage], []), "none if it was killed behind its end"
    assert files_but_dvcs(clone) == whole.files()
    assert clone.read("dvc.lock") == whole.read("dvc.lock")


@pytest.mark.parametrize(
    ("stage", "moment", "how"),
    [
        ("fetch", "running", "all by SIGINT"),
        ("prepare", "writing", "dvc alone by SIGKILL"),
    ],
)
def test_after_a_kill_the_next_run_completes(undone, reproduced, stage, moment, how):
    kill_and_run_again(undone, reproduced, stage, moment, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", KILLS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("stage", OUTS)
def test_after_any_kill_the_next_run_completes(undone, reproduced, stage, moment, how):
    kill_and_run_again(undone, reproduced, stage, moment, how)


# DVC writes something with one of these; it is killed half-way through.
KILLED_AS_DVC_WRITES = """
import json, os, signal, sys
from dvc.repo import Repo
from ruamel.yaml import YAML

def write_half(*arguments):
    arguments[-1].write("half")
    arguments[-1].flush()
    os.kill(os.getpid(), signal.SIGKILL)

{writer}.dump = write_half
Repo().reproduce("fetch", force=True)
"""


@pytest.mark.parametrize(("path", "writer"), [("dvc.lock", "YAML"), (RWLOCK, "json")])
def test_what_dvc_was_writing_when_it_was_killed_is_told(copied, reproduced, path, writer):
    script = KILLED_AS_DVC_WRITES.format(writer=writer)
    killed = copied.run(sys.executable, "-c", script, "dvc", check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert copied.read(path).endswith("half")
    mend_what_dvc_was_writing(copied, reproduced)
    assert copied.stages_run(copied.dvc("repro")) == []


# Where DVC copies an artifact back from the cache, it is killed before it renames the copy.
KILLED_AS_DVC_COPIES = """
import os, signal, sys
from dvc.repo import Repo
from dvc_objects.fs import local

def copy(source, target, **_):
    open(target, "wb").write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

local.copyfile = copy
Repo().reproduce("train", force=True)
"""


def test_what_dvc_was_copying_when_it_was_killed_is_no_artifact(undone, reproduced):
    clone = undone("prepare")
    killed = clone.run(sys.executable, "-c", KILLED_AS_DVC_COPIES, "dvc", check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [left] = [path for path in clone.files() if OF_DVC.search(path)]
    assert clone.run("git", "check-ignore", left).stdout.strip() == left
    clone.dvc("repro")
    assert files_but_dvcs(clone) == reproduced.files()


def test_a_second_run_is_told_who_holds_the_lock(undone, reproduced):
    clone = undone("prepare")
    with running(clone) as first:
        assert wait_for(lambda: len(first.living()) == 2, 60), "DVC and the stage"
        os.killpg(first.process.pid, signal.SIGSTOP)
        second = clone.run("dvc", "repro", check=False)
        os.killpg(first.process.pid, signal.SIGCONT)
        assert first.process.wait(60) == 0
    assert second.returncode != 0
    assert "is busy, it is being blocked by:" in second.stderr
    assert f"(PID {first.process.pid}): " in second.stderr
    assert clone.files() == reproduced.files()


def test_the_lock_of_a_killed_run_goes_away_by_itself(undone):
    clone = undone("prepare")
    assert kill(clone, "prepare", "running", "all by SIGKILL", 0)
    assert '"write": {"' in clone.read(RWLOCK)
    done = clone.run("dvc", "repro")
    assert "had been killed. Auto removed it from the lock file." in done.stderr
    assert clone.stages_run(done.stdout) == ["prepare"]


def test_a_stage_dies_with_dvc_under_a_shell_that_stays_its_parent(undone, tmp_path):
    """As fish does: exec in dvc.yaml makes DVC the parent."""
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\neval "$2"\nexit $?\n')
    shell.chmod(0o700)
    clone = undone("train")
    clone.environment["SHELL"] = str(shell)
    assert kill(clone, "train", "running", "dvc alone by SIGKILL", 0.5)


RUN = "from classifier.base.process import run; run"  # what every stage ends in


def test_a_stage_ends_with_its_parent_where_the_kernel_does_not_see_to_it(reproduced):
    """On macOS a thread of the stage watches."""
    stage = f"import sys, time; sys.platform = 'darwin'; {RUN}(lambda: time.sleep(60))"
    shell = Clone(reproduced.path, DVC_STAGE="train")
    with subprocess.Popen(
        ["sh", "-c", f'{sys.executable} -c "{stage}" & echo $!; wait'],
        cwd=shell.path,
        env=shell.environment,
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        wait_for(lambda: child.num_threads() > 1, 10)
        parent.kill()
        assert wait_for(lambda: not is_living(child, parent.pid), 2)


def test_a_stage_whose_parent_has_already_ended_does_not_start(reproduced):
    shell = Clone(reproduced.path, DVC_STAGE="train")
    start = f"{sys.executable} -c '{RUN}(lambda: print(1))' &"
    for command, output in ((f"{start} wait", "1\n"), (start, "")):
        done = shell.run("sh", "-c", command, start_new_session=True)
        assert (done.stdout, done.stderr) == (output, "")
