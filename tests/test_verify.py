"""verify: every damaged, missing or changed file is found, and brought back from any good copy."""

import contextlib
import functools
import hashlib
import itertools
import shutil
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.rwlock import rwlock

from classifier.base.files import md5_of
from tests import servers
from tests.conftest import Clone
from tests.sharing import (
    CACHE,
    CLEAN,
    DAMAGE,
    FEATURES,
    KERAS,
    MODEL,
    ODD,
    PLACES,
    PREDICTIONS,
    PREPARED,
    RAW,
    REMOTE,
    SCHEMA,
    WORKSPACE,
    Shared,
    cut_off,
    flip_a_bit,
)

FILES = [RAW, f"{PREPARED}/preview.csv", SCHEMA, FEATURES, f"{PREPARED}/train/labels.npy", KERAS,
         MODEL, f"{PREDICTIONS}/train.csv"]  # fmt: skip
LISTS = {PREPARED: f"{PREPARED}/", PREDICTIONS: f"{PREDICTIONS}/"}


def spread(ways: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return each place with each way to harm a file and a file, none of them in all places."""
    harms = itertools.product(PLACES, ways)
    return [(*harm, file) for harm, file in zip(harms, FILES * 2 + [*LISTS], strict=False)]


def told(shown: str) -> dict[str, list[str]]:
    """Return what the output says of each file: what is wrong and where."""
    lines = (line.split(": ") for line in shown.splitlines()[:-1])
    return {file: sorted(wrong.split(", ")) for file, wrong, *_ in lines}


def test_nothing_is_wrong_after_a_push(shared):
    assert shared.verify() == (0, CLEAN)
    assert shared.is_well()


def test_what_is_lost_in_one_place_is_found_and_repaired(shared):
    wrong = defaultdict(list)
    for place, lost, file in spread(DAMAGE):
        DAMAGE[lost](shared.path(place, file))
        damaged = "changed" if place == WORKSPACE else "damaged"
        wrong[file].append(f"{'missing' if lost == 'the file' else damaged} ({place})")
    counted = f"27 files: {len(wrong)} missing, damaged or changed"
    code, shown = shared.verify("--remote")
    assert (code, told(shown)) == (1, {file: sorted(found) for file, found in wrong.items()})
    assert shown.endswith(f"{counted}\n")
    code, shown = shared.verify("--remote", "--repair")
    assert (code, shown.count(": repaired\n")) == (0, len(wrong))
    assert shown.endswith(f"{counted}, {len(wrong)} repaired\n")
    assert shared.is_well()


def test_the_copy_of_a_metric_that_dvc_keeps_for_its_run_cache_is_read_too(shared):
    """Of it, DVC puts an earlier result back where params are set back."""
    kept = shared.path(CACHE, "metrics/evaluation.json")
    flip_a_bit(kept)
    code, shown = shared.verify()
    assert (code, told(shown)) == (1, {"metrics/evaluation.json": ["damaged (cache)"]})
    assert shared.verify("--repair")[0] == 0
    assert md5_of(kept) == shared.md5s["metrics/evaluation.json"]
    kept.unlink()  # as in a fresh clone
    assert shared.verify()[0] == 0


@pytest.mark.parametrize("command", ["verify", "push", "pull", "rebuild"])
def test_an_empty_name_is_no_remote(shared, command):
    """As of a variable that is not set; verify would read no remote, and find nothing wrong."""
    code, shown = shared.run(command, "--name", "")
    assert code == 2
    assert "an empty name is not that of a remote" in shown


def test_what_is_not_a_file_is_named_and_repaired_without_a_hang(shared):
    wrong = defaultdict(list)
    for place, kind, file in [*spread(ODD), (CACHE, "a FIFO", PREDICTIONS)]:
        path = shared.path(place, file)
        path.unlink()
        ODD[kind](path)
        wrong[LISTS.get(file, file)].append(f"{kind} ({place})")
    code, shown = shared.run_apart("verify", "--remote")
    assert (code, told(shown)) == (1, {file: sorted(found) for file, found in wrong.items()})
    code, shown = shared.run_apart("verify", "--remote", "--repair")
    assert (code, shown.count(": repaired\n")) == (0, len(wrong))
    assert shared.is_well()


def test_a_fifo_among_or_instead_of_the_files_of_a_folder_is_moved_aside(shared):
    """The lists are lost, so that the folders are read to make them anew."""
    for folder in (PREPARED, PREDICTIONS):
        shared.path(CACHE, folder).unlink()
    (shared.clone.path / PREDICTIONS).rename(shared.clone.path / "moved")
    for name in (f"{PREPARED}/train/fifo", PREDICTIONS):
        ODD["a FIFO"](shared.clone.path / name)
    assert shared.run_apart("verify", "--repair")[0] == 1
    code, shown = shared.run_apart("verify", "--remote", "--repair")
    assert code == 0
    assert f"{PREPARED}/train/fifo: not in dvc.lock (workspace): repaired\n" in shown
    assert f"{PREDICTIONS}: not in dvc.lock (workspace): repaired\n" in shown
    assert shared.is_well()


def test_dvc_itself_does_not_see_a_flipped_bit(shared, capsys):
    shared.dvc("status")
    flip_a_bit(shared.path(WORKSPACE))
    flip_a_bit(shared.path(CACHE))
    capsys.readouterr()
    assert shared.dvc("status") == 0
    assert "up to date" in capsys.readouterr().out
    assert shared.verify()[0] == 1


def test_one_good_copy_is_enough(shared):
    for good, lost, file in zip(PLACES, DAMAGE, (RAW, FEATURES, MODEL), strict=True):
        for place in PLACES:
            if place != good:
                DAMAGE[lost](shared.path(place, file))
    code, shown = shared.verify("--remote", "--repair")
    assert (code, shown.count(": repaired\n")) == (0, 3)
    assert shared.is_well()


def test_the_list_of_a_folder_is_repaired(shared):
    cut_off(shared.path(CACHE, PREPARED))
    cut_off(shared.path(REMOTE, PREDICTIONS))
    assert told(shared.verify("--remote")[1]) == {
        f"{PREPARED}/": ["damaged (cache)"],
        f"{PREDICTIONS}/": ["damaged (remote beside)"],
    }
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.is_well()


def test_the_list_of_a_folder_is_made_from_its_files(shared):
    shared.path(CACHE, PREPARED).unlink()
    assert shared.verify()[1].startswith(f"{PREPARED}/: missing (cache)\n27 files: 1 missing")
    assert shared.verify("--repair")[0] == 0
    assert shared.is_well()


def test_without_a_good_copy_the_command_that_is_printed_makes_it_anew(shared):
    """Of the folder not even the list is left; DVC itself would see nothing to do."""
    for file, lost in ((PREPARED, cut_off), (FEATURES, flip_a_bit), (RAW, flip_a_bit)):
        for place in PLACES:
            if (path := shared.path(place, file)).is_file():
                lost(path)
    code, shown = shared.verify("--repair")
    command = "dvc repro --force --single-item fetch prepare"
    assert code == 1
    no_copy = f"no good copy is here of {RAW}, {PREPARED}/; `classifier pull` asks the remote"
    assert f"{no_copy}; `{command}` makes it again\n" in shown
    code, shown = shared.verify("--remote", "--repair")
    assert f"no good copy is left of {RAW}, {PREPARED}/; `{command}` makes it again\n" in shown
    shared.clone.run(*command.split())
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.is_well()


def test_what_is_lost_is_left_as_it_is(shared):
    for place in PLACES:
        cut_off(shared.path(place))
    before = shared.clone.files()
    code, shown = shared.verify("--remote", "--repair")
    assert code == 1
    assert (
        f"{MODEL}: damaged (cache), changed (workspace), damaged (remote beside): not rep" in shown
    )
    assert shared.clone.files() == before


def test_what_somebody_has_changed_in_the_workspace_is_kept(shared):
    for file in (MODEL, "metrics/evaluation.json", f"{PREPARED}/notes.txt"):
        (shared.clone.path / file).write_text("mine")
    code, shown = shared.verify("--repair")
    assert (code, shown.count(": repaired\n")) == (0, 3)
    assert f"{PREPARED}/notes.txt: not in dvc.lock (workspace): repaired\n" in shown
    [kept] = [line.split()[-1] for line in shown.splitlines() if "is kept in" in line]
    folder = shared.clone.path / kept
    assert [path.read_text() for path in folder.rglob("*") if path.is_file()] == ["mine"] * 3
    assert shared.is_well()


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_damage_through_a_link_is_repaired_from_the_remote(shared, link):
    shared.dvc("config", "--local", "cache.type", link)
    shared.dvc("checkout", "--relink")
    flip_a_bit(shared.path(WORKSPACE))
    somebodys = shared.path(WORKSPACE).read_bytes()
    assert f"{MODEL}: damaged (cache), changed (workspace)\n" in shared.verify()[1]
    assert shared.verify("--remote", "--repair")[0] == 0
    (kept,) = shared.clone.path.glob(f".dvc/tmp/replaced-*/{MODEL}")
    assert kept.read_bytes() == somebodys
    assert shared.is_well()


def test_what_dvc_has_linked_to_its_cache_is_pulled_over(shared):
    shared.dvc("config", "--local", "cache.type", "symlink")
    shared.path(WORKSPACE).unlink()
    assert [shared.run("pull")[0] for _ in range(2)] == [0, 0]
    assert shared.path(WORKSPACE).is_symlink()


def test_the_same_bytes_under_two_names_are_brought_back_once(shared):
    twin = shared.clone.path / f"{PREDICTIONS}/twin.csv"
    shutil.copy(shared.clone.path / f"{PREDICTIONS}/train.csv", twin)
    shared.dvc("commit", "--force")
    cut_off(shared.path(CACHE, f"{PREDICTIONS}/train.csv"))
    code, shown = shared.verify("--repair")
    assert (code, shown.count(": repaired\n"), "error" in shown) == (0, 2, False)
    assert shared.verify()[0] == 0


def test_it_comes_from_git_where_the_project_is_in_a_folder_of_the_repository(shared):
    whole = Clone(shared.clone.path.parent / "whole")
    kept = shutil.ignore_patterns(".git", "cache")
    shutil.copytree(shared.clone.path, whole.path / "project", ignore=kept)
    whole.git("init", "--quiet")
    whole.commit("All of it")
    project = Clone(whole.path / "project")
    before = project.read("metrics/crossval.json")
    (project.path / "metrics/crossval.json").write_text("damaged")
    done = project.classifier("verify", "--repair", check=False)
    assert "crossval.json: changed (workspace): repaired" in done.stdout
    assert project.read("metrics/crossval.json") == before


def test_a_damaged_git_tracked_metric_comes_from_git(shared):
    cut_off(shared.path(WORKSPACE, "metrics/crossval.json"))
    shared.clone.edit("params.yaml", "folds: 10", "folds: 2")
    assert shared.verify("--repair")[0] == 0
    assert shared.clone.files() == shared.before


def rewrite_lock(shared: Shared, old: str, new: str) -> None:
    lock = shared.clone.read("dvc.lock")
    assert old in lock
    (shared.clone.path / "dvc.lock").write_text(lock.replace(old, new))


def url(shared: Shared, url: str) -> None:
    shared.dvc("remote", "modify", "beside", "url", url)


def damage_database(shared: Shared) -> None:
    with Repo(str(shared.clone.path)) as repo:
        for database in Path(repo.site_cache_dir).rglob("cache.db"):
            database.write_bytes(bytes(50))


@pytest.mark.parametrize(
    ("break_it", "arguments", "words"),
    [
        (damage_database, [], "DVC cannot use its database in .dvc/tmp/site-cache; if it is dam"),
        (lambda shared: (shared.clone.path / "dvc.lock").unlink(), [], "dvc.lock: no such file"),
        (lambda shared: (shared.clone.path / "dvc.lock").write_text("a\n"), [],
         "; `git checkout dvc.lock` brings back what was committed"),
        (lambda shared: (shared.clone.path / "dvc.lock").write_text(
            shared.clone.read("dvc.lock").partition("  evaluate:")[0]), [],
         "; run `dvc repro`, or `git checkout dvc.lock` if it is damaged"),
        (lambda shared: rewrite_lock(shared, "schema: '2.0'", "schema: '9'"), [],
         "`git checkout dvc.lock` if it is damaged"),
        (lambda shared: rewrite_lock(shared, f"{MODEL}\n      hash: md5\n", f"{MODEL}\n"), [],
         f"dvc.lock: has no plain md5 of {MODEL}; `git checkout dvc.lock`"),
        (lambda shared: shutil.rmtree(shared.clone.path / ".dvc"), [], "not inside of a DVC repo"),
        (lambda shared: shutil.rmtree(shared.remote), ["--remote"],
         "remote beside: there is no folder "),
        (lambda shared: url(shared, str(shared.clone.path / "Makefile")), ["--remote"],
         "Makefile: is a file, not a folder"),
        (lambda shared: url(shared, str(shared.clone.path / ".dvc/cache")), ["--remote"],
         "remote beside: is the cache itself"),
        (lambda _: None, ["--name", "nosuch"], "remote 'nosuch' doesn't exist"),
        (lambda shared: shared.dvc("remote", "default", "--unset"), ["--remote"], "no remote spec"),
        (lambda shared: url(shared, "http://127.0.0.1:9"), ["--remote"], "remote beside: "),
        (lambda shared: url(shared, "gs://bucket/there"), ["--remote"], "dvc-gs"),
    ],
)  # fmt: skip
def test_where_it_cannot_look_is_one_line_and_exit_code_2(shared, break_it, arguments, words):
    break_it(shared)
    code, shown = shared.verify(*arguments)
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith("error: ")
    assert words in shown


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
            code, shown = shared.verify("--repair")
    assert code == 2
    assert "is busy" in shown


def test_a_damaged_cache_is_not_pushed(shared):
    flip_a_bit(shared.path(CACHE))
    shutil.rmtree(shared.remote)
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(f"{MODEL}: damaged (cache)\nnothing was pushed;")
    assert not list(shared.remote.rglob("files/md5/*/*"))


def test_a_push_without_a_cache_sees_what_the_remote_lacks(shared):
    shared.path(REMOTE, SCHEMA).unlink()
    cut_off(shared.path(REMOTE))
    cut_off(shared.path(REMOTE, FEATURES))
    shutil.rmtree(shared.clone.path / ".dvc/cache")
    code, shown = shared.run("push")
    assert (code, {*shown.splitlines()[:3]}) == (
        1,
        {
            f"{SCHEMA}: missing (remote beside)",
            f"{MODEL}: damaged (remote beside)",
            f"{FEATURES}: damaged (remote beside)",
        },
    )


def test_files_in_a_folder_that_is_to_be_empty_are_found(shared):
    old, empty = shared.md5s[PREDICTIONS], f"{hashlib.md5(b'[]').hexdigest()}.dir"
    rewrite_lock(shared, old, empty)
    assert "metrics/predictions/train.csv: " in shared.verify()[1]


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


@pytest.mark.parametrize("path", ["", "files/md5", "files/md5/{prefix}"])
def test_a_link_to_nothing_in_place_of_a_folder_of_the_remote_is_named(shared, path):
    """As where a disk is not mounted: nothing is missing there, it is out of reach."""
    folder = shared.remote / path.format(prefix=shared.md5s[MODEL][:2])
    folder.rename(shared.clone.path.parent / "away")
    folder.symlink_to("nothing")
    for command in (["push"], ["verify", "--remote"]):
        assert shared.run(*command) == (
            2, f"error: remote beside: {folder}: is a link to nothing, not a folder\n"
        )  # fmt: skip
