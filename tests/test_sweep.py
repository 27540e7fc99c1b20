"""sweep: trials on this machine or on a cluster, each of them an experiment, and only once."""

import io
import json
import math
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from distributed import Client
from typer.testing import CliRunner

from classifier.__main__ import app
from classifier.base.errors import UserError
from classifier.base.files import md5_of, md5_of_bytes
from classifier.base.paths import PARAMS
from classifier.base.progress import Progress
from classifier.commands.compare import Change
from classifier.commands.git import of_no_repository
from classifier.commands.sweep import command
from classifier.commands.sweep.cluster import LOOPBACK, local_cluster
from classifier.commands.sweep.command import (
    Results,
    View,
    best_of,
    direction_of,
    to_json,
    to_text,
)
from classifier.commands.sweep.experiments import Baseline, Trial, head
from classifier.commands.sweep.override_syntax import Range, parse_overrides
from classifier.commands.sweep.search import Search
from classifier.commands.sweep.trial import Commands, Setup
from classifier.params import written_params
from classifier.scoring.intervals import Interval
from tests.conftest import ROOT, Clone
from tests.sharing import flip_a_bit
from tests.sweeping import SWEEP, Swept, documented, living, wait_until

GRID = ["-S", "train.learning_rate=0.2,50", "-S", "train.seed=42,7"]


@pytest.fixture(scope="module")
def grid(quick: Path, tmp_path_factory) -> tuple[Swept, "subprocess.CompletedProcess[str]"]:
    """A clone and what a sweep in it has written, two of whose four trials diverge."""
    folder = shutil.copytree(quick, tmp_path_factory.mktemp("grid") / "all", symlinks=True)
    swept = Swept(folder / "clone")
    return swept, swept.sweep(*GRID, "--workers", "1", check=False)


def test_trials_become_experiments_and_the_best_is_compared_with_the_default(grid):
    swept, done = grid
    head, _, best, *_ = done.stdout.splitlines()
    assert head.split() == [
        "experiment", "crossval.accuracy.mean", "95%", "interval", "train.learning_rate",
        "train.seed",
    ]  # fmt: skip
    assert best.split()[0] in swept.experiments()
    assert best.split()[2:] == ["0.1000", "to", "0.9000", "0.2", "42"]
    assert "2 finished, 2 failed. The best of 2 compared with the default, " in done.stdout
    assert "), worse.\nCorrected for having been picked as the best, it is worth 0." in done.stdout
    last = done.stdout.splitlines()[-1]
    assert (
        last == f"`dvc exp apply {best.split()[0]}` adopts the best: its params and its artifacts."
    )
    shown = swept.dvc("exp", "show", "--csv", "--only-changed")
    assert all(name in shown for name in swept.experiments())


@pytest.mark.parametrize(
    ("missing", "swept", "named", "metric"),
    [
        ("impute", ["prepare.group", "prepare.exclude"], ["prepare.group"], "accuracy.mean"),
        ("impute", ["crossval.folds", "crossval.probabilities"], ["crossval.folds"], "loss.mean"),
        ("drop", ["prepare.exclude", "train.seed"], ["prepare.exclude"], "out_of_fold.brier"),
        ("error", ["prepare.exclude", "fetch.timeout"], [], "accuracy.mean"),
    ],
)
def test_that_trials_are_tested_on_other_rows_is_said(monkeypatch, missing, swept, named, metric):
    change = Change("accuracy", 0.5, 0.6, Interval(0.1, 0.05, 0.15))
    best = command.Best(change, 2, None) if metric.endswith("mean") else "It has no error bar."
    monkeypatch.setattr(command, "best_of", lambda _: best)
    baseline = Baseline("a" * 40, {"prepare.missing": missing})
    results = Results(baseline, f"crossval.{metric}", "maximize")
    results.finished["one"] = Trial("one", dict.fromkeys(swept), ()), {f"crossval.{metric}": 1.0}
    said = command.verdict(results)
    assert (f"Because of {', '.join(named)}, trials were tested on" in said) == bool(named)
    assert ("other rows" in said) == bool(named)
    assert json.loads(command.to_json(results))["tested_differently_by"] == named


