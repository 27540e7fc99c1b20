"""docs/serving.md: the model runs without this project, and answers as predict does."""

import json
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from io import StringIO

import pandas as pd
import pytest

from tests.conftest import ROOT, Clone


def lines_in(language: str) -> str:
    text = (ROOT / "docs/serving.md").read_text()
    (lines,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(lines)


@pytest.fixture(scope="module")
def tables(origin: Clone, tmp_path_factory) -> dict[str, Clone]:
    """Clones with a model of numbers, and one of numbers, text and gaps that is scaled."""
    folder = tmp_path_factory.mktemp("tables")
    clones = {name: origin.clone(folder / name) for name in ("iris", "penguins")}
    penguins = clones["penguins"]
    shutil.copy(ROOT / "examples/penguins.yaml", penguins.path / "params.yaml")
    for clone in clones.values():
        clone.run("dvc", "repro", "train")
    header = "sepal_length,sepal_width,petal_length,petal_width,species\n"
    text = clones["iris"].read("data/raw.csv")
    (clones["iris"].path / "rows.csv").write_text(header + text)
    (penguins.path / "rows.csv").write_text(penguins.read("data/raw.csv"))
    return clones


def predicted(clone: Clone, *values: str) -> str:
    return clone.run("classifier", "predict", *values).stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """A fresh environment with ONNX Runtime and pandas alone, of the versions that are here."""
    folder = tmp_path_factory.mktemp("environment")
    pinned = [f"{name}=={version(name)}" for name in ("onnxruntime", "pandas")]
    uv = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True
    )
    python = str(folder / "venv/bin/python")
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *pinned], check=True)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("table", ["iris", "penguins"])
def test_ten_lines_of_python_answer_as_predict_does(tables, python, table):
    clone, lines = tables[table], lines_in("python")
    assert len([line for line in lines.splitlines() if line and "import" not in line]) <= 10
    found = clone.run(python, "-I", "-c", lines, "rows.csv").stdout.splitlines()
    expected = pd.read_csv(StringIO(predicted(clone, "rows.csv"))).predicted.tolist()
    assert found == expected
    assert len(set(found)) == 3


@pytest.mark.slow
def test_a_gap_in_text_depends_on_no_order(tables, python):
    lines = lines_in("python").replace('["", "NA", "NaN"]', '["NA", "", "NaN"]')
    clone = tables["penguins"]
    found = clone.run(python, "-I", "-c", lines, "rows.csv").stdout.splitlines()
    assert found == pd.read_csv(StringIO(predicted(clone, "rows.csv"))).predicted.tolist()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A folder in which Node.js finds ONNX Runtime."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("Node.js and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    # Its scripts would fetch what drives a GPU.
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(
        [*install, "onnxruntime-node@1"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot install onnxruntime-node: {done.stderr or done.stdout}")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="has no ONNX Runtime")
@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("iris", {"sepal_length": 7, "sepal_width": 3.2, "petal_length": 4.7, "petal_width": 1.4}),
        ("penguins", {"island": "Biscoe", "bill_length_mm": 37.8, "bill_depth_mm": 18.3,
                      "flipper_length_mm": 174, "body_mass_g": 3400, "sex": "female",
                      "year": 2007}),
        ("penguins", {"island": "Torgersen", "bill_depth_mm": 17.4, "year": 2008,
                      "flipper_length_mm": 186}),
    ],
)  # fmt: skip
def test_the_lines_of_javascript_answer_as_predict_does(tables, node, table, row):
    clone = tables[table]
    (node / "classify.js").write_text(lines_in("js"))
    done = clone.run("node", str(node / "classify.js"), json.dumps(row))
    found = json.loads(done.stdout)
    header = clone.read("rows.csv").splitlines()[0].split(",")
    schema = json.loads(clone.read("data/prepared/schema.json"))
    cells = [str(row.get(name, "NA")) for name in header if name != schema["label"]]
    expected = json.loads(predicted(clone, "--json", *cells))
    assert found["label"] == expected["predicted"]
    assert found["probabilities"] == pytest.approx([*expected["probabilities"].values()], abs=2e-6)
