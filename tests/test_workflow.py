"""What people do with the pipeline in git: compare commits, run experiments, share artifacts."""

import json
import shutil
from io import StringIO

import pandas as pd


def test_metrics_diff_shows_what_a_commit_changed(compared):
    changes = json.loads(compared.dvc("metrics", "diff", "HEAD~1", "--json"))
    assert changes["metrics/evaluation.json"]["train.loss"]["diff"] > 0.1
    assert changes["metrics/summary.json"]["accuracy"]["diff"] < -0.1
    assert "train.accuracy" in compared.dvc("metrics", "diff", "HEAD~1")


def test_params_diff_shows_what_was_set(compared):
    (changes,) = json.loads(compared.dvc("params", "diff", "HEAD~1", "--json")).values()
    assert changes["train.epochs"] == {"old": 150, "new": 20, "diff": -130}


def test_plots_diff_lays_learning_curves_and_confusions_over_each_other(compared, tmp_path):
    compared.dvc("plots", "diff", "HEAD~1", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text()
    titles = ("Loss while training", "Accuracy while training", "predictions/train.csv")
    for shown in (*titles, "HEAD~1"):
        assert shown in page
    plots = json.loads(compared.dvc("plots", "diff", "HEAD~1", "--json"))["data"]
    assert {name for name, drawn in plots.items() if drawn} == {
        "metrics/folds.csv", "metrics/history.csv", "Accuracy while training",
        "metrics/predictions/train.csv", "metrics/confusion.csv", "metrics/reliability.csv",
    }  # fmt: skip


def test_going_back_to_earlier_params_runs_no_stage_again(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    clone.git("checkout", "--quiet", "HEAD~1", "params.yaml")
    assert clone.stages_run(clone.dvc("repro")) == []
    but_where_it_was_made = ":!metrics/environment.json"  # which the cache does not know
    diff = ("diff", "HEAD~1", "--stat", "--", "dvc.lock", "metrics", but_where_it_was_made)
    assert clone.git(*diff) == ""


def test_an_experiment_is_run_and_shown(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    clone.dvc("exp", "run", "--name", "quick", "--set-param", "crossval.folds=0")
    shown = pd.read_csv(StringIO(clone.dvc("exp", "show", "--csv")))
    experiment = shown[shown.Experiment == "quick"].iloc[0]
    assert experiment["crossval.folds"] == 0 < experiment["train.accuracy"]


def test_metrics_fit_a_terminal(reproduced):
    assert max(map(len, reproduced.dvc("metrics", "show").splitlines())) <= 120


def test_pushed_artifacts_make_repro_run_nothing_in_a_new_clone(copied, tmp_path):
    copied.dvc("push")
    pulled = copied.clone(tmp_path / "pulled")
    pulled.dvc("pull")
    assert pulled.stages_run(pulled.dvc("repro")) == []
    assert pulled.files() == copied.files()

    shutil.rmtree(pulled.path / ".dvc/cache")
    pulled.dvc("pull")
    assert pulled.stages_run(pulled.dvc("repro")) == []


def test_repro_with_pull_runs_nothing_in_a_clone_without_artifacts(copied, tmp_path):
    copied.dvc("push")
    bare = copied.clone(tmp_path / "bare")
    assert "Data and pipelines are up to date." in bare.dvc("repro", "--pull")
    assert bare.files() == copied.files()


def test_without_artifacts_or_a_remote_repro_runs_every_stage(copied):
    assert copied.stages_run(copied.dvc("repro", "--force", "--dry")) == [
        "fetch", "prepare", "crossval", "train", "evaluate",
    ]  # fmt: skip
    assert copied.stages_run(copied.dvc("repro")) == []
