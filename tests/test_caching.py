"""Each stage reruns when its inputs, code or params change, and at no other time."""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from tests.conftest import OFFLINE, ROOT, Clone
from tests.imports import closure, is_mere_text

DEFINITIONS = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
ALL = [FETCH, PREPARE, CROSSVAL, TRAIN, EVALUATE] = [
    "fetch", "prepare", "crossval", "train", "evaluate",
]  # fmt: skip

# Stands in for `python`: notes which stage is run, and makes up what TensorFlow would make, from
# the inputs that it would make it from. Other stages are the real ones.
PYTHON = f"""#!/bin/sh
echo "${{2#stages.}}" >> "$STAGES_RUN"
sum() {{ find "$@" -type f | LC_ALL=C sort | xargs cat | md5sum; }}
record() {{ mkdir -p metrics/inputs; touch metrics/inputs/$1.json; }}
case $2 in
    stages.crossval)
        record crossval
        (sed -n '/^crossval:/,$p' params.yaml; sum data/prepared/train) > metrics/folds.csv
        for name in out_of_fold confusion reliability; do
            cp metrics/folds.csv metrics/$name.csv
        done
        echo '{{"models": 100}}' > metrics/crossval.json ;;
    stages.train)
        record train; mkdir -p models
        (sed -n '/^train:/,$p' params.yaml; sum data/prepared/train) > models/classifier.keras
        sum models/classifier.keras data/prepared/schema.json > models/classifier.onnx
        cp models/classifier.keras metrics/history.csv ;;
    stages.evaluate)
        record evaluate; mkdir -p metrics/predictions
        sum models/classifier.onnx data/prepared > metrics/predictions/train.csv
        echo '{{"train": {{"rows": 150}}}}' > metrics/evaluation.json
        echo '[]' > metrics/findings.json
        echo '- nothing' > metrics/summary.md; echo '{{}}' > metrics/summary.json ;;
    *) exec {sys.executable} "$@" ;;
esac
"""

# The stages that read a section of the params, or one param of it.
READERS = {
    "fetch": {FETCH},
    "prepare": {PREPARE},
    "prepare.delimiter": {FETCH, PREPARE},  # by which parts are joined, and Parquet is written
    "prepare.encoding": {FETCH, PREPARE},
    "prepare.header": {FETCH, PREPARE},
    "crossval": {CROSSVAL},
    "train": {CROSSVAL, TRAIN},
    # By which advice goes, too.
    "train.class_weight": {CROSSVAL, TRAIN, EVALUATE},
    "train.hidden": {CROSSVAL, TRAIN, EVALUATE},
    "train.members": {CROSSVAL, TRAIN, EVALUATE},
    "train.patience": {CROSSVAL, TRAIN, EVALUATE},
    "train.scale": {CROSSVAL, TRAIN, EVALUATE},
    "train.seed": {TRAIN},  # a model of crossval has a seed of its own
}

# The stages that have a file among their deps: of the code, that is proven for all of it below.
FILES: dict[str, set[str]] = {
    "requirements.txt": set(ALL),
    "stages/train.py": {TRAIN},
    "requirements-test.txt": set(),
    "Makefile": set(),
    "README.md": set(),
    "metrics/environment.json": set(),
}

# What a change makes run in the end. A stage whose output came out the same as before ends the
# chain: its followers have nothing new to see.
CHAINS: list[tuple[str, Any, list[str]]] = [
    ("fetch.timeout", 5, [FETCH]),
    ("prepare.seed", 7, [PREPARE]),  # of no effect while test_size is 0
    ("prepare.na_values", ["-"], [PREPARE, TRAIN, EVALUATE]),
    ("prepare.features", [0, 1], [PREPARE, CROSSVAL, TRAIN, EVALUATE]),
    ("prepare.unknown", "ignore", [PREPARE, TRAIN, EVALUATE]),  # as the ONNX file does
    ("prepare.missing", "impute", [PREPARE, CROSSVAL, TRAIN, EVALUATE]),  # a network that fills
    ("train.seed", 7, [TRAIN, EVALUATE]),
]


@pytest.fixture(scope="module")
def stubbed(origin: Clone, tmp_path_factory) -> Clone:
    """A clone reproduced with the stub, so that what TensorFlow makes is quickly made again."""
    folder = tmp_path_factory.mktemp("stubbed")
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    clone = origin.clone(folder / "clone")
    assert stages_run(clone.path, folder)
    return clone


@pytest.fixture
def rerun_after(stubbed: Clone, tmp_path: Path) -> Callable[[Callable[[Path], object]], list[str]]:
    """Changes a copy of the stubbed clone and returns which stages `dvc repro` then runs."""

    def rerun_after(change: Callable[[Path], object]) -> list[str]:
        copy = Path(shutil.copytree(stubbed.path, tmp_path / "clone"))
        change(copy)
        return stages_run(copy, stubbed.path.parent)

    return rerun_after


