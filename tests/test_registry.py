"""The model registry of docs/registry.md, in a bare git repository and a folder of DVC's."""

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Clone
from tests.documents import commands_in, paste
from tests.sharing import MODEL, SCHEMA, flip_a_bit

COMMANDS = commands_in("docs/registry.md")


@pytest.fixture(scope="module")
def models(compared: Clone) -> list[bytes]:
    """The ONNX models of two commits, the first trained for 150 epochs, the second for 20."""
    read = f"import dvc.api; print(dvc.api.read({MODEL!r}, rev='REV', mode='rb').hex())"
    return [
        bytes.fromhex(compared.run("python", "-c", read.replace("REV", revision)).stdout)
        for revision in ("HEAD~1", "HEAD")
    ]


@pytest.fixture(scope="module")
def registry(compared: Clone, once) -> Clone:
    """A clone of the first commit in which all commands of the document have been run."""

    def make(folder: Path) -> None:
        clone = compared.copy(folder / "clone")
        clone.git("reset", "--quiet", "--hard", "HEAD~1")
        clone.dvc("checkout")
        (folder / "dvc-remote").mkdir()
        # An environment of its own is what tests/test_rebuild.py sets up.
        here = [line.replace(" rebuild ", " rebuild --same-environment ") for line in COMMANDS]
        pasted = paste(clone, here)
        (folder / "ran.json").write_text(json.dumps(pasted))

    return Clone(once("registry", make) / "clone")


@pytest.fixture
def service(registry: Clone) -> Path:
    """Where the document's commands have fetched models to."""
    return registry.path.parent / "service"


@pytest.mark.slow
def test_a_model_is_fetched_by_stage_by_version_or_the_latest(service, models):
    first, second = models
    assert first != second
    assert (service / "classifier.onnx").read_bytes() == second
    assert (service / "latest.onnx").read_bytes() == second
    assert (service / "first.onnx").read_bytes() == first


@pytest.mark.slow
def test_any_file_of_a_version_is_fetched_by_its_path(registry, service):
    assert (service / "schema.json").read_text() == registry.read(SCHEMA)
    assert (service / "classifier.keras").stat().st_size > 0


@pytest.mark.slow
def test_after_going_back_the_stage_has_the_version_before(registry, models):
    fetch = next(command for command in COMMANDS if "--stage prod --remote" in command)
    paste(Clone(registry.path), ["cd ../service", f"{fetch} --out back.onnx"])
    assert (registry.path.parent / "service/back.onnx").read_bytes() == models[0]


@pytest.mark.slow
def test_a_version_is_rebuilt_attested_signed_and_checked(registry):
    ran = dict(json.loads((registry.path.parent / "ran.json").read_text()))
    shown = {command: ran[command] for command in COMMANDS if command in ran}
    assert "Verification succeeded" in "".join(shown.values())
    assert "../v0.0.1.json: all artifacts that it names match by SHA-256" in "".join(shown.values())


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["v0.0.1.json", "v0.0.1.sig", "signing.pub"])
def test_a_byte_of_what_was_signed_is_refused(registry, tmp_path, changed):
    [check] = [line for line in COMMANDS if line.startswith("model_signing verify ")]
    for name in ("v0.0.1.json", "v0.0.1.sig", "signing.pub"):
        (tmp_path / name).write_bytes((registry.path.parent / name).read_bytes())
    (tmp_path / "clone").mkdir()
    somewhere = Clone(tmp_path / "clone")
    assert somewhere.run("bash", "-c", check, check=False).returncode == 0
    flip_a_bit(tmp_path / changed)
    done = somewhere.run("bash", "-c", check, check=False)
    assert "Verification failed" in done.stdout + done.stderr
    assert done.returncode


def test_each_file_of_the_model_is_an_artifact_with_all_that_describes_it():
    artifacts = yaml.safe_load((ROOT / "dvc.yaml").read_text())["artifacts"]
    models = {"models/classifier.keras", "models/classifier.onnx"}
    assert {artifact["path"] for artifact in artifacts.values()} == models
    for artifact in artifacts.values():
        assert set(artifact) == {"path", "type", "desc", "labels"}