def test_the_first_line_is_what_trials_are_to_be_better_than(grid):
    swept, done = grid
    first, _, *others = done.stderr.splitlines()
    commit = swept.git("rev-parse", "--short=7", "HEAD").strip()
    assert first.startswith(f"{commit}: crossval.accuracy.mean=0.99")
    assert first.endswith(" (0.1000 to 0.9000), without changes")
    [best] = [line for line in others if line.endswith(", the best so far")]
    assert "(train.learning_rate=0.2 train.seed=42): crossval.accuracy.mean=0.7" in best


def test_the_first_line_says_if_the_metrics_of_the_commit_are_of_another_run(monkeypatch):
    monkeypatch.setattr(Baseline, "not_reproduced", lambda *_: ["train.epochs"])
    monkeypatch.setattr("classifier.commands.revisions.metrics_of", lambda _: {"a.b": 0.5})
    said = Results(BASELINE, "a.b", "maximize").of_commit()
    assert said.endswith(
        ": a.b=0.5000, without changes; but these metrics are of another train.epochs"
    )


def test_an_interval_is_of_the_metric_or_not_told():
    ends = {"ci95_low": 0.1, "ci95_high": 0.3}
    of_mean = {f"crossval.accuracy.{key}": value for key, value in ends.items()}
    of_gain = {f"crossval.beside.majority.loss.{key}": value for key, value in ends.items()}
    of_gain["crossval.beside.majority.loss.difference"] = 0.2
    assert command.interval_of("crossval.accuracy.mean", of_mean | of_gain) == (0.1, 0.3)
    assert command.interval_of("crossval.beside.majority.loss.mean", of_mean | of_gain) is None


def test_metrics_that_the_lock_of_the_commit_does_not_name_are_of_another_run(copied, monkeypatch):
    monkeypatch.chdir(copied.path)
    assert head().not_reproduced("crossval.accuracy.mean") == []
    copied.edit("metrics/crossval.json", '"models": 100', '"models": 99')
    copied.commit("Another cross-validation")
    assert head().not_reproduced("crossval.accuracy.mean") == ["run"]
    assert head().not_reproduced("evaluation.train.loss") == []


def test_the_best_in_the_progress_names_its_metric(monkeypatch):
    results = Results(BASELINE, "crossval.loss.mean", "minimize")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Progress(desc="sweep", total=2, unit="trial") as bar:
        View(bar, results).show(2)
        assert bar.postfix == "running=2, failed=0, best crossval.loss.mean=-"
        results.finished["one"] = BASELINE.trial({"train.seed": "1"}), {results.metric: 0.5}
        View(bar, results).show(1)
        assert bar.postfix == "running=1, failed=0, best crossval.loss.mean=0.5000"


def test_a_trial_that_fails_says_why_and_stops_no_other(grid):
    swept, done = grid
    assert done.returncode == 1
    assert done.stderr.count("(train.learning_rate=50 train.seed=") == 2
    assert "\n  error: training diverged\n" in done.stderr
    assert "Dask's dashboard: http://127.0.0.1:" in done.stderr
    logs = list((swept.path / ".dvc/tmp/sweep").glob("sweep-*.log"))
    assert len(logs) == 4
    assert sum("error: training diverged" in log.read_text() for log in logs) == 2


def test_trials_share_what_a_stage_does_not_see(grid):
    swept, _ = grid
    assert [run for run in swept.runs if run.startswith("crossval 0.2")] == ["crossval 0.2 150 42"]
    assert {run for run in swept.runs if run.startswith("train 0.2")} == {
        "train 0.2 150 42", "train 0.2 150 7",
    }  # fmt: skip


def test_nothing_but_the_experiments_is_left(grid):
    swept, _ = grid
    assert swept.git("status", "--porcelain") == ""
    assert list((swept.path / ".dvc/tmp/sweep").rglob("clone")) == []


def test_on_this_machine_nobody_else_can_connect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(listening())
    with local_cluster(2) as cluster, Client(cluster):
        assert {address.ip for address in set(listening()) - before} == {LOOPBACK}


def listening() -> list[Any]:
    """Return the addresses on which this process listens."""
    connections = psutil.Process().net_connections()
    return [one.laddr for one in connections if one.status == psutil.CONN_LISTEN]


@pytest.fixture
def again(grid, tmp_path: Path) -> Swept:
    """A copy of the clone with the experiments of the grid, to sweep in again."""
    folder = shutil.copytree(grid[0].path.parent, tmp_path / "all", symlinks=True)
    return Swept(folder / "clone")


