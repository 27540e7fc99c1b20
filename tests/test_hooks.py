"""What git does by itself once `pre-commit install` has been run."""

from pathlib import Path

import pytest

from tests.conftest import Clone


@pytest.fixture
def hooked(compared: Clone, tmp_path: Path) -> Clone:
    """A clone with two commits and the hooks of pre-commit."""
    clone = compared.copy(tmp_path / "clone")
    clone.environment["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit")
    clone.run("pre-commit", "install")
    return clone


def test_a_checkout_brings_the_artifacts_of_the_commit(hooked):
    before = hooked.files()
    hooked.git("checkout", "--quiet", "HEAD~1")
    assert hooked.files() != before
    assert hooked.dvc("status") == "Data and pipelines are up to date.\n"


def test_a_commit_tells_what_has_not_been_reproduced(hooked):
    hooked.edit("params.yaml", "epochs: 20", "epochs: 30")
    done = hooked.run("git", "commit", "--all", "--message", "Train for 30 epochs")
    assert "train.epochs" in done.stdout + done.stderr


def test_code_that_ruff_finds_fault_with_is_not_committed(hooked):
    (hooked.path / "stages/new.py").write_text("import os\na  = 1\n")
    hooked.git("add", "stages/new.py")
    done = hooked.run("git", "commit", "--message", "New", check=False)
    assert done.returncode == 1
    assert "F401" in done.stderr
    assert hooked.read("stages/new.py").endswith("\na = 1\n")
