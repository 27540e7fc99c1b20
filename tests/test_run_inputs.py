"""What a stage was run with, it records itself: dvc.lock may name what nothing was run with."""

import json
from pathlib import Path

import pytest
from dvc.fs import localfs
from dvc.repo import Repo
from dvc_data.hashfile.build import build

from classifier.base.dep_md5 import md5_of_dep
from classifier.base.dvc_lock import STAGES, read_lock
from classifier.base.run_inputs import differences, record_of
from tests.conftest import OUTS, ROOT, Clone

ANEW = "see docs/reproducibility.md, then run `dvc repro --force`"


def of_train(name: str) -> str:
    return f"train was not run with the {name} that dvc.lock names"


@pytest.fixture
def falsely_cached(copied: Clone) -> Clone:
    """A clone whose run cache has, under fewer epochs, the results of what is committed."""
    copied.edit("params.yaml", "epochs: 150", "epochs: 5")
    copied.dvc("exp", "save", "--name", "five")
    copied.git("checkout", "--quiet", ".")
    copied.dvc("repro")
    copied.edit("params.yaml", "epochs: 150", "epochs: 5")
    assert not copied.stages_run(copied.dvc("repro"))
    return copied


def test_each_stage_records_what_dvc_does(reproduced):
    assert {*OUTS} == {name for name in OUTS if str(record_of(name)) in OUTS[name]}
    lock = read_lock(reproduced.path / "dvc.lock")
    for name in STAGES:
        run = json.loads(reproduced.read(str(record_of(name))))
        assert run["params"] == lock.params(name)
        assert run["deps"] == {dep.path: dep.md5 for dep in lock.stages[name].deps}


@pytest.mark.parametrize(
    "files",
    [
        {".dvcignore": "*.bak\n", "old.bak": "", "deep/new.csv": ""},
        {".dvcignore": "dep/deep/\n!dep/deep/new.csv\n", "deep/new.csv": ""},
        {".dvcignore": "dep/**\n!dep/new.csv\n", "deep/new.csv": "", "new.csv": ""},
        {"above/.dvcignore": "*.bak", "old.bak": "", "new.csv": ""},
        {"repository/.git/config": "", "repository/new.csv": "", ".git": "gitdir: there"},
        {"project/.dvc/config": "", "project/new.csv": "", "new.csv": ""},
        {".hg/a": "", "b.hg": "", "__pycache__/a.pyc": "", "deep/__pycache__/b.pyc": ""},
    ],
)
def test_the_md5_of_a_folder_is_that_of_dvc(tmp_path, monkeypatch, files):
    monkeypatch.chdir(tmp_path)
    dep = Path("above/dep")
    Path(".dvcignore").write_text((ROOT / ".dvcignore").read_text())
    for name, text in ({"table.csv": "x"} | files).items():
        path = dep / name
        if name == ".dvcignore":
            path, text = Path(name), text.replace("dep/", "above/dep/")
        elif name.startswith("above/"):
            path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    Repo.init(no_scm=True)
    with Repo() as repo:
        _, _, tree = build(
            repo.cache.local,
            str(dep.absolute()),
            localfs,
            "md5",
            dry_run=True,
            ignore=repo.dvcignore,
        )
    assert md5_of_dep(dep) == tree.hash_info.value


def test_what_dvc_is_told_to_ignore_is_in_no_record(copied):
    with (copied.path / ".dvcignore").open("a") as ignored:
        ignored.write("*.bak\n")
    (copied.path / "classifier/model/old.bak").touch()
    copied.reproduce("crossval", "train")
    assert "was not run with" not in copied.classifier("check", check=False).stdout


def test_params_that_were_saved_without_a_run_are_told_wherever_results_are_shown(falsely_cached):
    line = f"{of_train('train.epochs')}; {ANEW}"
    checked = falsely_cached.classifier("check", check=False)
    assert checked.returncode == 1
    assert line in checked.stdout.splitlines()
    assert line in falsely_cached.classifier("predict", "5.1", "3.5", "1.4", "0.2").stderr
    assert line in falsely_cached.classifier("report", "--markdown").stderr
    compared = falsely_cached.classifier("compare", "HEAD", "five").stderr
    assert compared == f"five: {of_train('train.epochs').replace('train was', 'crossval was')}\n"


def test_a_stage_says_that_what_it_reads_is_of_another_run(falsely_cached):
    done = falsely_cached.run("dvc", "repro", "--single-item", "--force", "evaluate")
    assert f"{of_train('train.epochs')}; {ANEW}" in done.stderr


def test_whoever_pushes_results_of_another_run_is_warned(shared):
    shared.clone.edit("params.yaml", "epochs: 150", "epochs: 5")
    shared.dvc("commit", "--force")
    assert (
        f"warning: {of_train('train.epochs')}"
        in shared.clone.classifier("push", check=False).stderr
    )


def test_code_that_was_committed_without_a_run_is_told(copied):
    copied.edit("classifier/model/network.py", '"""The params', '"""All params')
    copied.dvc("commit", "--force")
    done = copied.classifier("check", check=False)
    assert f"{of_train('classifier/model')}; {ANEW}" in done.stdout.splitlines()


def test_a_run_anew_mends_it(falsely_cached):
    falsely_cached.reproduce("crossval", "train", "evaluate")
    assert "was not run with" not in falsely_cached.classifier("check", check=False).stdout


@pytest.mark.parametrize(
    ("params", "deps", "expected"),
    [
        ({"train": {"epochs": 5, "hidden": [8]}}, {"data/raw.csv": "ab"}, []),
        ({"train": {"epochs": 6, "hidden": [8]}}, {"data/raw.csv": "ab"}, ["train.epochs"]),
        ({"train": {"hidden": [8]}}, {"data/raw.csv": "ab"}, []),
        ({"prepare": {"label": "two spaces"}}, {}, []),
        (
            {"train": {"epochs": 5, "hidden": [8], "seed": 1}},
            {"data/raw.csv": "ab"},
            [],
        ),
        ({"train.epochs": 5, "train.hidden": [8]}, {"data/raw.csv": "cd"}, ["data/raw.csv"]),
        ({"train.epochs": 5, "train.hidden": [8]}, {"data/raw.csv": "ab", "s3://table": ""}, []),
    ],
)
def test_what_both_name_may_differ(params, deps, expected):
    params_run = {"train.epochs": 5, "train.hidden": [8], "prepare.label": "two  spaces"}
    run = {"params": params_run, "deps": {"data/raw.csv": "ab"}}
    paths = [{"path": path, "md5": md5} for path, md5 in deps.items()]
    stage = {"params": {"params.yaml": params}, "deps": paths}
    assert differences(json.dumps(run).encode(), stage) == expected


@pytest.mark.parametrize(
    "record", [b"", b"null", b"[]", b'{"params": {}}', b'{"params": 1, "deps": 2}']
)
def test_a_record_that_is_none_is_told(record):
    assert differences(record, {}) == ["metrics/inputs"]
