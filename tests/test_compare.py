"""compare: whether two revisions differ by more than noise, on the same folds or on others."""

import json
import re
import shutil
import sqlite3

import pandas as pd
import pytest
import yaml

from classifier.base.dvc_lock import read_lock
from classifier.base.paths import LOCK, PARAMS
from classifier.commands.revisions import files_at
from tests.conftest import Clone

METRICS = ["accuracy", "loss", "macro_f1"]


def compare(clone: Clone, *arguments: str, check: bool = True):
    return clone.classifier("compare", *arguments, check=check)


def as_json(clone: Clone, *arguments: str) -> dict:
    compared: dict = json.loads(compare(clone, "--json", *arguments).stdout)
    return compared


def test_fewer_epochs_are_worse_by_more_than_noise(compared):
    result = as_json(compared, "HEAD~1", "HEAD")
    assert (result["old"], result["new"], result["paired"]) == ("HEAD~1", "HEAD", True)
    assert {metric: result["metrics"][metric]["verdict"] for metric in METRICS} == dict.fromkeys(
        METRICS, "worse"
    )
    back = as_json(compared, "HEAD", "HEAD~1")["metrics"]
    for metric, change in result["metrics"].items():
        assert back[metric]["verdict"] == "better"
        assert back[metric]["difference"] == -change["difference"]
        assert change["difference"] == pytest.approx(change["new"] - change["old"], abs=2e-6)


def test_both_sides_are_those_of_crossval_json(compared):
    change = as_json(compared, "HEAD~1", "HEAD")["metrics"]["accuracy"]
    old = json.loads(compared.git("show", "HEAD~1:metrics/crossval.json"))["accuracy"]
    new = json.loads(compared.read("metrics/crossval.json"))["accuracy"]
    assert (change["old"], change["new"]) == (old["mean"], new["mean"])


def test_a_revision_and_its_own_workspace_do_not_differ(compared):
    shown = compare(compared).stdout
    assert shown.splitlines()[0].split() == [
        "metric", "HEAD", "workspace", "difference", "95%", "interval", "verdict",
    ]  # fmt: skip
    assert shown.count("  no more than noise") == 3
    assert "Paired: the same 150 rows in the same folds on both sides." in shown


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_a_branch_that_is_named_as_the_files_are_is_told_apart(compared, tmp_path, kind):
    clone = compared.copy(tmp_path / "clone")
    assert compare(clone).stderr == ""
    clone.git(kind, "workspace", "HEAD~1")
    told = compare(clone).stderr
    start, _, rest = told.partition("; ")
    assert start == "workspace: means the files as they are now"
    ref = rest.removesuffix(" has the same name\n")
    named = as_json(clone, ref, "HEAD")
    assert named["metrics"] == as_json(clone, "HEAD~1", "HEAD")["metrics"]


