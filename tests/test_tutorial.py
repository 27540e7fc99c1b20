"""docs/tutorial.md shows what its commands write; `make tutorial` writes it anew."""

import os
import re

import pytest

from classifier.model.runtime import keras  # which sets up what the script imports
from tests.conftest import ROOT, Clone
from tests.documents import paste

TUTORIAL = ROOT / "docs/tutorial.md"
CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


@pytest.fixture(scope="module")
def regenerated(reproduced: Clone, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tutorial with what its commands write, run one after the other in one shell."""
    clone = reproduced.copy(tmp_path_factory.mktemp("tutorial") / "clone")
    text = TUTORIAL.read_text()
    commands = re.findall(r"^\$ (.*)$", "\n".join(CONSOLE.findall(text)), re.MULTILINE)
    ran = iter(paste(clone, commands))

    def block(match: re.Match[str]) -> str:
        shown = [next(ran) for _ in re.findall(r"^\$ ", match[0], re.MULTILINE)]
        written = "".join(f"$ {command}\n{output}" for command, output in shown)
        return re.sub(r"[ \t]+$", "", written, flags=re.MULTILINE)

    return CONSOLE.sub(block, text)


@pytest.mark.slow
def test_it_shows_what_its_commands_write(regenerated):
    if "REGENERATE" in os.environ:
        TUTORIAL.write_text(regenerated)
    assert regenerated == TUTORIAL.read_text(), "run `make tutorial` and look at the difference"


def test_its_script_runs_and_has_fifteen_lines(monkeypatch, capsys):
    [script] = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert len(script.splitlines()) == 15
    monkeypatch.chdir(ROOT)
    keras.utils.set_random_seed(1)
    exec(script.replace("epochs=150", "epochs=1"), {})
    assert re.search(r"^loss \d\.\d{3}, accuracy \d\.\d{3}$", capsys.readouterr().out, re.MULTILINE)
