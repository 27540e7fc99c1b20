"""Somebody with the URL of the repository gets what was built, in place of building it again."""

import gzip
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from classifier.base.dvc_lock import read_lock
from classifier.commands.report.results import commit, load_run
from classifier.commands.revisions import lines_on_changes
from tests import servers
from tests.conftest import Clone
from tests.sharing import FEATURES, KERAS, MODEL, PREPARED, RAW, REMOTE, WORKSPACE, Shared, cut_off

TABLE = "data/source/ours.csv"
PUSHED = "remote beside has everything that dvc.lock names\n"
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
    done = shared.clone.run("make", "--no-print-directory", target, check=False)
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


@pytest.mark.slow
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
    assert f"no artifacts pulled: remote beside: there is no folder {bare.remote}/" in shown
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


def test_what_was_edited_here_is_not_called_missing(bare):
    assert bare.run("pull")[0] == 0
    rows = bare.clone.path / "metrics/out_of_fold.csv"
    text = rows.read_text()
    rows.unlink()
    rows.write_text(text + "1,1\n")
    assert bare.run("pull", "--missing") == (
        0, "changed here: metrics/out_of_fold.csv; `dvc repro` makes again what it has to\n",
    )  # fmt: skip


def test_after_a_list_that_leads_out_of_its_folder_no_stage_is_run(bare):
    outside = {"relpath": "../../outside", "md5": bare.md5s[RAW]}
    bare.relist(lambda entries: [*entries, outside])
    code, shown = make(bare)
    assert code == 2, "of make: a command failed"
    assert f"{PREPARED}/: lists '../../outside', which is not a safe path" in shown
    assert "tage '" not in shown
    assert not (bare.clone.path / "outside").exists()
    assert not (bare.clone.path / FEATURES).exists()


def committed(shared: Shared) -> Shared:
    """Commit all that git sees, and push it to a bare repository beside the clone."""
    if shared.clone.git("status", "--porcelain"):
        shared.clone.commit("The results")
    if "bare" not in shared.clone.git("remote"):
        shared.clone.git("init", "--quiet", "--bare", "../bare")
        shared.clone.git("remote", "add", "bare", "../bare")
    shared.clone.git("push", "--quiet", "bare", "HEAD:main")
    return shared


@pytest.fixture
def own(shared: Shared) -> Shared:
    """A clone with an own table, fetched from data/source and not yet committed."""
    table = shared.clone.read("data/source/iris.data").replace("5.1,3.5,1.4,0.2", "5.1,3.5,1.4,0.3")
    (shared.clone.path / TABLE).write_text(table)
    shared.clone.edit("params.yaml", "data/source/iris.data", TABLE)
    shared.clone.edit("params.yaml", "sha256: 6f608b7", "sha256: null   # 6f608b7")
    shared.clone.reproduce("fetch", "prepare")
    return shared


def test_a_table_that_git_lacks_is_told_with_what_helps_and_nothing_is_pushed(own):
    shutil.rmtree(own.remote)
    own.clone.git("commit", "--quiet", "--all", "--message", "Our own table")
    code, shown = own.run("push")
    assert (code, shown.splitlines()[0]) == (
        1,
        f"{TABLE}: not in git; `git add {TABLE}`, then commit, "
        f"or keep it out of git with `dvc add {TABLE}`",
    )
    assert not list(own.remote.rglob("files/md5/*/*"))
    committed(own)
    assert own.run("push") == (0, PUSHED)


def test_a_table_that_is_a_link_to_what_git_lacks_is_told(own):
    real = "data/source/real.csv"
    (own.clone.path / TABLE).rename(own.clone.path / real)
    (own.clone.path / TABLE).symlink_to("real.csv")
    own.clone.dvc("repro", "fetch")
    own.clone.git("add", TABLE)
    own.clone.git("commit", "--quiet", "--all", "--message", "A link")
    code, shown = own.run("push")
    assert code == 1
    assert shown.startswith(f"{real}: not in git; `git add {real}`")


