"""Every artifact is the same to the byte from any clone."""

import json
import platform
import shutil
import sys
from importlib.metadata import version

import pytest
import yaml

from classifier.base.files import md5_of
from tests.conftest import Clone

EXCEPT_ENVIRONMENT = ":!metrics/environment.json"  # which says where results were made
QEMU = shutil.which("qemu-x86_64") if platform.machine() == "x86_64" else None


@pytest.mark.slow
def test_two_clones_give_the_same_bytes(reproduced, elsewhere, tmp_path):
    assert reproduced.read("dvc.lock") == elsewhere.read("dvc.lock")
    assert reproduced.files() == elsewhere.files()
    pages = []
    for place, clone in enumerate((reproduced, elsewhere)):
        pages.append(tmp_path / f"{place}.html")
        clone.run("classifier", "report", "--output", str(pages[-1]))  # ids count on in a process
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_clone_gives_what_is_committed(origin, reproduced):
    if same_machine(origin, reproduced):
        assert reproduced.read("dvc.lock") == origin.read("dvc.lock")
        assert reproduced.git("status", "--porcelain", "--", ".", EXCEPT_ENVIRONMENT) == ""
    ours, committed = (
        json.loads(c.read("metrics/evaluation.json"))["train"] for c in (reproduced, origin)
    )
    assert ours["accuracy"] == pytest.approx(committed["accuracy"], abs=0.02)
    assert ours["loss"] == pytest.approx(committed["loss"], abs=0.02)


def same_machine(*clones: Clone) -> bool:
    """Whether all ran with the same packages on CPUs of which the same bytes are promised."""
    environments = [json.loads(clone.read("metrics/environment.json")) for clone in clones]
    for environment in environments:
        extensions = environment["cpu"].pop("extensions")
        environment["cpu"]["avx2"] = "X86_V3" in extensions
    return all(environment == environments[0] for environment in environments)


def test_the_environment_is_recorded_and_is_no_change_to_dvc(copied):
    environment = json.loads(copied.read("metrics/environment.json"))
    assert "X86_V3" in environment["cpu"]["extensions"] or platform.machine() != "x86_64"
    assert environment["python"] == platform.python_version()
    installed = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    assert installed.items() <= environment["packages"].items()
    assert environment["flags"]["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert set(environment["flags"]) >= {"XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "threads"}
    (copied.path / "metrics/environment.json").write_text("{}")
    assert copied.stages_run(copied.dvc("repro")) == []


@pytest.mark.slow
@pytest.mark.skipif(not QEMU, reason="qemu-user is not installed, see CONTRIBUTING.md")
def test_a_cpu_without_avx512_makes_the_same_bytes(compared, tmp_path):
    here = compared.copy(tmp_path / "here")
    here.edit("params.yaml", "repeats: 10 ", "repeats: 1 ")
    elsewhere = here.copy(tmp_path / "elsewhere")
    elsewhere.environment["QEMU_CPU"] = "Haswell"
    for script in (
        "from stages import crossval, train; crossval.main(); train.main()",
        "from stages import evaluate; evaluate.main()",
    ):
        here.run(sys.executable, "-c", script)
        elsewhere.run(str(QEMU), sys.executable, "-c", script)
    extensions = json.loads(elsewhere.read("metrics/environment.json"))["cpu"]["extensions"]
    assert "X86_V3" in extensions
    assert "X86_V4" not in extensions
    for path in (
        "models/classifier.keras",
        "models/classifier.onnx",
        "metrics/history.csv",
        "metrics/folds.csv",
        "metrics/crossval.json",
        "metrics/evaluation.json",
        "metrics/predictions/train.csv",
    ):
        assert elsewhere.files()[path] == here.files()[path]


def test_the_committed_lock_is_of_the_committed_code(origin):
    stages = yaml.safe_load(origin.read("dvc.lock"))["stages"].values()
    locked = {dep["path"]: dep["md5"] for stage in stages for dep in stage["deps"]}
    code = [path for path in locked if path.startswith(("classifier", "stages", "require"))]
    assert code
    for path in code:
        assert md5_of(origin.path / path) == locked[path], f"{path}: run `dvc repro`, commit"