def test_a_sweep_goes_on_where_it_was(again):
    before = again.experiments()
    rates = ["-S", "train.learning_rate=0.2,0.001", "-S", "train.seed=42"]
    found = json.loads(again.sweep(*rates, "--json").stdout)
    assert again.runs == []  # 0.001 is the default
    default, first = found["finished"]
    assert [one["params"]["train.learning_rate"] for one in (default, first)] == [0.001, 0.2]
    assert first["experiment"] in before
    assert before.items() < again.experiments().items()
    best = found["best_against_default"]
    assert (best["verdict"], best["comparisons"]) == ("no more than noise", 2)
    assert best["worth"] == pytest.approx(default["metrics"][found["metric"]], abs=0.02)
    again.dvc("exp", "apply", first["experiment"])
    assert "learning_rate: 0.2\n" in again.read("params.yaml").partition("train:")[2]
    assert again.read("models/model.txt").startswith("0.2 ")


def test_a_search_goes_on_where_it_was(swept):
    space = ["-S", "train.learning_rate=loguniform(1e-4,1e-1)", "-S", "train.epochs=50"]
    options = ["--metric", "evaluation.train.loss", "--json"]
    first = json.loads(swept.sweep(*space, "--trials", "1", *options).stdout)["finished"]
    more = json.loads(swept.sweep(*space, "--trials", "2", *options).stdout)["finished"]
    assert len([run for run in swept.runs if run.startswith("train")]) == 1
    assert all(trial in more for trial in first)
    losses = [trial["metrics"]["evaluation.train.loss"] for trial in more]
    assert losses == sorted(losses)
    assert len({trial["params"]["train.learning_rate"] for trial in more}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_what_runs_and_keep_what_is_finished(swept, number):
    swept.sweep("-S", "train.seed=1")
    swept.environment["TAKES"] = "60"
    with swept.sweeping(*SWEEP, "-S", "train.seed=1,2", "--workers", "1") as sweep:
        wait_until(lambda: swept.runs)
        sweep.send_signal(number)
        _, errors = sweep.communicate(timeout=20)
    assert sweep.returncode == 130
    assert errors.splitlines()[-1] == "1 of 2 are finished; run the same command to continue"
    assert living(swept.path) == []
    assert len(swept.experiments()) == 1


@pytest.mark.slow
def test_the_documented_sweeps(swept):
    grid, search, show = documented("Sweeps").splitlines()[1:]
    assert "6 finished, 0 failed." in swept.run("sh", "-c", grid).stdout
    found = swept.run("sh", "-c", search.replace("--trials 30", "--trials 4")).stdout
    assert "4 finished, 0 failed." in found  # of which the grid had two
    assert len(swept.experiments()) == 8
    assert all(name in swept.run("sh", "-c", show).stdout for name in swept.experiments())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-S", "train.epoch=1"], "train.epoch: unknown param, did you mean train.epochs?"),
        (["-S", "x=1"], "x: unknown param; see params.yaml"),
        (["-S", "train.epochs"], "train.epochs: expected train.epochs=VALUE"),
        (["-S", "train.epochs=1", "-S", "train.epochs=2"], "train.epochs: is given twice"),
        (["-S", "train.epochs=range(5,5)"], "train.epochs=range(5,5): no value is in this range"),
        (["-S", "train.epochs=uniform(1,9)"],
         "train.epochs: is a range; --trials says how many values to try"),
        (["-S", "train.epochs=1,2", "--trials", "2"],
         "--trials: no param has a range to search, such as loguniform(1e-4,1e-1)"),
        (["-S", "train.epochs=uniform(9,1)", "--trials", "2"],
         "train.epochs=uniform(9,1): expected two numbers, the lower one first"),
        (["-S", "train.epochs=loguniform(0,1)", "--trials", "2"],
         "train.epochs=loguniform(0,1): expected two numbers, the lower one first, above 0"),
        (["-S", "train.epochs=uniform(a,1)", "--trials", "2"],
         "train.epochs=uniform(a,1): expected two numbers"),
        (["-S", "train.epochs=uniform(1.5,9)", "--trials", "2"],
         "train.epochs: expected a range of whole numbers"),
        (["-S", "train.optimizer=uniform(1,9)", "--trials", "2"],
         "train.optimizer: is not a number, so a range cannot be searched"),
        (["-S", "train.learning_rate=uniform(0,inf)", "--trials", "2"],
         "train.learning_rate=uniform(0,inf): expected two numbers, the lower one first"),
        (["-S", "train.epochs=2.0,3"], "train.epochs=2.0: expected whole numbers"),
        (["-S", "train.hidden=[8.0]"], "train.hidden=[8.0]: expected whole numbers"),
        (["-S", "train.patience=false"], "train.patience=False: expected whole numbers"),
        (["-S", "train.hidden=[8"], "train.hidden=[8: no viable alternative at input '[8'"),
        (["-S", "train.epochs=uniform(1)"],
         "train.epochs=uniform(1): while evaluating 'uniform(1)': Unknown function 'uniform'"),
        (["-S", "train.seed=1", "--metric", "crossval.acuracy.mean"],
         "crossval.acuracy.mean: unknown metric, did you mean crossval.accuracy.mean?"),
        (["-S", "train.seed=1", "--metric", "crossval.accuracy"],
         "crossval.accuracy: unknown metric, did you mean crossval.accuracy.mean?"),
        (["-S", "crossval.folds=0,5"],
         "crossval.accuracy.mean: none with crossval.folds=0; choose another --metric"),
        (["-S", "train.epochs=5,0"],
         "params.yaml with train.epochs=0: train.epochs: 0: should be greater than or equal to 1"),
        (["-S", "train.hidden=[8],[8,0]", "-S", "train.seed=1"],
         "params.yaml with train.hidden=[8,0] train.seed=1: train.hidden.1: 0: should be greater"),
        (["-S", "train.patience=5", "-S", "train.validation_fraction=0.2,0.0"],
         "params.yaml with train.patience=5 train.validation_fraction=0.0: train: patience needs"),
        (["-S", "train.learning_rate=loguniform(1,1000)", "--trials", "2"],
         "params.yaml with train.learning_rate=1000.0: train.learning_rate: 1000.0: "),
        (["-S", "train.scale=standard,none,nome", "-S", "train.seed=uniform(1,9)", "--trials", "2"],
         "params.yaml with train.scale=nome train.seed=1: train.scale: 'nome': "),
        (["-S", "train.seed=1", "--scheduler", "nowhere://x"],
         "nowhere://x: no Dask scheduler answers at this address"),
        (["-S", "train.seed=1", "--git-remote", "nowhere"], "git "),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_one_line_before_anything_runs(
    quick, monkeypatch, arguments, words
):
    monkeypatch.chdir(quick / "clone")
    with pytest.raises(UserError) as raised:
        CliRunner().invoke(app, ["sweep", *arguments], catch_exceptions=False)
    assert str(raised.value).startswith(words)


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("params.yaml", "train: [", "line 2: not valid YAML: did not find expected node content"),
        ("params.yaml", "train", "the file: 'train': should hold the keys fetch, prepare, .*"),
        ("params.yaml", "train: {}", "fetch: missing"),
        ("metrics/crossval.json", "{", "is damaged"),
    ],
)
def test_a_commit_that_is_damaged_is_one_line(swept, monkeypatch, path, content, words):
    (swept.path / path).write_text(content)
    swept.commit("Damaged")
    monkeypatch.chdir(swept.path)
    with pytest.raises(UserError, match=f"^{path} of .*: {words}$"):
        CliRunner().invoke(app, ["sweep", "-S", "train.seed=1"], catch_exceptions=False)


