"""A file is what dvc.lock says, or one line says why not."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from classifier.artifacts import md5_of, recorded_md5s, require_recorded
from classifier.errors import UserError
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


@pytest.fixture
def deadline() -> Iterator[None]:
    """Ends a test that hangs."""

    def end(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)


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
        *("[" * 100_000, "- " * 100_000, "? " * 100_000),
    ],
)
def test_a_damaged_lock_is_told(hello, lock):
    Path("dvc.lock").write_text(lock)
    with pytest.raises(UserError, match="is damaged; `git checkout dvc"):
        require_recorded(hello)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (HELLO, "hello", "the md5 of models/hello is 'hello'"),
        (HELLO, "../" * 10 + "aa", "the md5 of models/hello is '../"),
        (HELLO, f"{HELLO}0", "the md5 of models/hello is "),
        ("models/hello", "../hello", "../hello is not in the project"),
        ("models/hello", "models/../../hello", "models/../../hello is not in the project"),
        ("models/hello", "/hello", "/hello is not in the project"),
    ],
)
def test_an_md5_or_a_path_that_leads_elsewhere_is_named(hello, old, new, words):
    Path("dvc.lock").write_text(LOCK.replace(old, new))
    with pytest.raises(UserError, match=r"dvc\.lock: is damaged: .*; `git checkout dvc") as told:
        require_recorded(hello)
    assert words in str(told.value)


def test_a_lock_that_was_cut_off_is_damaged_or_names_less(tmp_path):
    """As by a kill while DVC writes it. `verify` sees what is not named."""
    lock, whole = tmp_path / "dvc.lock", (ROOT / "dvc.lock").read_text()
    recorded = recorded_md5s(ROOT / "dvc.lock")
    ends = {whole.index(".dir"), *range(0, len(whole), 149)}
    for end in ends | {whole.rindex("\n", 0, end) + 1 for end in ends if end > 100}:
        lock.write_text(whole[:end])
        with suppress(UserError):
            assert recorded_md5s(lock).items() <= recorded.items()


@pytest.mark.parametrize(
    ("stand_in", "kind"),
    [(os.mkfifo, "a FIFO"), (lambda path: path.symlink_to("/dev/zero"), "a d")],
)
@pytest.mark.usefixtures("hello", "deadline")
def test_a_lock_that_is_not_a_file_is_told(stand_in, kind):
    Path("dvc.lock").unlink()
    stand_in(Path("dvc.lock"))
    with pytest.raises(UserError, match=rf"dvc\.lock: is {kind}"):
        recorded_md5s()


def test_a_missing_lock_is_told(hello):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match="no such file; run `dvc repro`"):
        require_recorded(hello)


def test_it_is_quick_to_import():
    imported = Clone(ROOT).run(
        sys.executable, "-c", "import classifier.artifacts, sys; print(*sys.modules)"
    )
    assert not {"dvc", "numpy", "pydantic"} & set(imported.stdout.split())
