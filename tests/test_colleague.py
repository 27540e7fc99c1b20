"""Somebody with the URL of the repository gets what was built, in place of building it again."""

import shutil
import sys

import pytest

from tests.conftest import Clone
from tests.sharing import FEATURES, MODEL, PREPARED, RAW, REMOTE, WORKSPACE, Shared, cut_off

ALL = "all artifacts that dvc.lock names are here"


@pytest.fixture
def bare(shared: Shared) -> Shared:
    """A fresh clone beside a remote that has its artifacts."""
    shared.wipe()
    (shared.clone.path / ".dvc/tmp/dvc.lock").unlink()
    return shared


def make(shared: Shared, target: str = "repro") -> tuple[int, str]:
    """Run make in the clone, as if its environment were set up; return exit code and output."""
    shared.clone.run("ln", "-sfn", sys.prefix, ".venv")
    done = shared.clone.run("make", target, check=False)
    return done.returncode, done.stdout + done.stderr


def test_make_pull_brings_all_artifacts(bare):
    code, shown = make(bare, "pull")
    assert (code, shown.splitlines()[-1]) == (0, ALL)
    assert bare.is_well()


def test_make_repro_pulls_rather_than_trains_and_says_so(bare):
    code, shown = make(bare)
    assert code == 0
    assert f"{ALL}, from remote beside\n" in shown
    assert Clone.stages_run(shown) == []
    assert bare.is_well()
    assert ALL not in make(bare)[1], "what has been pulled is not looked for again"


def test_make_repro_pulls_what_a_git_pull_has_brought(compared, tmp_path):
    """The colleague has the artifacts of the commit before, and no model of this one."""
    ours = Shared(compared.copy(tmp_path / "clone"))
    ours.run("push")
    theirs = Shared(ours.clone.clone(tmp_path / "theirs"))
    theirs.clone.git("checkout", "--quiet", "HEAD~1")
    shutil.copytree(ours.clone.path / ".dvc/cache", theirs.clone.path / ".dvc/cache")
    theirs.clone.dvc("checkout")
    theirs.clone.git("checkout", "--quiet", "main")
    shutil.rmtree(theirs.clone.path / ".dvc/cache/runs")
    (theirs.clone.path / ".dvc/cache" / ours.stored(MODEL)).unlink()
    shown = make(theirs)[1]
    assert f"{ALL}, from remote beside\n" in shown
    assert Clone.stages_run(shown) == []
    assert theirs.path(WORKSPACE).read_bytes() == ours.path(WORKSPACE).read_bytes()


def test_without_a_remote_make_repro_runs_the_stages_and_shows_no_error(bare):
    shutil.rmtree(bare.remote)
    (bare.clone.path / "dvc.yaml").write_text(ONE_STAGE)
    (bare.clone.path / "dvc.lock").write_text(ONE_STAGE_LOCK)
    code, shown = make(bare)
    assert code == 0
    assert f"no artifacts pulled: remote beside: there is no folder {bare.remote}/files/md5;" in shown
    assert "error" not in shown.lower()
    assert Clone.stages_run(shown) == ["fetch"]


ONE_STAGE = """stages:
  fetch:
    cmd: cp data/source/iris.data data/raw.csv
    outs: [data/raw.csv]
"""
ONE_STAGE_LOCK = """schema: '2.0'
stages:
  fetch:
    cmd: cp data/source/iris.data data/raw.csv
    outs:
    - path: data/raw.csv
      hash: md5
      md5: 42615765a885ddf54427f12c34a0a070
      size: 4551
"""


def test_what_the_remote_lacks_is_named_and_the_rest_is_brought(bare):
    cut_off(bare.path(REMOTE))
    code, shown = bare.run("pull", "--missing")
    assert code == 0
    assert shown.startswith(f"not on remote beside, or damaged there: {MODEL}; ")
    assert (bare.clone.path / RAW).exists()
    assert not (bare.clone.path / MODEL).exists()


def test_after_a_list_that_leads_out_of_its_folder_no_stage_is_run(bare):
    outside = {"relpath": "../../outside", "md5": bare.md5s[RAW]}
    bare.relist(lambda entries: [*entries, outside])
    code, shown = make(bare)
    assert code == 2, "of make: a command failed"
    assert f"{PREPARED}/: lists '../../outside', which is not a safe path" in shown
    assert "tage '" not in shown
    assert not (bare.clone.path / "outside").exists()
    assert not (bare.clone.path / FEATURES).exists()