FOLDER = """
if stage == "prepare":
    os.mkdir("data/folder")
    open("data/folder/rows", "w").write("whole")
assert open("data/folder/rows").read() == "whole"
"""


def test_what_is_damaged_on_the_remote_is_made_anew_by_a_trial(swept):
    """Also where its configuration does not ask for that."""
    swept.edit(".dvc/config", "    verify = true\n", "")
    (swept.path / "stage.py").write_text(swept.read("stage.py") + FOLDER)
    swept.edit("dvc.yaml", "outs: [data/prepared.txt]", "outs: [data/prepared.txt, data/folder]")
    swept.dvc("repro")
    swept.commit("A folder of rows")
    swept.git("push", "--quiet", "origin", "main")
    swept.dvc("push")
    md5 = md5_of(swept.path / "data/folder/rows")
    flip_a_bit(swept.path.parent / "dvc-remote/files/md5" / md5[:2] / md5[2:])
    done = swept.sweep("-S", "train.seed=1", "--git-remote", "origin")
    assert "1 finished, 0 failed." in done.stdout, done.stderr
    assert swept.runs == ["prepare 0.001 150 1", "train 0.001 150 1"]


def test_a_damaged_cache_is_not_swept_with(copied, monkeypatch):
    monkeypatch.chdir(copied.path)
    md5 = md5_of(Path("models/classifier.onnx"))
    flip_a_bit(Path(".dvc/cache/files/md5", md5[:2], md5[2:]))
    with pytest.raises(UserError, match=r": damaged \(cache\), so trials would be too; run"):
        CliRunner().invoke(app, ["sweep", "-S", "train.seed=1"], catch_exceptions=False)


