"""pull: all artifacts come, and nothing that is damaged or leads out of its folder."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import AS_ANYBODY
from tests.sharing import (
    CACHE,
    DAMAGE,
    FEATURES,
    MODEL,
    ODD,
    PREPARED,
    RAW,
    REMOTE,
    SCHEMA,
    WORKSPACE,
    Shared,
    flip_a_bit,
)

ALL = "all artifacts that dvc.lock names are here\n"
UNSAFE = ["../../stages/train.py", "../../../outside", "train/../../../.git/hooks/post-commit"]


@pytest.fixture
def bare(shared: Shared) -> Shared:
    """A fresh clone, and the remote with its artifacts."""
    shared.wipe()
    return shared


def everything(folder: Path) -> dict[Path, bytes]:
    """Return all files there but what DVC, git and Python keep for themselves."""
    own = {".dvc", "index", "__pycache__"}
    files = (path for path in folder.rglob("*") if path.is_file() and not own & set(path.parts))
    return {path: path.read_bytes() for path in files}


def test_all_artifacts_come_and_nothing_is_run(bare):
    assert bare.run("pull") == (0, ALL)
    assert bare.stages_run() == []
    assert bare.is_well()


def test_without_the_remote_they_come_from_the_cache(shared):
    shutil.rmtree(shared.remote)
    (shared.clone.path / MODEL).unlink()
    assert shared.run("pull") == (0, ALL)
    assert shared.clone.files() == shared.before
    shared.path(CACHE).unlink()
    code, shown = shared.run("pull")
    assert code == 2
    assert shown.startswith("error: remote beside: there is no folder ")


@pytest.mark.parametrize("arguments", [[], ["--missing"]])
def test_an_earlier_version_of_a_table_is_not_replaced_without_a_word(shared, arguments):
    """DVC has it in its cache, so that it is not lost; but the run is not of it."""
    table = shared.clone.path / "data/source/mine.csv"
    for text in ("x,y\n1,a\n", "x,y\n2,b\n"):
        table.unlink(missing_ok=True)
        table.write_text(text)
        shared.clone.dvc("add", "data/source/mine.csv")
    table.unlink()
    table.write_text("x,y\n1,a\n")
    (shared.clone.path / MODEL).unlink()
    code, shown = shared.run("pull", *arguments)
    assert code == 0
    assert shown.splitlines()[0] == (
        "data/source/mine.csv: was another version, now that of the commit"
    )
    assert table.read_text() == "x,y\n2,b\n"


def test_a_remote_that_may_not_be_read_is_told(shared):
    shared.path(CACHE).unlink()
    (shared.remote / "files").chmod(0)
    done = shared.clone.run(*AS_ANYBODY, "classifier", "verify", "--remote", check=False)
    (shared.remote / "files").chmod(0o755)
    assert done.returncode == 2
    words = f"error: remote beside: {shared.remote.resolve()}/files: permission denied\n"
    assert done.stderr.endswith(words)


def test_what_is_damaged_or_missing_is_named_and_does_not_come(bare):
    for file, lost in zip((RAW, MODEL, SCHEMA), DAMAGE, strict=True):
        DAMAGE[lost](bare.path(REMOTE, file))
    code, shown = bare.run("pull")
    assert code == 1
    assert shown.splitlines()[:-1] == [
        f"{RAW}: damaged (remote beside)",
        f"{SCHEMA}: missing (remote beside)",
        f"{MODEL}: damaged (remote beside)",
    ]
    assert not any((bare.clone.path / path).exists() for path in (RAW, MODEL, PREPARED))
    assert not any(bare.path(CACHE, file).exists() for file in (RAW, MODEL, SCHEMA))
    assert (bare.clone.path / "models/classifier.keras").exists()


def test_what_is_damaged_in_the_cache_is_left_to_repair(shared):
    flip_a_bit(shared.path(CACHE))
    shared.path(WORKSPACE).unlink()
    code, shown = shared.run("pull")
    assert (code, shown.splitlines()[0]) == (1, f"{MODEL}: damaged (cache)")
    assert not shared.path(WORKSPACE).exists()
    assert shared.verify("--remote", "--repair")[0] == 0
    assert shared.run("pull") == (0, ALL)


@pytest.mark.parametrize("path", UNSAFE)
def test_dvc_itself_writes_out_of_the_folder(bare, path):
    """What the others are for: if DVC no longer does, docs/security.md can say so."""
    bare.relist(lambda entries: [*entries, {"relpath": path, "md5": bare.md5s[RAW]}])
    bare.dvc("pull")
    assert (bare.clone.path / PREPARED / path).read_bytes() == bare.before[RAW]


@pytest.mark.parametrize("path", UNSAFE)
def test_a_list_that_leads_out_of_its_folder_is_refused(bare, path):
    bare.relist(lambda entries: [*entries, {"relpath": path, "md5": bare.md5s[RAW]}])
    before = everything(bare.clone.path.parent)
    line = f"{PREPARED}/: lists {path!r}, which is not a safe path (cache)"
    code, shown = bare.run("pull")
    assert (code, shown.splitlines()[:-1]) == (1, [line])
    for arguments in (["--remote"], ["--remote", "--repair"]):
        code, shown = bare.verify(*arguments)
        assert code == 1
        assert line in shown
    code, shown = bare.run("push")
    assert code == 1
    assert shown.startswith(f"{line}\n")
    assert "nothing was pushed;" in shown
    changed = dict(everything(bare.clone.path.parent).items() - before.items())
    assert {str(path.relative_to(bare.clone.path)) for path in changed} == {
        file for file in bare.before if not file.startswith((PREPARED, "data/source"))
    } & {RAW, MODEL, "models/classifier.keras", "metrics/predictions/train.csv"}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"{}", b"[" * 100_000])
def test_a_list_that_is_none_is_damage(bare, content):
    bare.relist(lambda _: content)
    line = f"{PREPARED}/: is not a list of files and their md5 (cache)"
    code, shown = bare.run("pull")
    assert (code, shown.splitlines()[:-1]) == (1, [line])
    assert line in bare.verify("--remote", "--repair")[1]


def test_an_md5_in_a_list_leads_nowhere_else(bare):
    secret = bare.remote / "secret"
    secret.write_text("secret")
    way = "ab/../../../../secret"
    bare.relist(lambda entries: [*entries, {"relpath": "a", "md5": way}])
    assert bare.run("pull")[0] == 1
    assert not (bare.clone.path / ".dvc/secret").exists()
    assert not (bare.clone.path / PREPARED).exists()


def test_a_list_that_dvc_has_read_before_is_not_believed(bare):
    """DVC keeps the content of lists in an index, by md5, verified or not."""
    good = bare.path(REMOTE, PREPARED).read_bytes()
    entry = f'{{"md5": "{bare.md5s[RAW]}", "relpath": "../../outside"}}'
    bare.path(REMOTE, PREPARED).write_text(f"[{entry}]")
    bare.dvc("remote", "modify", "beside", "verify", "false")
    assert [bare.dvc("fetch") for _ in range(2)] == [0, 0]  # what it fetches makes it forget
    bare.path(REMOTE, PREPARED).chmod(0o644)
    bare.path(REMOTE, PREPARED).write_bytes(good)
    shutil.rmtree(bare.clone.path / ".dvc/cache")
    assert bare.run("pull") == (0, ALL)
    assert not (bare.clone.path / "outside").exists()
    assert bare.clone.files() == bare.before


@pytest.mark.parametrize("link", ["data", PREPARED, f"{PREPARED}/train"])
def test_nothing_is_written_through_a_link_that_leads_out(bare, tmp_path, link):
    outside, path = tmp_path / "outside", bare.clone.path / link
    outside.mkdir()
    (outside / "notes.txt").write_text("mine")
    if path.exists():
        path.rename(tmp_path / "away")
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    for command in (["pull"], ["verify", "--remote", "--repair"]):
        code, shown = bare.run(*command)
        assert code == 1
        line = f"{FEATURES}: reached by a link that leads out of its folder (workspace)"
        assert line in shown
    assert everything(outside) == {outside / "notes.txt": b"mine"}
    assert path.is_symlink()


def test_a_change_that_nothing_else_has_is_kept(shared):
    for file in (MODEL, SCHEMA, f"{PREPARED}/notes.txt"):
        (shared.clone.path / file).write_text("mine")
    (shared.clone.path / RAW).unlink()
    code, shown = shared.run("pull")
    assert code == 1
    assert {f"{file}: changed, and saved nowhere else (workspace)" for file in
            (MODEL, SCHEMA, f"{PREPARED}/notes.txt")} < set(shown.splitlines())  # fmt: skip
    assert (shared.clone.path / MODEL).read_text() == "mine"
    assert (shared.clone.path / RAW).exists(), "what is not in the way comes"
    assert shared.verify("--repair")[0] == 0
    assert shared.run("pull") == (0, ALL)


def test_damage_in_the_workspace_that_dvc_does_not_see_is_named(shared):
    flip_a_bit(shared.clone.path / MODEL)
    (shared.clone.path / "metrics/folds.csv").unlink()
    code, shown = shared.run("pull")
    assert (code, shown.splitlines()[:2]) == (
        1, [f"{MODEL}: changed, and saved nowhere else (workspace)",
            "metrics/folds.csv: missing (workspace)"],
    )  # fmt: skip


def test_the_artifacts_of_another_commit_are_replaced(shared):
    """They are in the cache, so nothing is lost."""
    lock, before = shared.clone.read("dvc.lock"), shared.clone.files()
    (shared.clone.path / MODEL).write_text("another")
    shared.dvc("commit", "--force")
    (shared.clone.path / "dvc.lock").write_text(lock)
    assert shared.run("pull") == (0, ALL)
    assert shared.clone.files() == before


def test_what_is_not_a_file_is_named_without_a_hang(bare):
    (bare.clone.path / PREPARED).mkdir()
    bare.path(CACHE, RAW).parent.mkdir(parents=True)
    bare.path(REMOTE).unlink()
    bare.path(REMOTE, SCHEMA).unlink()
    ODD["a FIFO"](bare.path(CACHE, RAW))
    ODD["a FIFO"](bare.path(REMOTE))
    ODD["a device"](bare.path(REMOTE, SCHEMA))
    ODD["a FIFO"](bare.clone.path / PREPARED / "fifo")
    ODD["a device"](bare.clone.path / "models/classifier.keras")
    code, shown = bare.run_apart("pull")
    assert code == 1
    assert shown.splitlines()[:-1] == [
        f"{RAW}: a FIFO (cache)",
        f"{SCHEMA}: a device (remote beside)",
        f"{MODEL}: a FIFO (remote beside)",
        "models/classifier.keras: a device (workspace)",
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside", "is not a safe place for an output"),
        (".github/x", "is not a safe place for an output"),
        ("s3://bucket/x", "is not a safe place for an output"),
        ("classifier/base/dvc_lock.py", "but git tracks it"),
        ("classifier", "but git tracks it"),
        (".git/hooks/post-commit", "is ignored by"),
        (f"{PREPARED}/x", "overlap"),
    ],
)
def test_an_output_in_an_unsafe_place_is_refused(bare, path, why):
    out = f"outs:\n- path: {path}\n  hash: md5\n  md5: {bare.md5s[RAW]}\n"
    (bare.clone.path / "x.dvc").write_text(out)
    before = everything(bare.clone.path.parent)
    for command in (["pull"], ["verify", "--remote", "--repair"], ["push"]):
        code, shown = bare.run(*command)
        assert (code, shown.count("\n")) == (2, 1)
        assert why in shown
    assert everything(bare.clone.path.parent) == before


@pytest.mark.parametrize("own", [".dvc/cache", ".dvc/tmp"])
def test_what_dvc_writes_for_itself_does_not_come_from_git(shared, own):
    shared.clone.git("add", "--force", own)
    code, shown = shared.run("pull")
    assert (code, shown.count("\n")) == (2, 1)
    assert shown.startswith(f"error: {own}: belongs to DVC, but git tracks it")


def test_a_change_that_dvc_does_not_see_is_kept(shared):
    (shared.clone.path / SCHEMA).write_text("mine")
    (shared.clone.path / ".dvcignore").write_text("schema.json\n")
    code, shown = shared.run("pull")
    assert (code, shown.splitlines()[0]) == (
        1,
        f"{SCHEMA}: hidden from DVC by .dvcignore (workspace)",
    )
    assert (shared.clone.path / SCHEMA).read_text() == "mine"
