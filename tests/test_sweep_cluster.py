"""sweep on several machines: workers and schedulers are killed, experiments stay the same."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cloudpickle
import pytest
from distributed import Client, KilledWorker

from classifier.base.files import md5_of_bytes
from classifier.base.run_inputs import record_of, recorded
from classifier.commands.sweep import cluster as sweep_cluster
from classifier.commands.sweep.cluster import local_cluster, outcome_of, run_trials, send_code
from classifier.commands.sweep.experiments import Trial
from classifier.commands.sweep.trial import Commands, Setup
from tests.conftest import Clone
from tests.servers import HERE, ssh_server
from tests.sweeping import Cluster, Swept, documented, living, push_all, wait_until

SETUP = Setup(commit="", refs="refs/exps/ab/cd/", git="", config={}, shared=True, author={})


@pytest.fixture
def cluster(tmp_path: Path):
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_nothing_is_counted_twice(swept, cluster, quick):
    folder = cluster.add_worker(TAKES="60")
    with cluster.sweeping(swept, "train.seed=1,2,3") as sweep:
        wait_until(lambda: swept.runs)
        assert living(folder)
        cluster.kill_worker(0)
        wait_until(lambda: not living(folder))
        started, before = len(swept.runs), set(swept.experiments())
        cluster.add_worker()
        cluster.add_worker()
        output, errors = sweep.communicate(timeout=120)
    assert (sweep.returncode, before) == (0, set()), errors
    assert "3 finished, 0 failed." in output
    assert sorted(swept.runs[started:]) == [f"train 0.001 150 {seed}" for seed in (1, 2, 3)]
    assert_same_as_one_by_one(swept, quick / "clone", [f"train.seed={seed}" for seed in (1, 2, 3)])
    assert_artifacts_are_here(swept)


def assert_same_as_one_by_one(swept: Swept, original: Path, trials: list[str]) -> None:
    """Compare the experiments with those of `dvc exp run`, in a clone that knows none of them."""
    clone = Swept(shutil.copytree(original, swept.path.parent / "serial", symlinks=True))
    for overrides in trials:
        clone.dvc("exp", "run", *(f"--set-param={override}" for override in overrides.split()))
    experiments = swept.experiments()
    assert len(experiments) == len(trials)
    assert sorted(experiments.values()) == sorted(clone.experiments().values())


def assert_artifacts_are_here(swept: Swept) -> None:
    shutil.rmtree(swept.path.parent / "dvc-remote")
    for name in swept.experiments():
        swept.dvc("exp", "apply", name)


@pytest.mark.slow
def test_twelve_real_trials_on_three_machines_one_of_which_is_killed(reproduced, cluster, tmp_path):
    reproduced.copy(tmp_path / "clone")
    swept = Swept(tmp_path / "clone")
    push_all(swept)
    values = product(["crossval.folds=0"], ["5", "10", "15"], ["[4]", "[8]"], ["1", "2"])
    trials = [
        f"{folds} train.epochs={epochs} train.hidden={hidden} train.seed={seed}"
        for folds, epochs, hidden, seed in values
    ]
    folders = [cluster.add_worker() for _ in range(3)]
    overrides = [
        "crossval.folds=0",
        "train.epochs=5,10,15",
        "train.hidden=[4],[8]",
        "train.seed=1,2",
    ]
    with cluster.sweeping(swept, *overrides, metric="evaluation.train.loss") as sweep:
        wait_until(lambda: len(swept.experiments()) >= 3, 300)
        wait_until(lambda: living(folders[0]))
        cluster.kill_worker(0)
        output, errors = sweep.communicate(timeout=900)
    assert sweep.returncode == 0, errors
    assert "12 finished, 0 failed." in output
    assert_same_as_one_by_one(swept, reproduced.path, trials)


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_and_ends_what_runs(swept, cluster):
    folder = cluster.add_worker(TAKES="60")
    with cluster.sweeping(swept, "train.seed=1") as sweep:
        wait_until(lambda: swept.runs)
        cluster.scheduler.kill()
        _, errors = sweep.communicate(timeout=30)
    assert sweep.returncode == 1
    assert errors.splitlines()[-1] == (
        f"error: {cluster.address}: the scheduler is lost; what is finished is kept, "
        "run the same command to continue"
    )
    assert "Traceback" not in errors, errors
    wait_until(lambda: not living(folder))


def test_a_client_that_is_killed_ends_what_runs_elsewhere(swept, cluster):
    folder = cluster.add_worker(TAKES="60")
    with cluster.sweeping(swept, "train.seed=1") as sweep:
        wait_until(lambda: swept.runs)
        sweep.kill()
        wait_until(lambda: not living(folder))
    assert cluster.workers[0].poll() is None


@pytest.mark.slow
def test_the_script_for_ssh(swept, tmp_path):
    script = documented("SSH", "python").replace("/srv/iris/.venv/bin/python", sys.executable)
    with ssh_server(tmp_path) as port:
        login = {"port": port, "known_hosts": None, "client_keys": [str(tmp_path / "key")]}
        script = script.replace("(hosts, ", f"(hosts, connect_options={login}, ")
        for node in ("node1", "node2"):
            script = script.replace(node, HERE)
        (tmp_path / "script.py").write_text(script)
        done = swept.run("python", str(tmp_path / "script.py"))
    assert "3 finished, 0 failed." in done.stdout
    assert len(swept.experiments()) == 3


OTHER = "a was not run with this train.learning_rate; see docs/reproducibility.md"


@pytest.mark.parametrize(
    ("md5", "rate", "words"),
    [("ab", 1e-05, "model: is damaged in the cache"), (md5_of_bytes(b"model"), 2e-05, OTHER)],
)
def test_a_trial_brings_the_code_that_it_runs(tmp_path, md5, rate, words):
    """And reads dvc.lock as DVC does: to YAML 1.1, 1e-05 is a text."""
    send_code()
    record = tmp_path / "clone" / record_of("a")
    record.parent.mkdir(parents=True)
    record.write_text(recorded({"train.learning_rate": 1e-05}, {}))
    (tmp_path / "clone/model").write_text("model")
    params = {"params.yaml": {"train.learning_rate": rate}}
    lock = {"stages": {"a": {"params": params, "outs": [{"path": "model", "md5": md5}]}}}
    (tmp_path / "clone/dvc.lock").write_text(json.dumps(lock))
    sent = cloudpickle.dumps(
        lambda: Commands(tmp_path, cast(Any, None), bool, SETUP).require_recorded()
    )
    there = "import pickle, sys; sys.modules['classifier'] = None; pickle.load(sys.stdin.buffer)()"
    done = subprocess.run([sys.executable, "-c", there], input=sent, capture_output=True)
    assert done.stderr.decode().endswith(f"OSError: {words}\n")


def test_a_trial_that_takes_its_workers_with_it_is_a_failure_of_that_trial():
    error = KilledWorker("sweep-1", SimpleNamespace(address="tcp://10.0.0.11"), 3)
    future = SimpleNamespace(status="error", exception=lambda: error)
    outcome = outcome_of(None, future)
    assert outcome["failed"].startswith("Attempted to run task 'sweep-1' on 4 different workers")
    assert outcome["log"] == ""


def test_an_outcome_that_was_lost_with_its_worker_is_made_again(monkeypatch):
    def end_slowly(name):
        time.sleep(0.5)
        return {"failed": "", "log": name}

    def start(client, trial, _setup):
        return client.submit(end_slowly, trial.name, key=trial.name)

    def lose_the_other(_trial, outcome):
        told.append(outcome["log"])
        if len(told) == 1:
            (other,) = {"first", "second"} - set(told)
            wait_until(lambda: client.futures[other].status == "finished")
            client.sync(next(worker.close for worker in workers.values() if other in worker.data))
            wait_until(lambda: client.futures[other].status == "lost")

    told: list[str] = []
    trials = iter([Trial("first", {}, ()), Trial("second", {}, ())])
    monkeypatch.setattr(sweep_cluster, "submit", start)
    with local_cluster(1) as cluster, Client(cluster) as client:
        cluster.scale(2)
        client.wait_for_workers(2)
        workers = dict(cluster.workers)
        run_trials(
            client, SETUP, partial(next, trials, None), lose_the_other, print, one_by_one=False
        )
    assert sorted(told) == ["first", "second"]


def test_an_error_without_words_is_a_failure():
    future = SimpleNamespace(status="error", exception=MemoryError)
    assert outcome_of(None, future)["failed"] == "MemoryError"


def test_of_two_workers_with_the_same_trial_the_first_counts(tmp_path):
    """git refuses the second push, which is not a failure."""
    shared = Clone(tmp_path)
    shared.git("init", "--quiet", "--bare", "shared")
    setup: Setup = {**SETUP, "git": str(tmp_path / "shared")}
    for name in ("first", "second"):
        clone = Clone(tmp_path / name / "clone")
        clone.path.mkdir(parents=True)
        clone.git("init", "--quiet")
        clone.git("commit", "--quiet", "--allow-empty", "--message", name)
        clone.git("update-ref", "refs/exps/ab/cd/sweep-1", "HEAD")
        with (tmp_path / name / "log").open("w+b") as log:
            Commands(tmp_path / name, log, lambda: True, setup).push("sweep-1")
    pushed = Clone(tmp_path / "shared").git("log", "--format=%s", "refs/exps/ab/cd/sweep-1")
    assert pushed == "first\n"