def test_a_trial_that_the_cache_gave_damaged_artifacts_fails(swept):
    swept.sweep("-S", "train.seed=1")
    (trial,) = swept.experiments()
    swept.dvc("exp", "remove", trial)
    model = b"0.001 150 1"
    object_of = (
        swept.path / ".dvc/cache/files/md5" / md5_of_bytes(model)[:2] / md5_of_bytes(model)[2:]
    )
    flip_a_bit(object_of)
    done = swept.sweep("-S", "train.seed=1", check=False)
    assert "models/model.txt: is damaged in the cache" in done.stdout + done.stderr
    assert (done.returncode, swept.runs, swept.experiments()) == (1, [], {})


def test_a_project_in_a_folder_of_a_repository_is_not_swept(origin, monkeypatch):
    monkeypatch.chdir(origin.path / "data")
    with pytest.raises(UserError, match="sweeps need a git repository of the project's own, it is"):
        head()


def test_a_trial_works_in_no_repository_but_its_own(monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/somewhere/.git")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -4")
    environment = of_no_repository()
    assert "GIT_DIR" not in environment
    assert environment["GIT_SSH_COMMAND"] == "ssh -4"


def test_a_trial_runs_in_a_folder_of_any_name(tmp_path):
    scratch = tmp_path / "\u00fcn\u00ef/trial"
    (scratch / "clone/.dvc").mkdir(parents=True)
    setup = {"author": {}, "config": {"core": {"remote": "\u00fc"}}}
    with (tmp_path / "log").open("w+b") as log:
        Commands(scratch, log, lambda: True, cast(Setup, setup)).write_config()
    assert "\u00fcn\u00ef/cache" in (scratch / "clone/.dvc/config.local").read_text("utf-8")