def stages_run(clone: Path, stub: Path) -> list[str]:
    """Reproduce with the stub as `python` and return the stages whose command was run."""
    log = clone / ".dvc" / "stages_run"
    log.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{stub}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("STAGES_RUN", str(log))
        patch.setenv("PYTHONPATH", str(stub))
        for name, value in OFFLINE.items():
            patch.setenv(name, value)
        patch.chdir(clone)
        with Repo() as repo:
            repo.reproduce()
    return log.read_text().split()


@pytest.fixture
def stages_to_run(stubbed: Clone, monkeypatch) -> Iterator[Callable[[str, str], set[str]]]:
    """Gives a file of the stubbed clone another text; returns what `dvc status` says of that."""
    monkeypatch.chdir(stubbed.path)

    def stages_to_run(path: str, text: str) -> set[str]:
        with rewritten(stubbed.path / path, text):
            return set(repo.status())

    with Repo() as repo:
        yield stages_to_run


@contextmanager
def rewritten(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(text)
    yield
    path.write_text(before)


def with_param(params: dict[str, Any], name: str, value: Any) -> str:
    section, key = name.split(".")
    return yaml.safe_dump(params | {section: params[section] | {key: value}}, sort_keys=False)


def test_nothing_is_run_when_nothing_changed(rerun_after):
    assert rerun_after(lambda _: None) == []


def test_a_param_concerns_the_stages_that_read_it(stages_to_run, params):
    for name in (f"{section}.{key}" for section, keys in params.items() for key in keys):
        readers = READERS.get(name, READERS[name.split(".")[0]])
        assert stages_to_run("params.yaml", with_param(params, name, "another")) == readers, name


def test_a_file_concerns_the_stages_that_depend_on_it(stages_to_run, stubbed):
    for path, stages in FILES.items():
        assert stages_to_run(path, stubbed.read(path) + "\n") == stages, path


@pytest.mark.parametrize(("name", "value", "stages"), CHAINS)
def test_a_stage_reruns_where_its_input_came_out_different(
    rerun_after, params, name, value, stages
):
    text = with_param(params, name, value)
    assert rerun_after(lambda clone: (clone / "params.yaml").write_text(text)) == stages


def test_an_edited_source_reruns_what_sees_the_difference(rerun_after, params):
    def edit(clone: Path) -> None:
        (clone / "params.yaml").write_text(with_param(params, "fetch.sha256", None))
        source = clone / "data/source/iris.data"
        source.write_text(source.read_text().replace("5.1,3.5,1.4,0.2", "5.2,3.5,1.4,0.2", 1))

    assert rerun_after(edit) == ALL


def test_a_part_that_changes_or_joins_reruns_what_sees_the_difference(stubbed, params, tmp_path):
    clone = Path(shutil.copytree(stubbed.path, tmp_path / "clone"))
    settings = params["fetch"] | {"source": "data/source/parts", "sha256": None}
    (clone / "params.yaml").write_text(yaml.safe_dump(params | {"fetch": settings}))
    rows = stubbed.read("data/source/iris.data").splitlines(keepends=True)
    parts = clone / "data/source/parts"
    parts.mkdir()

    def run_with(name: str, content: list[str]) -> list[str]:
        (parts / name).write_text("".join(content))
        return stages_run(clone, stubbed.path.parent)

    assert run_with("1.csv", rows[:140]) == ALL
    assert run_with("1.csv", rows[:145]) == ALL
    assert run_with("2.csv", rows[:5]) == ALL
    assert run_with("_SUCCESS", []) == [FETCH]
    assert run_with("2.csv", rows[:5]) == []


@pytest.mark.parametrize("stage", ALL)
def test_deps_are_the_imported_code_the_data_and_the_lock(stage):
    """A dep is a file or a folder; of a folder of code, the stage imports all files."""
    deps = {ROOT / dep for dep in DEFINITIONS[stage]["deps"]}
    files = {file for dep in deps for file in (dep.rglob("*") if dep.is_dir() else [dep])}
    files = {file for file in files if file.is_file() and file.parent.name != "__pycache__"}
    data = {
        file for file in files if file.relative_to(ROOT).parts[0] in ("data", "models", "metrics")
    }
    files -= {file for file in files - data if file.suffix == ".py" and is_mere_text(file)}
    assert DEFINITIONS[stage]["cmd"] == f"exec python -m stages.{stage}"
    assert files - data == closure(ROOT / f"stages/{stage}.py") | {ROOT / "requirements.txt"}


def test_fetch_prepare_and_evaluate_do_not_import_tensorflow():
    stages = ", ".join(f"stages.{name}" for name in (FETCH, PREPARE, EVALUATE))
    script = f"import {stages}, sys; print(*sys.modules)"
    listing = Clone(ROOT).run(sys.executable, "-c", script).stdout.split()
    assert not {"tensorflow", "keras"} & set(listing)
