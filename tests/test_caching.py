"""Each stage reruns when its inputs or params change, and at no other time."""

import ast
import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.exceptions import ReproductionError
from dvc.repo import Repo

from tests.conftest import OFFLINE, ROOT, Clone

FETCH, PREPARE, CROSSVAL = "fetch", "prepare", "crossval"
TRAIN, EVALUATE = "train", "evaluate"
ALL = [FETCH, PREPARE, CROSSVAL, TRAIN, EVALUATE]

# Stands in for `python`: notes which stage is run, and makes up what TensorFlow would make, from
# the inputs that it would make it from. Other stages are the real ones.
PYTHON = f"""#!/bin/sh
echo "${{2#stages.}}" >> "$STAGES_RUN"
sum() {{ find "$@" -type f | LC_ALL=C sort | xargs cat | md5sum; }}
case $2 in
    stages.crossval)
        mkdir -p metrics
        (sed -n '/^crossval:/,$p' params.yaml; sum data/prepared/train) > metrics/folds.csv
        echo '{{"models": 100}}' > metrics/crossval.json ;;
    stages.train)
        mkdir -p models metrics
        (sed -n '/^train:/,$p' params.yaml; sum data/prepared/train) > models/classifier.keras
        cp models/classifier.keras models/classifier.onnx
        cp models/classifier.keras metrics/history.csv ;;
    stages.evaluate)
        mkdir -p metrics/predictions
        sum models/classifier.keras data/prepared > metrics/predictions/train.csv
        echo '{{"train": {{"rows": 150}}}}' > metrics/evaluation.json ;;
    *) exec {sys.executable} "$@" ;;
esac
"""

# What each change of a param must run again. A stage whose output came out the same as before
# ends the chain: its followers have nothing new to see.
PARAMS: dict[str, tuple[Any, list[str]]] = {
    "fetch.source": ("data/source/copy.data", [FETCH]),
    "fetch.sha256": (None, [FETCH]),
    "fetch.timeout": (5, [FETCH]),
    "fetch.retries": (0, [FETCH]),
    "prepare.delimiter": (";", [PREPARE]),
    "prepare.encoding": ("ascii", [PREPARE, EVALUATE]),
    "prepare.header": (["a", "b", "c", "d", "species"], [PREPARE, EVALUATE]),
    "prepare.label": (4, [PREPARE]),
    "prepare.features": ([0, 1], [PREPARE, CROSSVAL, TRAIN, EVALUATE]),
    "prepare.text": (["petal_width"], [PREPARE, CROSSVAL, TRAIN, EVALUATE]),
    "prepare.na_values": (["-"], [PREPARE, EVALUATE]),
    "prepare.missing": ("drop", [PREPARE, EVALUATE]),
    "prepare.scale": ("standard", [PREPARE, CROSSVAL, TRAIN, EVALUATE]),
    "prepare.unknown": ("ignore", [PREPARE, EVALUATE]),
    "prepare.max_categories": (50, [PREPARE]),
    "prepare.test_size": (0.2, [PREPARE, CROSSVAL, TRAIN, EVALUATE]),
    "prepare.seed": (7, [PREPARE]),  # of no effect while test_size is 0
    "crossval.folds": (5, [CROSSVAL]),
    "crossval.repeats": (2, [CROSSVAL]),
    "crossval.seed": (7, [CROSSVAL]),
    "train.hidden": ([8, 8], [CROSSVAL, TRAIN, EVALUATE]),
    "train.activation": ("tanh", [CROSSVAL, TRAIN, EVALUATE]),
    "train.optimizer": ("sgd", [CROSSVAL, TRAIN, EVALUATE]),
    "train.learning_rate": (0.01, [CROSSVAL, TRAIN, EVALUATE]),
    "train.epochs": (151, [CROSSVAL, TRAIN, EVALUATE]),
    "train.batch_size": (16, [CROSSVAL, TRAIN, EVALUATE]),
    "train.seed": (7, [TRAIN, EVALUATE]),
    "train.validation_fraction": (0.2, [CROSSVAL, TRAIN, EVALUATE]),
    "train.patience": (5, [CROSSVAL, TRAIN, EVALUATE]),
}

# What each change of a file must run again; a comment at its end, so outputs stay the same.
CODE = {
    "classifier/__init__.py": ALL,
    "classifier/__main__.py": [],
    "classifier/archive.py": [TRAIN, EVALUATE],
    "classifier/artifacts.py": [EVALUATE],
    "classifier/attributes.py": [],
    "classifier/cluster.py": [],
    "classifier/commands/__init__.py": [],
    "classifier/commands/compare.py": [],
    "classifier/commands/predict.py": [],
    "classifier/commands/push.py": [],
    "classifier/commands/report.py": [],
    "classifier/commands/sweep.py": [],
    "classifier/commands/verify.py": [],
    "classifier/dataset.py": [PREPARE, CROSSVAL, TRAIN, EVALUATE],
    "classifier/dvc_whole_files.py": [],
    "classifier/errors.py": ALL,
    "classifier/experiments.py": [],
    "classifier/files.py": ALL,
    "classifier/integrity.py": [],
    "classifier/layout.py": [PREPARE, EVALUATE],
    "classifier/members.py": [CROSSVAL],
    "classifier/network.py": [CROSSVAL, TRAIN],
    "classifier/overrides.py": [],
    "classifier/page.py": [],
    "classifier/params.py": [FETCH, PREPARE, CROSSVAL, TRAIN],
    "classifier/plots.py": [],
    "classifier/progress.py": ALL,
    "classifier/repair.py": [],
    "classifier/report.py": [],
    "classifier/results.py": [],
    "classifier/runtime.py": [CROSSVAL, TRAIN, EVALUATE],
    "classifier/schema.py": [PREPARE, EVALUATE],
    "classifier/scores.py": [CROSSVAL, EVALUATE],
    "classifier/search.py": [],
    "classifier/secrets.py": [],
    "classifier/split.py": [PREPARE, CROSSVAL, TRAIN],
    "classifier/statistics.py": [CROSSVAL],
    "classifier/streams.py": ALL,
    "classifier/table.py": [PREPARE, EVALUATE],
    "classifier/text.py": [PREPARE, EVALUATE],
    "classifier/threads.py": [PREPARE, EVALUATE],
    "classifier/trial.py": [],
    "stages/__init__.py": ALL,
    "stages/crossval.py": [CROSSVAL],
    "stages/evaluate.py": [EVALUATE],
    "stages/fetch.py": [FETCH],
    "stages/prepare.py": [PREPARE],
    "stages/train.py": [TRAIN],
}
OTHER_FILES = {
    "requirements.txt": ALL,
    "requirements-test.txt": [],
    "Makefile": [],
    "README.md": [],
    "metrics/environment.json": [],
}