def test_a_private_table_reaches_the_colleague_through_the_remote(own, tmp_path):
    own.clone.dvc("add", TABLE)
    own.clone.dvc("repro", "fetch")
    committed(own)
    assert own.clone.git("ls-files", TABLE) == ""
    assert own.run("push") == (0, PUSHED)
    theirs = Shared(Clone(own.clone.clone(tmp_path / "theirs").path))
    assert theirs.run("pull") == (0, f"{ALL}\n")
    assert theirs.stages_run() == []
    assert theirs.clone.read(TABLE) == own.clone.read(TABLE)
    with (own.clone.path / TABLE).open("a") as table:
        table.write("5.1,3.5,1.4,0.2,Iris-setosa\n")
    assert own.run("push")[1].startswith(f"{TABLE}: has changed; `dvc add {TABLE}`\n")


@pytest.mark.parametrize(
    ("path", "old", "new", "stages", "words"),
    [
        ("params.yaml", "retries: 3", "retries: 2", ["fetch"],
         "fetch.retries: the commit has another version; commit what was run, or run `dvc repro`"),
        ("classifier/fetching/download.py", "A table", "The table", ["fetch"],
         "classifier/fetching/download.py: not committed; "
         "`git commit classifier/fetching/download.py`"),
        ("data/test_sets/README.md", "", "more ", ["evaluate"],
         "data/test_sets/README.md: not committed; `git commit data/test_sets/README.md`"),
    ],
)  # fmt: skip
def test_what_the_run_has_read_and_the_commit_has_not_is_told(
    shared, path, old, new, stages, words
):
    (shared.clone.path / path).write_text(shared.clone.read(path).replace(old, new, 1))
    assert shared.run("push")[0] == 0, "dvc.lock is not of what was edited since"
    shared.clone.dvc("repro", *stages)
    shared.clone.git("commit", "--quiet", "dvc.lock", "--message", "The lock alone")
    code, shown = shared.run("push")
    assert (code, shown.splitlines()[0]) == (1, words)
    assert committed(shared).run("push") == (0, PUSHED)


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        ("classifier/model/network.py", "import", " import", "classifier/model"),
        ("data/source/iris.data", "5.1,3.5,1.4,0.2", "5.1,3.5,1.4,0.3", "data/source/iris.data"),
    ],
)
def test_what_was_edited_after_the_run_and_committed_is_told(shared, path, old, new, told):
    text = shared.clone.read(path)
    (shared.clone.path / path).write_text(text.replace(old, new, 1))
    shared.clone.git("commit", "--quiet", "--all", "--message", "An edit")
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(
        f"{told}: the commit has another version; commit what was run, or run `dvc repro`"
    )


@pytest.mark.parametrize("source", ["own.csv.gz", "own"])
def test_a_table_that_is_converted_and_was_edited_after_the_run_is_told(shared, source):
    """As a compressed file, and as a folder of parts."""
    path = Path("data/source") / source
    whole = shared.clone.read("data/source/iris.data")

    def write(text: str) -> None:
        if path.suffix == ".gz":
            (shared.clone.path / path).write_bytes(gzip.compress(text.encode(), mtime=0))
        else:
            (shared.clone.path / path).mkdir(exist_ok=True)
            (shared.clone.path / path / "a.csv").write_text(text)

    write(whole)
    shared.clone.edit("params.yaml", "data/source/iris.data", str(path))
    shared.clone.edit("params.yaml", "sha256: 6f608b7", "sha256: null   # 6f608b7")
    shared.clone.dvc("repro", "fetch")
    assert committed(shared).run("push") == (0, PUSHED)
    write(whole.replace("5.1,3.5,1.4,0.2", "5.1,3.5,1.4,0.3"))
    code, shown = committed(shared).run("push")
    assert code == 1
    assert shown.startswith("data/source: the commit has another version; commit what was run")
    write(whole)
    shared.clone.git("rm", "--quiet", "--cached", "-r", str(path))
    shared.clone.git("commit", "--quiet", "--message", "Keep it out of git")
    shared.clone.dvc("add", str(path))
    shared.clone.dvc("repro", "fetch")
    assert committed(shared).run("push") == (0, PUSHED), "a table that DVC keeps"


