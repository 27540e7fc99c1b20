"""`classifier` and `python -m stages.NAME`, in the hands of people."""

import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from classifier.base.errors import one_line
from tests.conftest import ROOT, Clone


@pytest.mark.parametrize("option", ["--jso", "--version", "-x", "-inf", "-9h"])
def test_a_misspelt_option_is_no_value(option):
    done = Clone(ROOT).classifier("predict", option, "5.1", check=False)
    assert done.returncode == 2
    assert "No such option: -" in done.stderr


@pytest.mark.parametrize("value", ["-1.5", "-0.2e3", "-.5", "-1e999", "-1,5", "-- -9h"])
def test_a_negative_number_is_a_value(fresh, value):
    done = fresh.classifier("predict", *value.split(), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run `dvc repro` first" in done.stderr


def test_ctrl_c_while_tensorflow_is_imported_leaves_no_traceback(reproduced):
    command = [sys.executable, "-X", "importtime", "-m", "stages.train"]
    with subprocess.Popen(command, cwd=reproduced.path, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        assert any(line.split()[-1] == "classifier.rows.dataset" for line in run.stderr)
        loaded = Path(f"/proc/{run.pid}/maps")  # nothing else is seen of the seconds that it takes
        while "libtensorflow" not in loaded.read_text():
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        assert "Traceback" not in run.communicate()[1]
    assert run.returncode == 130


@pytest.mark.parametrize("command", [f"{sys.prefix}/bin/classifier", "python -m classifier"])
def test_elsewhere_it_says_where_it_can_be_run(tmp_path, command):
    elsewhere = Clone(tmp_path)
    done = elsewhere.run(*command.split(), "verify", check=False)
    line = "error: run this in the project's top folder, where dvc.yaml is\n"
    assert (done.returncode, done.stderr) == (2, line)
    assert "Examples:" in elsewhere.run(*command.split(), "--help").stdout


def test_the_code_of_another_clone_is_told(copied):
    """As its console script is in a copy of a clone, or with the environment of another."""
    done = copied.run(f"{sys.prefix}/bin/classifier", "predict", "5.1", "3.5", "1.4", "0.2")
    assert done.stdout.startswith("Iris-setosa")
    assert done.stderr == (
        f"warning: this is the code in {ROOT}, not in this folder; `make` installs what is here\n"
    )
    done = copied.run("python", "-m", "classifier", "predict", "5.1", "3.5", "1.4", "0.2")
    assert done.stderr == ""


@pytest.mark.parametrize("folder", ["own", "its own", "copied"])
def test_make_sees_that_an_environment_is_of_another_clone(tmp_path, folder):
    """Of one that was copied or moved, commands are those of where it was."""
    clone = Clone(tmp_path / folder)
    (clone.path / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, clone.path)
    shutil.copy(ROOT / "requirements.txt", clone.path / ".venv")
    for command in ("python", "dvc"):
        (clone.path / ".venv/bin" / command).symlink_to("/bin/true")
    of = tmp_path / folder.replace("copied", "original") / ".venv"
    (clone.path / ".venv/pyvenv.cfg").write_text(f"command = python3 -m venv --clear {of}\n")
    done = clone.run("make", "environment", "PYTHON=false", check=False)
    assert ("Python 3.11, 3.12 or 3.13 is needed" in done.stderr) == (folder == "copied")
    assert bool(done.returncode) == (folder == "copied")


def test_installing_the_project_runs_no_code_when_python_starts():
    site = Path(sysconfig.get_path("purelib"))
    (line,) = [path.read_text() for path in site.glob("iris_classifier*.pth")]
    assert Path(line).is_dir(), "a folder to look for modules in"


def test_a_message_is_one_line_where_a_name_has_several():
    message = "a\nb.csv: row 1:\r\n  found 'x  y'\u2028"
    assert one_line(message) == "error: a b.csv: row 1: found 'x  y'"
