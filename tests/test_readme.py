"""The README's commands do what it says, when pasted one after the other."""

import json
import re
import shlex
import sys

import pytest

from tests.conftest import ROOT, Clone

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def outputs(origin: Clone, tmp_path_factory) -> dict[str, str]:
    """The output of every command of the README, run in its order in one shell in a new clone."""
    clone = origin.clone(tmp_path_factory.mktemp("readme") / "clone")
    (clone.path / ".venv").symlink_to(sys.prefix)
    commands = [command for command in COMMANDS if command != "make test"]
    # `make test` is what runs this test.
    script = "\n".join(f"echo @@ {shlex.quote(command)}\n{command}" for command in commands)
    done = clone.run("bash", "-e", "-c", script)
    parts = done.stdout.split("@@ ")[1:]
    return {command: output for command, _, output in (part.partition("\n") for part in parts)}


def test_every_command_is_run(outputs):
    assert set(outputs) == set(COMMANDS) - {"make test"}
    assert {"make repro", "make test"} < set(COMMANDS)


def test_metrics_diff_compares_the_two_commits(outputs):
    assert "train.loss" in outputs["dvc metrics diff HEAD~1"]
    assert "train.epochs" in outputs["dvc params diff HEAD~1"]


def test_the_experiment_is_shown(outputs):
    (shown,) = (output for command, output in outputs.items() if command.startswith("dvc exp show"))
    assert "two-layers" in shown


def test_the_new_clone_has_nothing_to_run(outputs):
    assert "Data and pipelines are up to date." in outputs["dvc repro"]
    assert "Running stage" not in outputs["dvc repro"]


def test_the_row_is_classified(outputs):
    assert outputs["python -m classifier predict 5.1 3.5 1.4 0.2"].startswith("Iris-setosa")


def test_the_numbers_are_those_of_the_committed_metrics():
    train = json.loads((ROOT / "metrics/evaluation.json").read_text())["train"]
    assert f"accuracy is {train['accuracy']:.3f} and loss {train['loss']:.3f}" in README


def test_it_is_short():
    assert len(README.splitlines()) <= 150
