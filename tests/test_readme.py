"""The README's commands do what it says, when pasted one after the other."""

import json
import os
import re
import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.conftest import ROOT, Clone
from tests.documents import commands_by_section, paste
from tests.sharing import CLEAN

README = (ROOT / "README.md").read_text()
SECTIONS = commands_by_section("README.md")
FROM_A_URL = SECTIONS.pop("You got a URL")
COMMANDS = [*chain(*SECTIONS.values())]


@pytest.fixture(scope="module")
def ran(reproduced: Clone, once) -> list[list[str]]:
    """Every command of the README with its output, run in one shell, after a `make repro`."""

    def make(folder: Path) -> None:
        clone = reproduced.copy(folder / "clone")
        pasted = paste(clone, [line for line in COMMANDS if line != "make test"])  # it runs this
        (folder / "ran.json").write_text(json.dumps(pasted))

    shown: list[list[str]] = json.loads((once("readme", make) / "ran.json").read_text())
    return shown


def outputs(ran: list[list[str]], start: str) -> list[str]:
    """Return what the commands that start so have written."""
    return [output for command, output in ran if command.startswith(start)]


@pytest.mark.slow
def test_every_command_is_run(ran):
    assert COMMANDS[:2] == ["make repro", "make test"]
    assert [command for command, _ in ran] == COMMANDS[:1] + COMMANDS[2:]


@pytest.mark.slow
def test_diffs_compare_the_two_commits(ran):
    assert "train.loss" in outputs(ran, "dvc metrics diff")[0]
    assert "train.epochs" in outputs(ran, "dvc params diff")[0]


@pytest.mark.slow
def test_the_experiment_is_shown(ran):
    assert "two-layers" in outputs(ran, "dvc exp show")[0]


@pytest.mark.slow
def test_repro_runs_what_the_readme_says(ran):
    run = [Clone.stages_run(output) for output in outputs(ran, "dvc repro")]
    everything = ["fetch", "prepare", "crossval", "train", "evaluate"]
    assert run == [["crossval", "train", "evaluate"], everything, ["evaluate"]]


@pytest.mark.slow
def test_rows_are_classified(ran):
    by_pipe, by_json = outputs(ran, "head -3")[0], outputs(ran, "classifier predict")[0]
    assert len(by_pipe.splitlines()) == 3
    assert json.loads(by_json)["predicted"] == "Adelie"


def test_git_does_not_see_what_a_command_writes():
    [written] = re.findall(r" > (\S+)$", "\n".join(COMMANDS), re.MULTILINE)
    assert Clone(ROOT).git("check-ignore", "--no-index", written) == f"{written}\n"


def test_the_numbers_are_those_of_the_committed_metrics():
    train = json.loads((ROOT / "metrics/evaluation.json").read_text())["train"]
    assert f"| {train['accuracy']:.3f} | {train['loss']:.3f} |" in README
    crossval = json.loads((ROOT / "metrics/crossval.json").read_text())
    shown = [
        "{mean:.3f} ({ci95_low:.3f} to {ci95_high:.3f})".format(**crossval[metric])
        for metric in ("accuracy", "loss")
    ]
    assert f"| {shown[0]} | {shown[1]} |" in README


@pytest.mark.slow
def test_compare_tells_what_fewer_epochs_did(ran):
    (shown,) = outputs(ran, "classifier compare")
    assert "Paired: the same 150 rows in the same folds on both sides." in shown


@pytest.mark.slow
def test_somebody_with_a_url_gets_what_was_pushed_and_predicts(pushed, tmp_path):
    """From an empty folder, by the system's Python; it installs, from the index or uv's cache."""
    (tmp_path / "empty").mkdir()
    empty, ours = Clone(tmp_path / "empty"), str(Path(sys.executable).parent)
    empty.git("clone", "--quiet", "--bare", str(pushed / "clone"), "../iris.git")
    path = [one for one in empty.environment["PATH"].split(os.pathsep) if one != ours]
    empty.environment |= {"PATH": os.pathsep.join(path), "PYTHON": os.path.realpath(sys.executable)}
    for variable in ("http_proxy", "https_proxy", "VIRTUAL_ENV"):
        empty.environment.pop(variable, None)
    assert empty.run("sh", "-c", "! command -v dvc classifier").stdout == ""
    commands = "\n".join(FROM_A_URL).replace("/srv/dvc/iris", str(pushed / "dvc-remote"))
    commands = commands.replace("https://git.example.org/iris.git", str(tmp_path / "iris.git"))
    shown = dict(paste(empty, [*commands.splitlines(), "make repro", "git status --porcelain"]))
    assert shown["make pull"].endswith("all artifacts that dvc.lock names are here\n")
    assert shown["classifier predict 5.1 3.5 1.4 0.2"].startswith("Iris-setosa\n")
    assert shown["classifier verify --remote"] == CLEAN
    assert Clone.stages_run(shown["make repro"]) == []
    assert shown["git status --porcelain"] == ""


def test_it_is_short():
    assert len(README.splitlines()) <= 150