def test_a_commit_that_is_not_pushed_cannot_be_swept_elsewhere(swept, monkeypatch):
    swept.git("commit", "--quiet", "--allow-empty", "--message", "Not pushed")
    monkeypatch.chdir(swept.path)
    arguments = ["sweep", "-S", "train.seed=1", "--git-remote", "origin"]
    with pytest.raises(UserError, match=r"^origin: does not have the commit \w+; `git push` it"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_experiments_of_others_come_and_replace_none(swept, monkeypatch):
    monkeypatch.chdir(swept.path)
    baseline, remote = head(), Clone(swept.path.parent / "origin.git")
    for clone, names in ((remote, ["sweep-1", "sweep-2"]), (swept, ["sweep-1"])):
        commit = clone.git(
            "commit-tree",
            "-p",
            baseline.commit,
            "-m",
            clone.path.name,
            f"{baseline.commit}^{{tree}}",
        )
        for name in names:
            clone.git("update-ref", f"{baseline.refs}{name}", commit.strip())
    mine = baseline.experiments()
    baseline.fetch("origin")
    assert mine.keys() == {"sweep-1"}
    assert baseline.experiments().keys() == {"sweep-1", "sweep-2"}
    assert baseline.experiments()["sweep-1"] == mine["sweep-1"]


def test_a_git_remote_that_does_not_answer_is_asked_again(swept, monkeypatch, capsys):
    monkeypatch.chdir(swept.path)
    remote = swept.path.parent / "origin.git"
    away = remote.rename(remote.with_name("away"))
    monkeypatch.setattr("time.sleep", lambda _: away.rename(remote))
    head().fetch("origin")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("git ls-remote: ")
    assert said[0].endswith("; trying again in 1 s")


def test_what_is_not_committed_is_told(swept, monkeypatch):
    swept.edit("params.yaml", "epochs: 150", "epochs: 100")
    (swept.path / "data/new.csv").touch()
    swept.git("config", "status.showUntrackedFiles", "no")
    monkeypatch.chdir(swept.path)
    told = CliRunner().invoke(app, ["sweep", "-S", "x=1"]).stderr
    assert told == "not committed, so not in the trials: params.yaml, data/new.csv\n"


def test_tables_that_git_does_not_see_change_are_told(copied, monkeypatch):
    for name in ("added", "same"):
        table = copied.path / f"data/source/{name}.csv"
        table.write_text("x,y\n1,p\n")
        copied.run("dvc", "add", "--quiet", f"data/source/{name}.csv")
    (copied.path / ".git/info/exclude").write_text("hidden.csv\n")
    (copied.path / "data/test_sets/hidden.csv").write_text("x,y\n1,p\n")
    copied.commit("Add tables")
    (copied.path / "data/source/added.csv").write_text("x,y\n2,q\n")
    monkeypatch.chdir(copied.path)
    told = CliRunner().invoke(app, ["sweep", "-S", "x=1"]).stderr
    changed = "data/source/added.csv, data/test_sets/hidden.csv"
    assert told.splitlines()[0] == f"not committed, so not in the trials: {changed}"


def test_a_default_that_was_not_reproduced_is_not_compared_with(again, monkeypatch):
    again.edit("params.yaml", "epochs: 150", "epochs: 100")
    again.commit("Not reproduced")
    commit = again.git("rev-parse", "--short=7", "HEAD").strip()
    monkeypatch.chdir(again.path)
    results = Results(head(), "crossval.accuracy.mean", "maximize")
    results.finished["any"] = Trial(min(again.experiments()), {}, ()), {results.metric: 1}
    why = f"No comparison with the default: the metrics in {commit} are of another train.epochs."
    assert best_of(results) == why
    assert json.loads(to_json(results))["not_compared"] == why


def test_params_of_train_alone_concern_what_its_model_got_and_not_the_folds(again, monkeypatch):
    again.edit("params.yaml", "activation: relu", "activation: tanh")
    again.commit("Not reproduced")
    monkeypatch.chdir(again.path)
    assert head().not_reproduced("evaluation.test.accuracy") == ["train.activation"]
    assert head().not_reproduced("crossval.accuracy.mean") == []


def test_what_was_found_is_told_even_if_artifacts_do_not_come(swept):
    arguments = ["-S", "train.seed=1", "--git-remote", "origin"]
    swept.sweep(*arguments)
    shutil.rmtree(swept.path / ".dvc/cache/files")
    shutil.rmtree(swept.path.parent / "dvc-remote")
    (swept.path.parent / "dvc-remote").write_text("no folder")
    done = swept.sweep(*arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: not all artifacts came: ")
    assert "1 finished, 0 failed." in done.stdout


def test_a_trial_whose_artifacts_do_not_come_back_is_told(swept):
    """DVC says in a warning what its remote lacks, and that all has come."""
    arguments = ["-S", "train.seed=1,2", "--git-remote", "origin"]
    assert "error" not in swept.sweep(*arguments).stderr
    model = md5_of_bytes(b"0.001 150 2")
    for store in (".dvc/cache", "../dvc-remote"):
        (swept.path / store / "files/md5" / model[:2] / model[2:]).unlink()
    done = swept.sweep(*arguments, check=False)
    assert done.returncode == 1
    assert "2 finished, 0 failed." in done.stdout
    assert re.fullmatch(
        r"error: not all artifacts came: models/model.txt of sweep-\w+: missing; try again",
        done.stderr.splitlines()[-1],
    )


def test_without_the_packages_it_says_how_to_install_them(swept, monkeypatch):
    monkeypatch.chdir(swept.path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "classifier.commands.sweep.cluster", raising=False)
    with pytest.raises(UserError, match="--extra sweep"):
        CliRunner().invoke(app, ["sweep", "-S", "train.seed=1"], catch_exceptions=False)


BASELINE = Baseline("c" * 40, written_params((ROOT / PARAMS).read_bytes(), str(PARAMS)))


def test_a_name_is_of_what_differs_from_the_commit():
    def name(**texts: str) -> str:
        return BASELINE.trial({f"train.{key}": text for key, text in texts.items()}).name

    assert name(epochs="50", seed="7") == name(seed="7", epochs="50")
    assert (
        name(epochs="50") == name(epochs="50", seed="42") == name(learning_rate="1e-3", epochs="50")
    )
    assert name(learning_rate="1") == name(learning_rate="1.0")
    assert len({name(), name(epochs="50"), name(epochs="51"), name(seed="50")}) == 4
    other = Baseline("d" * 40, BASELINE.params)
    assert other.trial({"train.epochs": "50"}).name != name(epochs="50")


def test_overrides_are_those_of_dvc():
    assert parse_overrides([
        "train.learning_rate=0.001,3e-3", "train.epochs=range(50,200,50)",
        "params.yaml:train.hidden=[8],[8,8]", "train.batch_size=uniform(5, 50)",
    ]) == {
        "train.learning_rate": ["0.001", "0.003"], "train.epochs": ["50", "100", "150"],
        "train.hidden": ["[8]", "[8,8]"], "train.batch_size": Range(5, 50, log=False),
    }  # fmt: skip


def search(override: str, wanted: int, known: Sequence[tuple[dict[str, Any], float | None]] = ()):
    return Search(parse_overrides([override]), BASELINE, "minimize", wanted, known)


def test_a_search_comes_close_to_the_best():
    searched, rates = search("train.learning_rate=loguniform(1e-5,1)", 40), []
    while trial := searched.ask():
        rates.append(trial.params["train.learning_rate"])
        searched.tell(trial, abs(math.log10(rates[-1]) + 2))
    assert len(rates) == 40
    assert any(0.008 < rate < 0.012 for rate in rates)
    assert all(float(f"{rate:.6g}") == rate for rate in rates)


def test_a_search_of_whole_numbers_ends_when_all_are_tried():
    searched, epochs = search("train.epochs=uniform(3,6)", 10), []
    while trial := searched.ask():
        epochs.append(trial.params["train.epochs"])
        searched.tell(trial, None if epochs[-1] == 4 else 1.0)
    assert sorted(epochs) == [3, 4, 5, 6]


def test_only_experiments_in_the_space_count():
    inside, outside = ({**BASELINE.params, "train.epochs": epochs} for epochs in (5, 9))
    elsewhere = {**BASELINE.params, "train.epochs": 4, "train.seed": 7}
    known = [(inside, 1.0), (outside, 1.0), (elsewhere, 1.0)]
    assert len(search("train.epochs=uniform(3,6)", 10, known).trials) == 1


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_an_experiment_whose_metric_is_no_number_counts_all_the_same(value):
    searched = search(
        "train.epochs=uniform(5,6)", 2, [({**BASELINE.params, "train.epochs": 5}, value)]
    )
    trial = searched.ask()
    assert trial
    assert trial.params == {"train.epochs": 6}


def test_trials_without_the_metric_are_told_in_every_form():
    results = Results(BASELINE, "evaluation.test.loss", "minimize")
    for epochs, metrics in ((3, {results.metric: 0.5}), (4, {}), (5, {results.metric: math.nan})):
        trial = BASELINE.trial({"train.epochs": str(epochs)})
        results.finished[trial.name] = trial, metrics
    assert "3 finished, 2 of them without evaluation.test.loss, 0 failed. " in to_text(results)
    found = json.loads(to_json(results))
    assert [trial["params"] for trial in found["finished"]] == [{"train.epochs": 3}]
    without = [trial["params"] for trial in found["without_metric"]]
    assert without == [{"train.epochs": 4}, {"train.epochs": 5}]


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("crossval.accuracy.mean", "maximize"),
        ("crossval.loss.mean", "minimize"),
        ("evaluation.train.loss", "minimize"),
        ("crossval.accuracy.std", "minimize"),
        ("evaluation.train.per_class.setosa.f1", "maximize"),
        ("evaluation.train.per_class.loss.f1", "maximize"),
        ("evaluation.std.accuracy", "maximize"),
        ("crossval.per_class.loss.recall", "maximize"),
        ("crossval.beside.one_network.accuracy.std_on_fold", "minimize"),
        ("crossval.beside.shipped.loss.ci95_high", "minimize"),
    ],
)
def test_the_direction_is_that_of_the_metric(metric, direction):
    assert direction_of(metric) == direction
