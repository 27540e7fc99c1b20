"""`classifier --help`: what it shows, how soon, and how a shell completes it."""

import re
import statistics
import subprocess
import sys
import time
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from classifier.__main__ import app
from tests.conftest import ROOT, Clone

GROUP: Any = get_command(app)
COMMANDS = sorted(GROUP.commands)
CLASSIFIER = [sys.executable, "-m", "classifier"]
SLOW = {"dvc", "keras", "onnxruntime", "pandas", "rich", "scipy", "tensorflow"}


def test_each_command_is_described_in_full():
    shown = Clone(ROOT, COLUMNS="80").classifier("--help").stdout
    assert sorted(re.findall(r"^  (\w+)  +[A-Z].*\.$", shown, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_examples(command):
    shown = CliRunner().invoke(app, [command, "--help"]).output
    assert f"Examples:\n    classifier {command}" in shown


def test_no_command_imports_what_is_slow_before_it_needs_it():
    told = Clone(ROOT).run(sys.executable, "-X", "importtime", *CLASSIFIER[1:], "--help").stderr
    imported = {line.split("|")[-1].strip() for line in told.splitlines()}
    assert {"classifier.commands.predict", "classifier.commands.sweep.command"} <= imported
    assert not SLOW & imported


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def test_it_starts_about_as_soon_as_dvc():
    """In turn, so that what else the machine does falls on both."""
    turns = [
        (seconds(sys.executable, "-c", "import dvc.repo"), seconds(*CLASSIFIER, "--help"))
        for _ in range(3)
    ]
    dvc, classifier = map(statistics.median, zip(*turns, strict=True))
    assert classifier < 2 * dvc


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("ver", {"verify"}), ("compare --ma", {"--markdown"})],
)
def test_bash_completes_commands_and_options(typed, completed):
    script = f"""
        PATH={sys.prefix}/bin:$PATH
        eval "$(classifier --show-completion)"
        COMP_WORDS=(classifier {typed})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _classifier_completion classifier
        echo "${{COMPREPLY[@]}}"
    """
    assert set(Clone(ROOT).run("bash", "-c", script).stdout.split()) == completed
