"""`python -m classifier` and `python -m stages.NAME`, in the hands of people."""

import signal
import subprocess
import sys

import pytest

from classifier.errors import one_line
from tests.conftest import ROOT, Clone


@pytest.mark.parametrize("option", ["--jso", "--version", "-x", "-inf"])
def test_a_misspelt_option_is_no_value(option):
    done = Clone(ROOT).classifier("predict", option, "5.1", check=False)
    assert done.returncode == 2
    assert "No such option: -" in done.stderr


@pytest.mark.parametrize("value", ["-1.5", "-0.2e3", "-.5", "-1e999", "-1,5", "-- -x"])
def test_a_negative_number_is_a_value(fresh, value):
    done = fresh.classifier("predict", *value.split(), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run `dvc repro` first" in done.stderr


@pytest.mark.parametrize("module", ["classifier", "stages.fetch"])
def test_ctrl_c_leaves_no_traceback_while_modules_are_imported(module):
    command = [sys.executable, "-X", "importtime", "-m", module]  # tells of each import at its end
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any(line.split()[-1] == "classifier" for line in process.stderr)
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate()[1]
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("module", ["classifier", "stages.fetch"])
def test_outside_the_environment_it_says_to_enter_it(module):
    bare = [sys.executable, "-I", "-S", "-c"]
    script = (
        f"import runpy, sys; sys.path.insert(0, '.'); sys.argv = ['-m'];"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    done = Clone(ROOT).run(*bare, script, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert ". .venv/bin/activate" in done.stderr


def test_a_message_is_one_line_where_a_name_has_several():
    message = "a\nb.csv: row 1:\r\n  found 'x  y'\u2028"
    assert one_line(message) == "error: a b.csv: row 1: found 'x  y'"
