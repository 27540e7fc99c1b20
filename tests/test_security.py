"""What docs/security.md promises: nothing that is not trusted runs code or passes for another."""

import ast
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from classifier.base.errors import UserError
from classifier.fetching.download import SCHEMES
from classifier.model.runtime import keras
from classifier.training.saving import load_keras
from tests.conftest import ROOT, Clone
from tests.imports import CODE, imported

PICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
# Where Keras would look a function up: in the config of a layer.
FUNCTIONS = [
    {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
    {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "eval"},
]


NODES = [(path, node) for path in CODE for node in ast.walk(ast.parse(path.read_text()))]


def calls(function: str) -> list[tuple[Path, ast.Call]]:
    """Return the calls of a function, such as `yaml.load`, and the file that each stands in."""
    return [
        (path, node)
        for path, node in NODES
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function
    ]


def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "model.keras"
    touch = f"(__import__('pathlib').Path({str(marker)!r}).touch(), x)[1]"
    layer = keras.layers.Lambda(eval(f"lambda x: {touch}"))
    keras.Sequential([keras.Input((2,)), layer]).save(path)
    marker.unlink()
    with pytest.raises(UserError, match="is damaged or not a Keras model"):
        load_keras(path)
    assert not marker.exists()
    keras.saving.load_model(path, safe_mode=False)
    assert marker.exists(), "it would have been run"


def with_config(keras_file: Path, path: Path, change: Callable[[bytes], bytes]) -> Path:
    """Write a .keras file with its config changed."""
    with zipfile.ZipFile(keras_file) as stock, zipfile.ZipFile(path, "w") as changed:
        for name in stock.namelist():
            content = stock.read(name)
            changed.writestr(name, change(content) if name == "config.json" else content)
    return path


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function["config"]))
def test_a_model_that_names_a_function_of_python_is_refused(reproduced, tmp_path, function):
    named = json.dumps(function).encode()
    stock = reproduced.path / "models/classifier.keras"
    path = with_config(stock, tmp_path / "a.keras", lambda text: text.replace(b'"relu"', named))
    with pytest.raises(UserError, match="is damaged or not a Keras model"):
        load_keras(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"units": 8', b'"units": 2000000000'),
        lambda text: text.replace(b'"units": 3', b'"units": 2000000000'),
        lambda _: b"[" * 100_000,
    ],
)
def test_a_model_that_would_take_all_memory_is_refused(reproduced, tmp_path, change):
    stock = reproduced.path / "models/classifier.keras"
    path = with_config(stock, tmp_path / "a.keras", change)
    with pytest.raises(UserError, match="is damaged or not a Keras model"):
        load_keras(path)
    keras.utils.clear_session()  # else it tries for ever to make the weights that had no room


def damage_unseen(path: Path) -> None:
    """Change a byte and leave the size and the time, by which DVC knows a file, as they are."""
    content, status = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_predict_uses_no_model_but_the_one_in_dvc_lock(copied):
    damage_unseen(copied.path / "models/classifier.onnx")
    row = ("predict", "5.1", "3.5", "1.4", "0.2")
    done = copied.classifier(*row, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: models/classifier.onnx: is not the file that dvc.lock")
    assert "`classifier verify --repair`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_evaluate_takes_no_rows_for_held_out_that_the_model_was_trained_on(copied):
    copied.edit("params.yaml", "test_size: 0.0", "test_size: 0.2")
    copied.stage("prepare")
    copied.dvc("commit", "--force", "prepare")
    copied.environment["DVC_STAGE"] = "evaluate"  # as DVC does
    done = copied.run("python", "-m", "stages.evaluate", check=False)
    assert "error: data/prepared/train: is not what train has read; run `dvc repro`" in done.stderr


def test_evaluate_uses_no_model_but_the_one_in_dvc_lock(copied):
    copied.dvc("repro")  # DVC has seen the files
    damage_unseen(copied.path / "models/classifier.onnx")
    (copied.path / "data/test_sets/more.csv").write_text("5.1,3.5,1.4,0.2,Iris-setosa\n")
    done = copied.run("dvc", "repro", check=False)
    assert copied.stages_run(done.stdout) == ["evaluate"]
    assert "error: models/classifier.onnx: is not the file that dvc.lock names" in done.stderr


def test_no_format_of_the_project_is_a_pickle(reproduced):
    assert [path.name for path in CODE if PICKLES & set(imported(path))] == ["cluster.py"]
    loads = calls("np.load")
    assert loads
    for _, call in loads:
        assert "allow_pickle=False" in ast.unparse(call)
    files = {Path(path).suffix for path in reproduced.files()} - {""}
    assert files == {".csv", ".data", ".json", ".keras", ".md", ".npy", ".onnx"}
    for path in (reproduced.path / "data").rglob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype.kind in "fu"
    with zipfile.ZipFile(reproduced.path / "models/classifier.keras") as model:
        assert model.namelist() == ["config.json", "metadata.json", "model.weights.h5"]


def test_yaml_is_loaded_safely():
    assert [ast.unparse(call.args[0]) for _, call in calls("yaml.safe_load")]
    unsafe = ("load", "unsafe_load", "full_load", "load_all", "unsafe_load_all")
    assert not [call for function in unsafe for call in calls(f"yaml.{function}")]
    kinds = [ast.unparse(call) for _, call in calls("YAML")]
    assert {*kinds} == {"YAML(typ='safe')", "YAML(typ='rt')"}  # neither makes objects


def test_a_tag_in_params_makes_no_object(fresh):
    fresh.edit("params.yaml", "timeout: 30", "timeout: !!python/object/apply:os.getpid []")
    done = fresh.stage("fetch", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: params.yaml: line ")


def test_params_lists_the_schemes_of_urls():
    (comment,) = re.findall(r"source: .*or a URL: (.*)", (ROOT / "params.yaml").read_text())
    assert comment == ", ".join(SCHEMES)


def test_the_site_cache_is_private(copied):
    """Where DVC keeps pickles, in a folder of its own that anybody may write to."""
    clone = Clone(copied.path)
    clone.run("make", "environment")
    del clone.environment["DVC_SITE_CACHE_DIR"]
    script = "from dvc.repo import Repo; print(Repo().site_cache_dir)"
    private = copied.path / ".dvc/tmp/site-cache"
    used = Path(clone.run(sys.executable, "-c", script).stdout.strip())
    assert used.is_relative_to(private.resolve())
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("document", ["security", "reproducibility"])
def test_the_tests_that_a_document_names_exist(document):
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", (ROOT / f"docs/{document}.md").read_text())
    assert len(named) > 5
    for path, test in named:
        assert f"\ndef {test}(" in (ROOT / path).read_text()
