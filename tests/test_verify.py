"""verify: every damaged, missing or changed file is found, and brought back from any good copy."""

import contextlib
import functools
import itertools
import shutil
import signal
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dvc.repo import Repo
from dvc.rwlock import rwlock

from tests import servers
from tests.sharing import (
    CACHE,
    CLEAN,
    DAMAGE,
    MODEL,
    PLACES,
    SCHEMA,
    WORKSPACE,
    cut_off,
    flip_a_bit,
)


def test_nothing_is_wrong_after_a_push(shared):
    assert shared.verify() == (0, CLEAN)
    assert shared.is_well()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("file", "lost"),
    [(MODEL, "a bit"), (MODEL, "the end"), (SCHEMA, "a bit"), (SCHEMA, "the file")],
)
def test_what_is_lost_in_one_place_is_found_and_repaired(shared, place, lost, file):
    DAMAGE[lost](shared.path(place, file))
    wrong = "missing" if lost == "the file" else "changed" if place == WORKSPACE else "damaged"
    counted = "14 files: 1 missing, damaged or changed"
    assert shared.verify("--remote") == (1, f"{file}: {wrong} ({place})\n{counted}\n")
    code, shown = shared.verify("--remote", "--repair")
    assert code == 0
    assert shown.startswith(f"{file}: {wrong} ({place}): repaired\n")
    assert shown.endswith(f"{counted}, 1 repaired\n")
    assert shared.is_well()


def test_dvc_itself_does_not_see_a_flipped_bit(shared):
    shared.clone.dvc("status")
    flip_a_bit(shared.path(WORKSPACE))
    flip_a_bit(shared.path(CACHE))
    assert "up to date" in shared.clone.dvc("status")
    assert shared.verify()[0] == 1


@pytest.mark.parametrize(("good", "lost"), [*zip(PLACES, DAMAGE, strict=True)])
def test_one_good_copy_is_enough(shared, good, lost):
    for place in PLACES:
        if place != good:
            DAMAGE[lost](shared.path(place))
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.is_well()


@pytest.mark.parametrize("place", PLACES[1:])
def test_the_list_of_a_folder_is_repaired(shared, place):
    cut_off(shared.path(place, "data/prepared"))
    assert f"data/prepared/: damaged ({place})\n" in shared.verify("--remote")[1]
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.is_well()


def test_the_list_of_a_folder_is_made_from_its_files(shared):
    shared.clone.edit("params.yaml", "test_size: 0.0", "test_size: 0.5")  # prepare cannot make it
    shared.path(CACHE, "data/prepared").unlink()
    assert shared.verify()[1].startswith("data/prepared/: missing (cache)\n14 files: 1 missing")
    assert shared.verify("--repair")[0] == 0
    assert shared.is_well()


def test_without_a_good_copy_the_stage_makes_it_again(shared):
    """Of the folder not even the list is left; what train has made is lost with its input."""
    for file in ("data/prepared", "data/prepared/train/features.npy", MODEL):
        for place in PLACES:
            if (path := shared.path(place, file)).is_file():
                cut_off(path)
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.verify("--remote") == (0, CLEAN)
    assert shared.clone.files() == shared.before
    assert not list((shared.clone.path / ".dvc/tmp").glob("rerun-*"))


def test_what_no_longer_can_be_made_is_left_as_it_is(shared):
    shared.clone.edit("params.yaml", "epochs: 150", "epochs: 3")
    for place in PLACES:
        cut_off(shared.path(place))
    before = shared.clone.files()
    code, shown = shared.verify("--remote", "--repair")
    assert code == 1
    assert "train: cannot be rerun: its inputs are not those that dvc.lock names\n" in shown
    assert (
        f"{MODEL}: damaged (cache), changed (workspace), damaged (remote beside): not rep" in shown
    )
    assert shared.clone.files() == before


def test_what_somebody_has_changed_in_the_workspace_is_kept(shared):
    for file in (MODEL, "metrics/evaluation.json", "data/prepared/notes.txt"):
        (shared.clone.path / file).write_text("mine")
    code, shown = shared.verify("--repair")
    assert (code, shown.count(": repaired\n")) == (0, 3)
    assert "data/prepared/notes.txt: not in dvc.lock (workspace): repaired\n" in shown
    [kept] = [line.split()[-1] for line in shown.splitlines() if "is kept in" in line]
    folder = shared.clone.path / kept
    assert [path.read_text() for path in folder.rglob("*") if path.is_file()] == ["mine"] * 3
    assert shared.is_well()


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_damage_through_a_link_is_repaired_from_the_remote(shared, link):
    shared.clone.dvc("config", "--local", "cache.type", link)
    shared.clone.dvc("checkout", "--relink")
    flip_a_bit(shared.path(WORKSPACE))
    assert f"{MODEL}: damaged (cache), changed (workspace)\n" in shared.verify()[1]
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.path(WORKSPACE).samefile(shared.path(CACHE))
    assert shared.is_well()