@pytest.mark.parametrize("by", ["dvc", "dvc, all", "a link", "eol=crlf", "filter=packed"])
def test_a_test_set_that_dvc_or_git_keeps_in_its_own_way_is_as_the_commit_has_it(shared, by):
    test_set = "data/test_sets/more.csv"
    rows = shared.clone.read("data/source/iris.data").replace("\n", "\r\n")
    if by == "a link":
        (shared.clone.path / test_set).symlink_to("../source/iris.data")
    else:
        (shared.clone.path / test_set).write_text(rows, newline="")
    if by == "dvc":
        shared.clone.dvc("add", test_set)
    elif by == "dvc, all":
        shared.clone.git("rm", "--quiet", "-r", "--cached", "data/test_sets")
        shared.clone.dvc("add", "data/test_sets")
    elif "=" in by:  # as git has it, it is not what a checkout has; so does Git LFS
        (shared.clone.path / "data/test_sets/.gitattributes").write_text(f"*.csv text {by}\n")
        shared.clone.git("config", "filter.packed.clean", "base64")
        shared.clone.git("config", "filter.packed.smudge", "base64 --decode")
    shared.clone.dvc("repro", "evaluate")
    assert committed(shared).run("push") == (0, PUSHED)
    with shared.clone.entered():
        assert lines_on_changes("HEAD", read_lock()) == []
        Path(test_set).unlink()
        assert lines_on_changes(None, read_lock()) == [
            "data/test_sets has changed since; run `dvc repro`"
        ]


def test_results_without_a_test_set_that_dvc_keeps_are_not_those_of_the_commit(shared):
    test_set = "data/test_sets/more.csv"
    (shared.clone.path / test_set).write_text(shared.clone.read("data/source/iris.data"))
    shared.clone.dvc("add", test_set)
    shared.clone.commit("A test set")
    (shared.clone.path / test_set).unlink()
    shared.clone.dvc("repro", "--single-item", "evaluate")
    code, shown = committed(shared).run("push")
    assert code == 1
    assert "data/test_sets: the commit has another version" in shown
    shared.clone.dvc("checkout", f"{test_set}.dvc")
    shared.clone.dvc("repro", "evaluate")
    assert committed(shared).run("push") == (0, PUSHED)


def test_a_test_set_that_is_a_link_to_what_git_lacks_is_told(shared):
    real = "real.csv"
    (shared.clone.path / real).write_text(shared.clone.read("data/source/iris.data"))
    (shared.clone.path / "data/test_sets/more.csv").symlink_to("../../real.csv")
    shared.clone.dvc("repro", "evaluate")
    shared.clone.git("add", "data/test_sets/more.csv")
    shared.clone.git("commit", "--quiet", "--all", "--message", "A link")
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(f"{real}: not in git; `git add {real}`")


def test_edits_that_git_was_told_to_pass_over_are_told(shared):
    code_file = "classifier/model/network.py"
    shared.clone.git("update-index", "--assume-unchanged", code_file)
    (shared.clone.path / code_file).write_text(shared.clone.read(code_file) + "\n")
    shared.clone.reproduce("crossval", "train")
    code, shown = committed(shared).run("push")
    assert code == 1
    assert shown.startswith("classifier/model: the commit has another version")


def test_stages_of_another_dvc_yaml_are_none_of_the_project(shared):
    """One may have the name of a stage, and a copy of the project has all of them."""
    copy = shared.clone.path / "copy"
    copy.mkdir()
    (copy / "dvc.yaml").write_text("stages: {train: {cmd: exit 1, deps: [params.yaml]}}\n")
    assert committed(shared).run("push") == (0, PUSHED)
    with shared.clone.entered():
        assert lines_on_changes(None, read_lock()) == []


