"""A file is what dvc.lock says, or one line says why not."""

import sys
from pathlib import Path

import pytest

from classifier.base.errors import UserError
from classifier.lock import md5_of, recorded_md5s, require_recorded
from tests.conftest import ROOT, Clone

HELLO = "5d41402abc4b2a76b9719d911017c592"
LOCK = f"""
schema: '2.0'
stages:
  greet:
    cmd: echo
    outs:
    - path: models/hello
      hash: md5
      md5: {HELLO}
  silent:
    cmd: true
"""


@pytest.fixture
def hello(tmp_path, monkeypatch) -> Path:
    """A file as dvc.lock names it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    Path("models").mkdir()
    Path("models/hello").write_text("hello")
    return Path("models/hello")


def test_the_projects_own_lock_names_its_artifacts():
    recorded = recorded_md5s(ROOT / "dvc.lock")
    assert recorded["data/prepared"].endswith(".dir")
    for path in ("metrics/crossval.json", "metrics/evaluation.json"):
        assert recorded[path] == md5_of(ROOT / path)


def test_the_recorded_bytes_pass(hello):
    assert require_recorded(hello) == hello


@pytest.mark.parametrize("content", ["hallo", "hell", ""])
def test_other_bytes_do_not(hello, content):
    hello.write_text(content)
    with pytest.raises(UserError, match=r"models/hello: is not the file that dvc\.lock"):
        require_recorded(hello)


def test_a_file_that_is_not_named_does_not(hello):
    other = hello.rename("models/other")
    with pytest.raises(UserError, match=r"models/other: dvc\.lock does not name it"):
        require_recorded(other)


@pytest.mark.parametrize(
    "lock",
    [
        "",
        "a: [",
        "stages: 1",
        "stages: {a: {outs: [{path: x}]}}",
        "\0",
        LOCK.replace(HELLO, "0" * 32),
        LOCK.replace(HELLO, "hello"),
    ],
)
def test_a_damaged_lock_is_told(hello, lock):
    Path("dvc.lock").write_text(lock)
    with pytest.raises(UserError, match="is damaged; `git checkout dvc"):
        require_recorded(hello)


def test_a_missing_lock_is_told(hello):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match="no such file; run `dvc repro`"):
        require_recorded(hello)


def test_it_is_quick_to_import():
    imported = Clone(ROOT).run(
        sys.executable, "-c", "import classifier.lock, sys; print(*sys.modules)"
    )
    assert not {"dvc", "numpy", "pydantic"} & set(imported.stdout.split())