def test_the_same_bytes_under_two_names_are_brought_back_once(shared):
    twin = shared.clone.path / "metrics/predictions/twin.csv"
    shutil.copy(shared.clone.path / "metrics/predictions/train.csv", twin)
    shared.dvc("commit", "--force")
    cut_off(shared.path(CACHE, "metrics/predictions/train.csv"))
    code, shown = shared.verify("--repair")
    assert (code, shown.count(": repaired\n"), "error" in shown) == (0, 2, False)
    assert shared.verify()[0] == 0


def test_a_damaged_git_tracked_metric_comes_from_git(shared):
    cut_off(shared.path(WORKSPACE, "metrics/crossval.json"))
    shared.clone.edit("params.yaml", "folds: 10", "folds: 2")
    assert shared.verify("--repair")[0] == 0
    assert shared.clone.files() == shared.before


@pytest.mark.parametrize(
    ("break_it", "arguments", "words"),
    [
        (lambda clone: (clone.path / "dvc.lock").unlink(), [], "dvc.lock: no such file"),
        (lambda clone: (clone.path / "dvc.lock").write_text("a"), [], "dvc.lock: is damaged"),
        (lambda clone: shutil.rmtree(clone.path / ".dvc"), [], "not inside of a DVC repository"),
        (lambda clone: (clone.path / "dvc.lock").write_text(
            clone.read("dvc.lock").partition("  evaluate:")[0]),
         [], "dvc.lock: does not name metrics/"),
        (lambda clone: shutil.rmtree(clone.path.parent / "dvc-remote"), ["--remote"],
         "remote beside: there is no folder "),
        (lambda clone: clone.dvc("remote", "modify", "beside", "url", str(clone.path / "Makefile")),
         ["--remote"], "remote beside: there is no folder "),
        (lambda _: None, ["--name", "nosuch"], "remote 'nosuch' doesn't exist"),
        (lambda clone: clone.dvc("remote", "default", "--unset"), ["--remote"], "no remote spec"),
        (lambda clone: clone.dvc("remote", "modify", "beside", "url", "http://127.0.0.1:9"),
         ["--remote"], "remote beside: "),
        (lambda clone: clone.dvc("remote", "modify", "beside", "url", "gs://bucket/there"),
         ["--remote"], "dvc-gs"),
    ],
)  # fmt: skip
def test_where_it_cannot_look_is_one_line_and_exit_code_2(shared, break_it, arguments, words):
    break_it(shared.clone)
    command = ["python", "-m", "classifier", "verify", *arguments]
    done = shared.clone.run(*command, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")
    assert words in done.stderr


def test_it_waits_for_no_other_dvc(shared):
    with Repo(str(shared.clone.path)).lock:
        code, shown = shared.verify()
    assert code == 2
    assert "Unable to acquire lock" in shown


def test_it_does_not_touch_what_a_stage_is_writing(shared):
    """While a stage runs, DVC holds this lock and not the other one."""
    with Repo(str(shared.clone.path)) as repo:
        model = str(shared.clone.path / MODEL)
        with rwlock(repo.tmp_dir, repo.fs, "dvc repro", [], [model], False):
            command = ["python", "-m", "classifier", "verify", "--repair"]
            done = shared.clone.run(*command, check=False)
    assert done.returncode == 2
    assert "is busy" in done.stderr


def test_a_damaged_cache_is_not_pushed(shared):
    flip_a_bit(shared.path(CACHE))
    shutil.rmtree(shared.remote)
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(f"{MODEL}: damaged (cache)\nnothing was pushed;")
    assert not list(shared.remote.rglob("files/md5/*/*"))


class Trickle(SimpleHTTPRequestHandler):
    """Answers with a file that takes longer than anybody waits."""

    def do_GET(self) -> None:
        super().do_HEAD()
        if "files/md5" not in self.path:
            return
        with contextlib.suppress(OSError):
            for sent in itertools.count():
                self.wfile.write(b"x")
                if sent == 50:
                    self.asked.set()
                if self.ended.wait(0.02):
                    break

    asked, ended = threading.Event(), threading.Event()


def test_ctrl_c_ends_a_long_download_at_once(shared):
    handler = functools.partial(Trickle, directory=str(shared.remote))
    with servers.serving(ThreadingHTTPServer((servers.HERE, 0), handler)) as port:
        shared.dvc("remote", "modify", "beside", "url", f"http://{servers.HERE}:{port}")
        shared.clone.environment["no_proxy"] = servers.HERE
        command = [sys.executable, "-m", "classifier", "verify", "--remote"]
        with subprocess.Popen(
            command,
            cwd=shared.clone.path,
            env=shared.clone.environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert Trickle.asked.wait(60)
                process.send_signal(signal.SIGINT)
                _, shown = process.communicate(timeout=20)
            finally:
                process.kill()
                Trickle.ended.set()
    assert (process.returncode, shown) == (130, "")