def test_stages_of_ones_own_may_work_in_a_folder_and_keep_folders_in_git(shared):
    """Their paths in dvc.lock are as seen from there."""
    mine = """stages:
  mine:
    wdir: own
    cmd: mkdir -p ../metrics/parts && cp in ../metrics/parts/one && cp in out
    deps: [in, OUTSIDE]
    outs: [out, ../metrics/parts: {cache: false}]
  yours: {wdir: data, cmd: echo yours > out, outs: [out]}
"""
    outside = shared.clone.path.parent / "outside"
    outside.write_text("of this machine")
    (shared.clone.path / "own").mkdir()
    (shared.clone.path / "own/in").write_text("anything")
    shared.clone.edit("dvc.yaml", "stages:\n", mine.replace("OUTSIDE", str(outside)))
    shared.clone.dvc("repro", "mine", "yours")
    assert committed(shared).run("push") == (0, PUSHED)
    with shared.clone.entered():
        assert commit().endswith(": The results")
        lock = read_lock()
        assert {"own/out", "data/out", "metrics/parts"} < {*lock.outs()}
        lock.require_one_run("dvc.lock")
        outside.write_text("edited")
        [line] = lines_on_changes(None, lock)
        assert line.endswith("outside has changed since; run `dvc repro`")
    code, shown = shared.run("push")
    assert code == 1
    assert ": the commit has another version" in shown