def test_a_tag_is_meant_rather_than_a_branch_and_that_is_told(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    clone.git("branch", "both", "HEAD~1")
    clone.git("tag", "both", "HEAD")
    told = compare(clone, "both").stderr
    assert told == "both: means refs/tags/both; refs/heads/both has the same name\n"
    assert as_json(clone, "both", "HEAD")["metrics"] == as_json(clone, "HEAD", "HEAD")["metrics"]


def test_a_branch_without_a_commit_has_no_head(compared, tmp_path):
    """DVC would take the HEAD of a remote for it."""
    clone = compared.copy(tmp_path / "clone")
    clone.git("update-ref", "refs/remotes/origin/HEAD", "HEAD")
    clone.git("checkout", "--quiet", "--orphan", "unborn")
    done = compare(clone, check=False)
    assert (done.returncode, done.stderr) == (1, "error: HEAD: there is no commit yet\n")


def test_an_experiment_is_meant_where_the_branches_of_remotes_differ(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    head = clone.git("rev-parse", "HEAD").strip()
    own = f"refs/exps/{head[:2]}/{head[2:]}/topic"
    clone.git("update-ref", own, "HEAD")
    for remote in ("one", "two"):
        clone.git("remote", "add", remote, "nowhere")
        made = clone.git("commit-tree", "-m", remote, "HEAD^{tree}").strip()
        clone.git("update-ref", f"refs/remotes/{remote}/topic", made)
    told = compare(clone, "topic").stderr.splitlines()
    assert told == [
        f"topic: means {own}; refs/remotes/{remote}/topic has the same name"
        for remote in ("one", "two")
    ]


def test_what_is_below_a_name_has_another_name(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    head = clone.git("rev-parse", "HEAD").strip()
    clone.git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/try", "HEAD")
    for branch in ("try/a", "try/b"):
        clone.git("branch", branch, "HEAD~1")
    assert compare(clone, "try").stderr == ""


def test_a_branch_is_meant_rather_than_an_experiment_and_that_is_told(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    head = clone.git("rev-parse", "HEAD").strip()
    other, own = f"refs/exps/00/{'1' * 38}/wide", f"refs/exps/{head[:2]}/{head[2:]}/wide"
    for ref in (other, own):
        clone.git("update-ref", ref, "HEAD")
    assert compare(clone, "wide").stderr == f"wide: means {own}; {other} has the same name\n"
    remote = "refs/remotes/theirs/wide"
    clone.git("remote", "add", "theirs", "nowhere")
    clone.git("update-ref", remote, "HEAD~1")
    assert compare(clone, "wide").stderr.startswith(f"wide: means {remote}; {own} has the same na")
    assert as_json(clone, "wide")["metrics"] == as_json(clone, "HEAD~1")["metrics"]
    clone.git("branch", "wide", "HEAD")
    assert compare(clone, "wide").stderr.startswith(f"wide: means refs/heads/wide; {own} has the ")
    assert as_json(clone, "wide")["metrics"] == as_json(clone, "HEAD")["metrics"]


def test_a_branch_that_a_remote_has_too_is_not_told(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    for name in ("HEAD", "main"):
        clone.git("update-ref", f"refs/remotes/origin/{name}", "HEAD~1")
        assert compare(clone, name).stderr == ""


@pytest.mark.parametrize("lacking", ["blob:none", "tree:0"])
def test_what_a_partial_clone_lacks_is_fetched(compared, tmp_path, lacking):
    whole = compared.copy(tmp_path / "whole")
    whole.git("config", "uploadpack.allowFilter", "true")
    whole.git(
        "clone", "--quiet", f"--filter={lacking}", whole.path.as_uri(), str(tmp_path / "part")
    )
    partial = Clone(tmp_path / "part")
    shutil.copytree(whole.path / ".dvc/cache", partial.path / ".dvc/cache")
    assert as_json(partial, "HEAD~1", "HEAD") == as_json(whole, "HEAD~1", "HEAD")


def test_markdown_is_a_table_and_worse_can_fail(compared):
    failed = compare(compared, "HEAD~1", "HEAD", "--markdown", "--fail-if-worse", check=False)
    assert failed.returncode == 1
    assert failed.stdout.startswith("| metric")
    assert compare(compared, "HEAD", "HEAD~1", "--fail-if-worse").returncode == 0


def test_other_folds_of_the_same_rows_are_compared_row_by_row(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    clone.edit("params.yaml", "repeats: 10 ", "repeats: 2 ")
    clone.edit("params.yaml", "  folds: 10 ", "  folds: 5 ")
    lines = clone.read("metrics/out_of_fold.csv").splitlines(keepends=True)
    rewrite(clone, "metrics/out_of_fold.csv", "".join(lines[:301]))  # as crossval would
    clone.dvc("commit", "--force", "crossval")
    clone.dvc("exp", "save", "--name", "two-repeats")
    result = as_json(clone, "HEAD", "two-repeats")
    assert result["paired"]
    assert result["metrics"]["accuracy"]["verdict"] == "no more than noise"
    shown = compare(clone, "HEAD", "two-repeats").stdout
    assert "Paired: the same 150 rows on both sides, in different folds." in shown
    assert "crossval.folds differs, 10 and 5: one test may be harder, whatever the model." in shown


def test_other_code_is_told(compared, tmp_path):
    """Then it may be what makes a difference, not the params."""
    clone = compared.copy(tmp_path / "clone")
    assert "code" not in compare(clone, "HEAD~1", "HEAD").stdout
    md5 = read_lock(clone.path / "dvc.lock").code("crossval")["classifier/scoring"]
    rewrite(clone, "dvc.lock", clone.read("dvc.lock").replace(md5, f"{'0' * 32}.dir"))
    words = "The code or packages differ, which may be the reason: classifier/scoring."
    assert words in compare(clone).stdout


def test_other_rows_are_compared_unpaired(compared, tmp_path):
    clone = compared.copy(tmp_path / "clone")
    lines = clone.read("metrics/out_of_fold.csv").splitlines(keepends=True)
    some = [line for line in lines if line.split(",")[2] not in ("149", "150")]
    rewrite(clone, "metrics/out_of_fold.csv", "".join(some))
    clone.dvc("commit", "--force", "crossval")
    assert not as_json(clone)["paired"]
    words = "Unpaired: the rows differ, 150 and 148 rows."
    assert words in compare(clone).stdout
    assert as_json(clone)["notes"][0].startswith(words)


def rewrite(clone: Clone, path: str, text: str) -> None:
    """Replace a file, which may be a link to the cache."""
    (clone.path / path).unlink()
    (clone.path / path).write_text(text)


def test_two_revisions_folds_are_laid_over_each_other_in_a_plot(compared):
    plots = json.loads(compared.dvc("plots", "diff", "HEAD~1", "--json"))["data"]
    (plot,) = plots["metrics/folds.csv"]
    spec = plot["content"]
    shown = pd.DataFrame(spec["data"]["values"])
    assert shown.rev.value_counts().to_dict() == {"HEAD~1": 100, "workspace": 100}
    assert "'accuracy'" in spec["layer"][0]["transform"][0]["calculate"]
    assert spec["layer"][1]["encoding"]["x"]["field"] == "accuracy"
    assert spec["layer"][0]["encoding"]["y"]["stack"] is None
    assert spec["encoding"]["color"]["field"] == "rev"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "unknown Git revision 'nosuch'"),
        (["HEAD~1", "nosuch"], "unknown Git revision 'nosuch'"),
        (["HEAD:params.yaml"], "HEAD:params.yaml: is not a commit, branch, tag or experiment"),
        ([""], "an empty name is not a revision"),
    ],
)
def test_what_cannot_be_compared_is_one_line(compared, arguments, words):
    done = compare(compared, *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {words}\n"


def test_a_model_of_other_rows_or_settings_than_the_folds_is_not_compared(copied):
    lock = yaml.safe_load(copied.read("dvc.lock"))
    for changed in (
        lambda train: train["params"]["params.yaml"]["train"].update(epochs=7),
        lambda train: [
            dep.update(md5="0" * 32) for dep in train["deps"] if "prepared" in dep["path"]
        ],
    ):
        other = json.loads(json.dumps(lock))
        changed(other["stages"]["train"])
        (copied.path / "dvc.lock").write_text(yaml.safe_dump(other))
        done = compare(copied, check=False)
        assert (done.returncode, done.stderr) == (
            1, "error: workspace: was cross-validated on other rows or settings; run `dvc repro`\n",
        )  # fmt: skip


def test_a_damaged_object_of_git_is_one_line(copied):
    tree = copied.git("rev-parse", "HEAD^{tree}").strip()
    packed = [*(copied.path / ".git/objects/pack").glob("*.pack")]
    for pack in packed:
        pack.rename(copied.path.parent / pack.name)
        copied.run("sh", "-c", f"git unpack-objects -q < ../{pack.name}")
    git_object = copied.path / ".git/objects" / tree[:2] / tree[2:]
    content = git_object.read_bytes()
    git_object.unlink()  # it may be a hard link to that of another clone
    git_object.write_bytes(content[:20] + b"damage")
    assert compare(copied, check=False).stderr.startswith("error: git: ")


def test_two_tables_are_not_compared_without_a_word(copied):
    lock = yaml.safe_load(copied.read("dvc.lock"))
    for stage in lock["stages"].values():
        for entry in stage["deps"] + stage["outs"]:
            entry["md5"] = "0" * 32 if entry["path"] == "data/raw.csv" else entry["md5"]
    (copied.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    words = "The tables differ: one may be easier than the other"
    assert f"\n{words}" in compare(copied).stdout
    page = copied.classifier("report", "--markdown", "--against", "HEAD").stdout
    assert re.search(rf"Change in accuracy since HEAD: .* {words}", page), "beside the verdict"


def test_a_folder_that_cannot_be_written_to_is_one_line(copied, monkeypatch):
    """Root may write anywhere, so DVC's complaint is made here."""

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr("classifier.commands.revisions.Repo", refuse)
    assert "error: DVC cannot use its database in" in compare(copied, check=False).stderr


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("metrics/out_of_fold.csv", "a\n1\n",
         "metrics/out_of_fold.csv: does not match this dvc.lock; run `dvc repro`"),
        ("dvc.lock", "a: [\n", "dvc.lock: line "),
        ("dvc.lock", "a: 1\n", "dvc.lock: is damaged"),
        ("dvc.lock", None, "has no dvc.lock; `dvc repro` writes it"),
    ],
)  # fmt: skip
def test_a_side_that_cannot_be_read_is_one_line(copied, path, content, words):
    rewrite(copied, path, content or "")
    if content is None:
        (copied.path / path).unlink()
    done = compare(copied, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: workspace: {words}")


def test_a_revision_whose_rows_are_not_here_is_one_line(copied):
    shutil.rmtree(copied.path / ".dvc/cache")
    words = "error: HEAD: its metrics/out_of_fold.csv is not in the cache, and no remote could "
    assert compare(copied, check=False).stderr.startswith(words)


def test_a_revision_whose_rows_were_not_kept_is_one_line(copied):
    lock = yaml.safe_load(copied.read("dvc.lock"))
    outs = lock["stages"]["crossval"]["outs"]
    outs[:] = [out for out in outs if "out_of_fold" not in out["path"]]
    (copied.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    words = "error: workspace: predates metrics/out_of_fold.csv; run `dvc repro` there"
    assert compare(copied, check=False).stderr == f"{words}\n"


@pytest.mark.parametrize("key", ["  prepare:", "data/raw.csv", "  crossval:", "params.yaml"])
def test_a_lock_that_lacks_what_is_compared_is_one_line(copied, key):
    lock = copied.read("dvc.lock").replace(key, key.replace(key.strip(), f"z{key.strip()}"))
    (copied.path / "dvc.lock").write_text(lock)
    done = compare(copied, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("  crossval:\n", "dvc.lock has no crossval: it or its run was cut off"),
        ("  crossval:", "dvc.lock: is damaged: it is cut off"),
    ],
)
def test_a_lock_that_is_cut_off_is_told_as_such(copied, end, words):
    before, _, _ = copied.read("dvc.lock").partition("  crossval:\n")
    (copied.path / "dvc.lock").write_text(before + end.removesuffix("  crossval:\n"))
    assert compare(copied, check=False).stderr == f"error: workspace: {words}\n"


def test_stages_that_do_not_fit_together_are_not_compared(copied):
    """As after `dvc repro prepare`, with other params."""
    lock = yaml.safe_load(copied.read("dvc.lock"))
    prepared, _ = lock["stages"]["prepare"]["outs"]
    prepared["md5"] = f"{'0' * 32}.dir"
    (copied.path / "dvc.lock").write_text(yaml.safe_dump(lock))
    words = "error: workspace: dvc.lock: its stages have seen different versions of data/prepared;"
    assert compare(copied, check=False).stderr.startswith(words)


def test_a_commit_whose_results_are_of_something_else_is_told(copied):
    copied.edit("params.yaml", "hidden: [8]", "hidden: [16]")
    (copied.path / "classifier/params.py").write_text("# another\n")
    copied.commit("Not reproduced")
    assert compare(copied, "HEAD~1", "HEAD").stderr.splitlines() == [
        "HEAD: its results were made with another train.hidden",
        "HEAD: its results were made with another classifier/params.py",
    ]


def test_params_that_have_changed_since_are_told(copied):
    copied.edit("params.yaml", "hidden: [8]", "hidden: [16]")
    copied.edit("params.yaml", "test_size: 0.0", "test_size: 0.2")
    copied.edit("dvc.yaml", "python -m stages.crossval", "python -O -m stages.crossval")
    told = [
        "prepare.test_size has changed since; run `dvc repro`",
        "train.hidden has changed since; run `dvc repro`",
        "cmd of crossval has changed since; run `dvc repro`",
    ]
    assert compare(copied).stderr.splitlines() == told
    # What goes into a pull request, or is read by a program, has them too.
    assert json.loads(compare(copied, "--json").stdout)["notes"][:3] == told
    assert "\n".join(told) in compare(copied, "--markdown").stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  test_size: 0.0 ", "  # test_size", "error: params.yaml: prepare.test_size: missing"),
        ("train:", "train: [", "error: params.yaml: line "),
    ],
)
def test_params_that_are_broken_are_named(copied, old, new, words):
    copied.edit("params.yaml", old, new)
    assert compare(copied, check=False).stderr.startswith(words)


def test_a_file_of_a_revision_is_not_read_by_the_stream_that_may_wait_for_ever(
    compared, monkeypatch
):
    monkeypatch.chdir(compared.path)
    monkeypatch.setattr("pygit2.BlobIO", None)
    assert files_at("HEAD~1", LOCK, PARAMS / "nosuch") == {
        LOCK: compared.git("show", f"HEAD~1:{LOCK}").encode()
    }


def test_help_has_examples(reproduced):
    assert "compare main my-experiment\n" in compare(reproduced, "--help").stdout
