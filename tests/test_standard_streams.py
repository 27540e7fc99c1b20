"""What is written reaches a file as it is, and a terminal as something to look at."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from classifier.__main__ import use
from classifier.base.errors import UserError, one_line, quoted
from classifier.base.files import md5_of
from classifier.base.progress import Progress
from classifier.base.standard_streams import OF_MESSAGES, OF_OUTPUT, Stream, named_errors
from classifier.model.fill_and_scale import NOTHING
from classifier.model.network import dense_layers
from classifier.table.schema import Schema
from classifier.training.onnx_file import save_onnx
from classifier.training.saving import load_keras
from tests.conftest import ROOT, Clone

NAME = "🌷\x1b[31m\u202e\x9b"
SHOWN = r"🌷\x1b[31m\u202e\x9b"
ONNX = "models/classifier.onnx"
PREDICT, REPORT = (f"classifier {words}" for words in ("predict", "report --markdown"))
# No coercion to UTF-8, as a locale such as de_DE.ISO-8859-1 has none, and any machine has this one.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def tulips(copied: Clone) -> Clone:
    """A clone whose first class has a name that not every encoding and no terminal can have."""
    schema, model = (copied.path / name for name in ("data/prepared/schema.json", ONNX))
    prepared, described = md5_of(copied.path / "data/prepared"), md5_of(schema)
    schema.write_text(schema.read_text().replace('"Iris-setosa"', json.dumps(NAME)))
    before, keras_model = md5_of(model), load_keras(copied.path / "models/classifier.keras")
    save_onnx(Schema.load(schema), NOTHING, dense_layers(keras_model), model)
    lock, folder = copied.path / "dvc.lock", copied.path / "data/prepared"
    text = lock.read_text().replace(before, md5_of(model))
    lock.write_text(text.replace(prepared, md5_of(folder)).replace(described, md5_of(schema)))
    copied.record_others()
    return copied


def on_a_terminal(clone: Clone, *command: str) -> str:
    """Run a command with standard output and error on a terminal, and return what it shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=clone.path, env=clone.environment, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while part := read(ours):
            shown += part
    os.close(ours)
    assert process.returncode in (0, 1)
    return shown.decode().replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the process has ended
        return b""


def test_a_terminal_shows_control_characters_and_a_file_gets_them(tulips):
    (tulips.path / NAME).touch()
    row = ("5.1", "3.5", "1.4", "0.2")
    assert on_a_terminal(tulips, *PREDICT.split(), *row).startswith(f"{SHOWN}\n  {SHOWN}")
    assert tulips.run(*PREDICT.split(), *row).stdout.startswith(f"{NAME}\n  {NAME}")
    assert on_a_terminal(tulips, *PREDICT.split(), NAME) == (
        f"error: {SHOWN}: is empty, expected a table\n"
    )


def test_bars_are_drawn_on_a_terminal_but_names_in_them_do_nothing(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", Stream(terminal, OF_MESSAGES, named_errors))
    with Progress(desc="\x1b[31m\r", total=3) as bar:
        bar.update(3)
    assert terminal.getvalue().startswith("\r\\x1b[31m\\r:   0%")
    assert terminal.getvalue().count("\r") > 1
    assert "\x1b" not in terminal.getvalue()


@pytest.mark.parametrize("text", ["\r", "\x1b[A", "a\x1b[0m", "\x9b2J", "\u2066", "\x1b[31mERROR"])
def test_standard_output_obeys_nothing(text):
    terminal = Terminal()
    print(text, file=Stream(terminal, OF_OUTPUT, named_errors))
    assert terminal.getvalue() == text.encode("unicode_escape").decode() + "\n"


def test_what_is_written_does_not_depend_on_the_locale(tulips):
    (tulips.path / "größe.csv").write_text("5.1,3.5,1.4,0.2\n")
    predicted = tulips.classifier("predict", "größe.csv").stdout
    reported = tulips.classifier("report", "--markdown").stdout
    assert "🌷" in predicted
    assert "🌷" in reported
    for environment in (ASCII, {"PYTHONIOENCODING": "latin-1"}):
        other = Clone(tulips.path, **environment)
        assert other.run(*PREDICT.split(), "größe.csv", encoding="utf-8").stdout == predicted
    assert Clone(tulips.path, **ASCII).run(*REPORT.split(), encoding="utf-8").stdout == reported


def test_a_stage_finds_a_file_of_any_name_in_any_locale(fresh):
    (fresh.path / "data/source/größe.csv").write_bytes(b"1,2\n")
    fresh.edit("params.yaml", "data/source/iris.data", "data/source/größe.csv")
    fresh.environment |= ASCII
    done = fresh.run("python", "-m", "stages.fetch", check=False)
    assert "error: fetch.source: data/source/größe.csv: its sha256 is " in done.stderr


def test_a_command_without_standard_output_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(UserError, match="standard output is closed"):
        use()


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [("--help", ""), ("predict 5.1 3.5 1.4 0.2", "1"), ("predict 5.1 3.5 1.4 0.2", "")],
)
def test_an_answer_that_a_full_disk_does_not_take_is_one_line(reproduced, command, unbuffered):
    shell = f"PYTHONUNBUFFERED={unbuffered} classifier {command} > /dev/full"
    done = reproduced.run("sh", "-c", shell, check=False)
    assert (done.returncode, done.stderr) == (
        1, "error: standard output: No space left on device\n",
    )  # fmt: skip


@pytest.mark.parametrize("command", ["python -m stages.prepare 2>&-", f"{REPORT} 2> /dev/full"])
def test_without_standard_error_all_is_done(copied, command):
    before = copied.files()
    copied.edit("params.yaml", "retries: 3", "retries: 4")  # which report tells of there
    assert copied.run("sh", "-c", f"{command} <&-").stderr == ""
    assert copied.files() == before


def test_a_file_never_gets_the_number_of_a_closed_stream():
    script = (
        "import os; from classifier.base.standard_streams import set_up_streams; set_up_streams();"
        "print(open('README.md').fileno())"
    )
    command = f'{sys.executable} -c "{script}" <&- 2>&-'
    assert int(Clone(ROOT).run("sh", "-c", command).stdout) > 2


def test_a_message_is_one_line_however_long_a_value_is():
    assert quoted("x" * 4_000) == f"'{'x' * 60}'... (4,000 characters)"
    assert quoted([1, 2]) == "[1, 2]"
    line = one_line(f"{Path('a') / ('b' * 4_000)}: no such file; {'c ' * 4_000}")
    assert line.startswith("error: a/bbbb")
    assert len(line) <= 1_000