def test_what_dvc_lock_keeps_of_a_stage_that_is_gone_does_not_count(shared):
    mine = "stages:\n  mine: {cmd: cp models/classifier.onnx o, deps: [models/classifier.onnx]}\n"
    shared.clone.edit("dvc.yaml", "stages:\n", mine)
    shared.clone.dvc("repro", "mine")
    shared.clone.edit("dvc.yaml", mine, "stages:\n")
    lock = yaml.safe_load(shared.clone.read("dvc.lock"))
    lock["stages"]["mine"]["deps"][0]["md5"] = "0" * 32
    (shared.clone.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    with shared.clone.entered():
        read_lock().require_one_run("dvc.lock")
        assert lines_on_changes(None, read_lock()) == []


def test_params_in_a_file_of_ones_own_belong_to_the_run_too(shared):
    (shared.clone.path / "own.yaml").write_text("cut: 1\n")
    mine = "stages:\n  mine: {cmd: cp own.yaml o, params: [own.yaml: [cut]], outs: [o]}\n"
    shared.clone.edit("dvc.yaml", "stages:\n", mine)
    shared.clone.dvc("repro", "mine")
    shared.clone.git("commit", "--quiet", "--all", "--message", "A stage of my own")
    code, shown = shared.run("push")
    assert (code, shown.partition(";")[0]) == (1, "own.yaml: not in git")
    assert committed(shared).run("push") == (0, PUSHED)
    shared.clone.edit("own.yaml", "1", "2")
    with shared.clone.entered():
        assert lines_on_changes(None, read_lock()) == [
            "cut of own.yaml has changed since; run `dvc repro`"
        ]
    code, shown = committed(shared).run("push")
    assert (code, shown.partition(":")[0]) == (1, "cut of own.yaml")


def test_a_stage_of_ones_own_may_make_the_table_and_a_test_set(shared):
    mine = """stages:
  mine:
    cmd: cp data/source/iris.data data/source/made.data && cp data/source/iris.data TEST_SET
    deps: [data/source/iris.data]
    outs: [data/source/made.data, TEST_SET]
"""
    shared.clone.edit("dvc.yaml", "stages:\n", mine.replace("TEST_SET", "data/test_sets/m.csv"))
    shared.clone.edit(
        "params.yaml", "source: data/source/iris.data", "source: data/source/made.data"
    )
    shared.clone.dvc("repro", "mine")
    shared.clone.dvc("repro", "fetch", "evaluate")
    assert committed(shared).run("push") == (0, PUSHED)
    with shared.clone.entered():
        assert commit().endswith(": The results")


def test_a_stage_of_ones_own_may_read_a_url_and_params_of_an_artifact(shared):
    folder = shared.clone.path.parent / "served"
    folder.mkdir()
    (folder / "more.csv").write_text("1\n")
    shared.clone.environment["no_proxy"] = "127.0.0.1"
    with servers.http_server(folder) as port:
        url = f"http://127.0.0.1:{port}"
        mine = f"""stages:
  mine:
    cmd: touch o
    deps: ["{url}/more.csv"]
    params: [data/prepared/schema.json: [classes]]
    outs: [o]
"""
        shared.clone.edit("dvc.yaml", "stages:\n", mine)
        shared.clone.dvc("repro", "mine")
        assert committed(shared).run("push") == (0, PUSHED)
        with shared.clone.entered():
            assert lines_on_changes(None, read_lock()) == []
            (folder / "more.csv").write_text("2 3\n")
            assert lines_on_changes(None, read_lock()) == [
                f"{url}/more.csv has changed since; run `dvc repro`"
            ]
    done = shared.clone.classifier("check", check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_stage_of_another_pipeline_may_make_the_table(shared):
    clone, script = shared.clone, "import shutil; shutil.copy('iris.data', 'mine.csv')\n"
    (clone.path / "prep").mkdir()
    (clone.path / "prep/make.py").write_text(script)
    make = "{cmd: python ../../prep/make.py, wdir: ../data/source, deps: [../../prep/make.py]"
    (clone.path / "prep/dvc.yaml").write_text(f"stages:\n  make: {make}, outs: [mine.csv]}}\n")
    clone.edit("params.yaml", "data/source/iris.data", "data/source/mine.csv")
    clone.dvc("repro", "--pull")
    code, told = committed(shared).run("push")
    pushed = "`dvc push prep/dvc.yaml:make` puts it there"
    assert (code, f"mine.csv: is not of this pipeline; {pushed}" in told) == (0, True), told
    with clone.entered():
        assert lines_on_changes(None, read_lock()) == []
        clone.edit("prep/make.py", "import shutil", "import shutil, os")
        changed = "prep/dvc.yaml:make has changed since; run `dvc repro`"
        assert lines_on_changes(None, read_lock()) == [changed]


def test_a_param_that_a_stage_no_longer_reads_has_not_changed(shared):
    mine = "stages:\n  mine: {cmd: touch o, params: [train.seed, train.epochs], outs: [o]}\n"
    shared.clone.edit("dvc.yaml", "stages:\n", mine)
    shared.clone.dvc("repro", "mine")
    shared.clone.edit("dvc.yaml", "[train.seed, train.epochs]", "[train.epochs]")
    lock = yaml.safe_load(shared.clone.read("dvc.lock"))
    lock["stages"]["mine"]["params"]["params.yaml"]["train.seed"] = 7
    (shared.clone.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    with shared.clone.entered():
        assert lines_on_changes(None, read_lock()) == []


def test_a_stage_of_ones_own_may_read_the_bounds_of_check(shared):
    mine = "stages:\n  mine: {cmd: touch o, params: [check], outs: [o]}\n"
    shared.clone.edit("dvc.yaml", "stages:\n", mine)
    shared.clone.dvc("repro", "mine")
    with shared.clone.entered():
        assert "check" not in {key.split(".")[0] for key in load_run().params}
        assert lines_on_changes(None, read_lock()) == []
    shared.clone.edit("params.yaml", "check: {}", "check: {crossval.accuracy.mean: 0.5}")
    with shared.clone.entered():
        assert lines_on_changes(None, read_lock()) == ["check has changed since; run `dvc repro`"]


def test_a_commit_of_before_a_param_was_new_is_compared_by_what_it_has(shared):
    params = shared.clone.read("params.yaml")
    (shared.clone.path / "params.yaml").write_text(
        "".join(line for line in params.splitlines(True) if not line.startswith("  unknown:"))
    )
    shared.clone.git("commit", "--quiet", "--all", "--message", "As of old")
    with shared.clone.entered():
        assert lines_on_changes("HEAD", read_lock()) == [
            "HEAD: its results were made with another prepare.unknown"
        ]


def test_a_param_that_a_stage_reads_since_its_run_has_changed(shared):
    shared.clone.edit("dvc.yaml", "    params: [train]\n", "    params: [train, crossval.seed]\n")
    with shared.clone.entered():
        assert lines_on_changes(None, read_lock()) == [
            "crossval.seed has changed since; run `dvc repro`"
        ]


def test_a_table_that_the_commit_has_by_another_name_is_told(own):
    assert committed(own).run("push") == (0, PUSHED)
    own.clone.git("mv", TABLE, "data/source/renamed.csv")
    code, shown = committed(own).run("push")
    assert code == 1
    assert shown.startswith("data/source: the commit has another version")


def test_metrics_that_the_commit_lacks_or_has_another_version_of_are_told(shared):
    """Nobody else has them: DVC leaves them to git."""
    metrics = "metrics/evaluation.json"
    assert committed(shared).run("push") == (0, PUSHED)
    text = shared.clone.read(metrics)
    (shared.clone.path / metrics).write_text(text + "\n")
    committed(shared)
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(f"{metrics}: the commit has another version; commit what was run")
    (shared.clone.path / metrics).write_text(text)
    code, shown = shared.run("push")
    assert code == 1
    assert shown.startswith(f"{metrics}: not committed; `git commit {metrics}`")


def test_what_is_not_to_be_pushed_is_named_and_keeps_nothing_else_back(shared):
    outs = f"{KERAS}\n      - {MODEL}"
    shared.clone.edit("dvc.yaml", outs, f"{outs}: {{push: false}}")
    code, shown = committed(shared).run("push")
    assert (code, shown) == (0, f"{PUSHED.strip()}, except for what has push: false: {MODEL}\n")
    shared.wipe()
    code, shown = shared.run("pull")
    assert code == 1
    assert shown.startswith(f"{MODEL}: missing (cache)\n")
    assert (shared.clone.path / RAW).exists()


def test_stages_of_different_runs_are_pushed_with_a_warning(own):
    own.clone.edit(TABLE, "4.9,3.0,1.4,0.2", "4.9,3.0,1.4,0.1")
    own.clone.dvc("repro", "fetch")
    code, shown = committed(own).run("push")
    assert code == 0
    assert "warning: dvc.lock: its stages have seen different versions of data/raw.csv" in shown


def test_a_new_lock_that_is_not_committed_is_told(shared):
    shared.clone.edit("params.yaml", "retries: 3", "retries: 2")
    shared.clone.dvc("repro", "fetch")
    shared.clone.git("commit", "--quiet", "params.yaml", "--message", "Params alone")
    code, shown = shared.run("push")
    assert (code, shown.splitlines()[0]) == (1, "dvc.lock: not committed; `git commit dvc.lock`")


def test_a_remote_that_only_this_clone_knows_is_a_warning(shared):
    committed(shared)
    shared.clone.dvc("remote", "add", "--local", "team", str(shared.remote))
    code, shown = shared.run("push", "--name", "team")
    assert code == 0
    assert "warning: .dvc/config has no remote team; `dvc remote add team URL`" in shown


def test_an_output_that_has_a_remote_of_its_own_is_a_warning(shared):
    own = "    outs:\n      - data/prepared"
    shared.clone.edit("dvc.yaml", f"{own}\n", f"{own}: {{remote: own}}\n")
    code, shown = committed(shared).run("push")
    assert code == 0
    told = "warning: data/prepared: dvc.yaml has it on remote own; `dvc push` puts it there"
    assert told in shown


def test_a_commit_that_no_git_remote_has_is_a_warning(shared):
    committed(shared)
    assert shared.run("push") == (0, PUSHED)
    shared.clone.git("commit", "--quiet", "--allow-empty", "--message", "More")
    commit = shared.clone.git("rev-parse", "--short", "HEAD").strip()
    code, shown = shared.run("push")
    assert code == 0
    assert f"warning: no git remote has the commit {commit} yet; `git push`\n" in shown