@pytest.fixture(scope="module")
def stubbed(origin: Clone, tmp_path_factory) -> Clone:
    """A clone reproduced with the stub, so that what TensorFlow makes is quickly made again."""
    folder = tmp_path_factory.mktemp("stubbed")
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    clone = origin.clone(folder / "clone")
    shutil.copy(clone.path / "data/source/iris.data", clone.path / "data/source/copy.data")
    stages_run(clone.path, folder)
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
        # With another delimiter the table cannot be read; what was run is seen all the same.
        with Repo() as repo, contextlib.suppress(ReproductionError):
            repo.reproduce()
    return log.read_text().split()


def leaves(params: dict[str, Any]) -> list[str]:
    return [f"{section}.{key}" for section, keys in params.items() for key in keys]


def set_param(clone: Path, leaf: str, value: Any) -> None:
    section, key = leaf.split(".")
    params = yaml.safe_load((clone / "params.yaml").read_text())
    params[section][key] = value
    (clone / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def append_comment(path: Path) -> None:
    path.write_text(path.read_text() + "# changed\n")


def test_tables_name_every_param_and_every_code_file(params):
    assert list(PARAMS) == leaves(params)
    code = [
        path.relative_to(ROOT)
        for top in ("classifier", "stages")
        for path in (ROOT / top).rglob("*.py")
    ]
    assert sorted(CODE) == sorted(map(str, code))


def test_nothing_is_run_when_nothing_changed(rerun_after):
    assert rerun_after(lambda _: None) == []


@pytest.mark.parametrize(("leaf", "value", "stages"), [(k, *v) for k, v in PARAMS.items()])
def test_a_param_reruns_what_depends_on_it(rerun_after, leaf, value, stages):
    assert rerun_after(lambda clone: set_param(clone, leaf, value)) == stages


@pytest.mark.parametrize(("path", "stages"), [*CODE.items(), *OTHER_FILES.items()])
def test_a_file_reruns_what_depends_on_it(rerun_after, path, stages):
    assert rerun_after(lambda clone: append_comment(clone / path)) == stages


def test_an_edited_source_reruns_what_sees_the_difference(rerun_after):
    def edit(clone: Path) -> None:
        set_param(clone, "fetch.sha256", None)
        source = clone / "data/source/iris.data"
        source.write_text(source.read_text().replace("5.1,3.5,1.4,0.2", "5.2,3.5,1.4,0.2", 1))

    assert rerun_after(edit) == ALL


def imports(path: Path) -> set[Path]:
    """Return the project's files that a file imports, each with the packages it stands in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    parents = {name.rsplit(".", level)[0] for name in names for level in range(name.count(".") + 1)}
    stems = [ROOT / name.replace(".", "/") for name in names | parents]
    files = {stem.with_suffix(".py") for stem in stems} | {stem / "__init__.py" for stem in stems}
    return {file for file in files if file.exists()}


def import_closure(path: Path) -> set[Path]:
    closure, left = {path, path.with_name("__init__.py")}, [path]
    while left:
        new = imports(left.pop()) - closure
        closure |= new
        left += new
    return closure


@pytest.mark.parametrize("stage", ALL)
def test_deps_are_the_import_closure_the_data_and_the_lock(stage):
    definition = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    closure = {str(path.relative_to(ROOT)) for path in import_closure(ROOT / f"stages/{stage}.py")}
    deps = set(definition["deps"])
    assert {dep for dep in deps if dep.endswith(".py")} == closure
    assert "requirements.txt" in deps
    data = {dep for dep in deps if not dep.endswith(".py")} - {"requirements.txt"}
    assert all(dep.split("/")[0] in ("data", "models") for dep in data)


def test_crossval_sees_all_of_the_recipe_but_its_seed(params):
    definition = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][CROSSVAL]
    recipe = {f"train.{key}" for key in params["train"]} - {"train.seed"}
    assert set(definition["params"]) == {"crossval"} | recipe


@pytest.mark.parametrize("stage", [FETCH, PREPARE])
def test_fetch_and_prepare_do_not_import_tensorflow(reproduced, stage):
    listing = reproduced.run(
        sys.executable, "-c", f"import stages.{stage}, sys; print(*sys.modules)"
    ).stdout.split()
    assert not {"tensorflow", "keras"} & set(listing)
