"""A stage reads what dvc.lock names, and what it reads stays the same while it runs."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from classifier.base.errors import UserError
from classifier.base.stage_inputs import checked_inputs, names_of, other_packages, params_of
from tests.conftest import Clone
from tests.sharing import MODEL

READ = {
    "prepare": "data/raw.csv",
    "crossval": "data/prepared/train/features.npy",
    "train": "data/prepared/schema.json",
    "evaluate": MODEL,
}


@pytest.mark.parametrize("stage", READ)
def test_no_stage_reads_what_dvc_lock_does_not_name(copied, monkeypatch, stage):
    monkeypatch.chdir(copied.path)
    with checked_inputs(stage):
        pass
    with Path(READ[stage]).open("ab") as file:
        file.write(b" ")
    words = r"is not the (file|folder) that dvc\.lock names"
    with pytest.raises(UserError, match=words), checked_inputs(stage):
        pytest.fail("it has begun")


@pytest.mark.parametrize("table", ["added.csv", "parts"])
def test_no_stage_reads_a_table_that_dvc_has_kept_otherwise(copied, monkeypatch, table):
    """As from a damaged cache: DVC goes by size and time."""
    monkeypatch.chdir(copied.path)
    path = Path("data/source", table, "part.csv" if table == "parts" else "")
    path.parent.mkdir(exist_ok=True)
    path.write_text("x,y\n1,a\n2,b\n")
    Path("data/source/folder.dvc").mkdir()
    Path("classifier/fetching/empty.dvc").touch()
    copied.run("dvc", "add", "--quiet", f"data/source/{table}")
    with checked_inputs("fetch"):
        pass
    stat = path.stat()
    edit(str(path), "1", "7")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    words = f"^data/source/{table}: is not what data/source/{table}.dvc names; `classifier verify "
    with pytest.raises(UserError, match=words), checked_inputs("fetch"):
        pytest.fail("it has begun")


def edit(path: str, old: str, new: str) -> None:
    Path(path).write_text(Path(path).read_text().replace(old, new))


@pytest.mark.parametrize(
    ("stage", "path", "old", "new", "what"),
    [
        ("train", "params.yaml", "epochs: 150", "epochs: 5", "train.epochs"),
        ("crossval", "params.yaml", "folds: 10", "folds: 5", "crossval.folds"),
        ("crossval", "params.yaml", "members: 1 ", "members: 2 ", "train.members"),
        ("train", "stages/train.py", "main", "run", "stages/train.py"),
        ("prepare", "data/raw.csv", "5.1", "5.2", "data/raw.csv"),
        ("train", "classifier/model/network.py", "softmax", "relu", "classifier/model/network.py"),
    ],
)
def test_what_changes_while_a_stage_runs_is_told(copied, monkeypatch, stage, path, old, new, what):
    monkeypatch.chdir(copied.path)
    words = f"^{what}: changed while {stage} was running; run `dvc repro` again$"
    with pytest.raises(UserError, match=words), checked_inputs(stage):
        edit(path, old, new)


@pytest.mark.parametrize(
    ("params", "names"),
    [
        (["train", "prepare.label"], ["train", "prepare.label"]),
        ([{"params.yaml": ["train"]}, {"own.yaml": ["rate"]}, {"other.json": None}], ["train"]),
        ([{"params.yaml": None}], [""]),
    ],
)
def test_params_are_named_in_all_ways_that_dvc_knows(params, names):
    assert names_of(params) == names
    known = params_of(b"train: {epochs: 5}\nprepare: {label: a}", names)
    assert known["train.epochs"] == 5


@pytest.mark.parametrize("text", ["", "[1]", "train"])
def test_params_that_are_gone_when_a_stage_ends_are_one_line(copied, monkeypatch, text):
    monkeypatch.chdir(copied.path)
    with (
        pytest.raises(UserError, match=r"^train\.activation, [^\n]* changed while"),
        checked_inputs("train"),
    ):
        Path("params.yaml").write_text(text)


def test_code_that_was_edited_while_it_was_loaded_is_told(copied, monkeypatch):
    """DVC would record the new code as what has run."""
    monkeypatch.chdir(copied.path)
    loaded = time.time()
    os.utime("classifier/model/network.py", (loaded, loaded))
    words = "^classifier/model/network.py: changed while train was running"
    with pytest.raises(UserError, match=words), checked_inputs("train", loaded - 0.001):
        pass
    with checked_inputs("train", loaded + 1):
        pass


def test_older_code_that_python_has_kept_is_told_and_forgotten(copied):
    """Python takes what it has compiled for that of a file of the same size and time."""
    path = copied.path / "classifier/scoring/scores.py"
    copied.environment["PYTHONDONTWRITEBYTECODE"] = ""
    copied.run("python", "-c", "import classifier.scoring.scores")
    stat = path.stat()
    copied.edit("classifier/scoring/scores.py", "FEW_MODELS = 10", "FEW_MODELS = 12")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    done = copied.run("dvc", "repro", "--single-item", "evaluate", check=False)
    words = "classifier/scoring/scores.py: Python has run an older version; run `dvc repro` again"
    assert f"error: {words}" in done.stderr
    os.utime(path)
    copied.run("dvc", "repro", "--single-item", "evaluate")


def test_code_of_a_time_to_come_is_told(copied, monkeypatch):
    """It may have changed, or not; it has not while a stage was running, each time again."""
    monkeypatch.chdir(copied.path)
    code_file, later = "classifier/model/network.py", time.time() + 86400
    os.utime(code_file, (later, later))
    words = f"^{code_file}: the time of the file is in the future; `touch {code_file}`$"
    with pytest.raises(UserError, match=words), checked_inputs("train", time.time()):
        pytest.fail("it has begun")


def test_the_start_of_a_process_is_known_to_hundredths_of_a_second():
    before = time.time()
    code = "from classifier.base.stage_inputs import process_start; print(process_start())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before - 0.03 < float(done.stdout) < before + 0.5


def test_packages_that_make_has_not_installed_are_told(copied, monkeypatch, tmp_path):
    monkeypatch.chdir(copied.path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with checked_inputs("train"):
        pass  # an environment that make has not made
    (tmp_path / "requirements.txt").write_text("keras==3.0\n")
    words = "^requirements.txt: is not what .* was made from; run `make repro`$"
    with pytest.raises(UserError, match=words), checked_inputs("train"):
        pytest.fail("it has begun")


def test_packages_installed_in_other_versions_are_told(copied, monkeypatch, tmp_path):
    """`pip install` of something else may change them, and DVC goes by requirements.txt."""
    monkeypatch.chdir(copied.path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    lock = Path("requirements.txt").read_text()
    Path("requirements.txt").write_text(re.sub("^keras==.*?(?= )", "keras==3.0", lock, flags=re.M))
    installed = metadata.version("keras")
    words = f"^requirements.txt: has keras 3.0, but {installed} is installed; run `uv pip install "
    with pytest.raises(UserError, match=words), checked_inputs("train"):
        pytest.fail("it has begun")


def test_packages_are_compared_where_the_project_itself_is_not_installed(copied, monkeypatch):
    """As after `pip install --requirement requirements.txt` alone; some of it may be lacking."""

    def version(name: str) -> str:
        if name in ("iris-classifier", "typer"):
            raise metadata.PackageNotFoundError(name)
        return "0.1"

    monkeypatch.chdir(copied.path)
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", version)
    found = [*other_packages(Path("requirements.txt").read_text())]
    assert any(line.endswith("but 0.1 is installed") and "has keras " in line for line in found)
    assert "typer" not in str(found)


def test_code_of_another_folder_does_not_run(copied):
    copied.environment["PYTHONSAFEPATH"] = "1"
    done = copied.run("dvc", "repro", "--force", "--single-item", "evaluate", check=False)
    assert done.returncode
    assert "error: this is the code in " in done.stdout + done.stderr


def test_a_test_set_that_comes_while_evaluate_runs_is_told(copied, monkeypatch):
    monkeypatch.chdir(copied.path)
    words = r"^data/test_sets/new\.csv: changed while evaluate was running"
    with pytest.raises(UserError, match=words), checked_inputs("evaluate"):
        Path("data/test_sets/new.csv").touch()


def test_what_a_stage_does_not_read_may_change(copied, monkeypatch):
    monkeypatch.chdir(copied.path)
    with checked_inputs("crossval"):
        edit("params.yaml", "  seed: 42\n  validation", "  seed: 43\n  validation")
        edit("params.yaml", "timeout: 30 ", "timeout: 31 ")
        edit("stages/train.py", "main", "run")
        (Path("classifier/model/__pycache__")).mkdir(exist_ok=True)
        Path("classifier/model/__pycache__/network.pyc").touch()


def test_an_error_of_the_stage_comes_first(copied, monkeypatch):
    monkeypatch.chdir(copied.path)
    with pytest.raises(UserError, match="its own"), checked_inputs("train"):
        edit("params.yaml", "epochs: 150", "epochs: 5")
        raise UserError("its own")


@pytest.mark.slow
def test_a_model_is_not_recorded_under_params_that_were_edited_while_it_was_trained(copied: Clone):
    """As somebody does who prepares the next try while `dvc repro` is running."""
    copied.edit("params.yaml", "folds: 10", "folds: 0")
    copied.edit("params.yaml", "epochs: 150", "epochs: 3000")
    command = ["dvc", "repro"]
    with subprocess.Popen(command, cwd=copied.path, env=copied.environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as repro:  # fmt: skip
        history = copied.path / "metrics/history.csv"
        try:
            for _ in range(600):  # until it writes the first curves
                if history.exists() and history.read_text().count("\n") > 200:
                    break
                time.sleep(0.05)
            copied.edit("params.yaml", "epochs: 3000", "epochs: 5")
            output = repro.communicate(timeout=120)[0]
        finally:
            repro.send_signal(signal.SIGINT)
    assert "error: train.epochs: changed while train was running; run `dvc repro` again" in output
    assert repro.returncode
    copied.run("dvc", "repro")
    assert history.read_text().count("\n") == 6
