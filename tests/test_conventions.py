"""What CONTRIBUTING.md says of the code holds."""

import ast
import re

from tests.conftest import ROOT, Clone
from tests.imports import CODE, acts, closure, imported, imported_files

# Each room may import those before it, and itself.
ROOMS = [
    "classifier/base",
    "classifier/params.py",
    "classifier/base/dvc_lock.py",
    "classifier/rows",
    "classifier/table",
    "classifier/fetching",
    "classifier/preparing",
    "classifier/model",
    "classifier/training",
    "classifier/scoring",
    "classifier/findings",
    "classifier/evaluating",
    "classifier/commands",
    "classifier/__main__.py",
]


def room_of(path):
    """Return the place of a file's room among ROOMS; stages come after those that they use."""
    name = str(path.relative_to(ROOT))
    if name.startswith("stages/"):
        return ROOMS.index("classifier/commands") - 0.5
    return next(at for at, room in enumerate(ROOMS) if name == room or name.startswith(f"{room}/"))


def test_types_are_right():
    """As `make lint` checks them: without what it has kept from before, this takes a while."""
    Clone(ROOT).run("mypy", "--no-error-summary")


def test_imports_run_one_way():
    code = [path for path in CODE if path.name != "__init__.py"]
    assert code
    for path in code:
        for file in imported_files(path):
            assert room_of(file) <= room_of(path), f"{path} imports {file}"
        assert not any(re.match(r"stages\b", name) for name in imported(path)), path


def test_no_module_imports_itself_by_way_of_others():
    for path in CODE:
        for file in imported_files(path):
            assert path not in closure(file), f"{path} and {file}"


def test_tensorflow_is_imported_in_one_place():
    for path in CODE:
        if path.name != "runtime.py":
            tops = {name.split(".")[0] for name in imported(path)}
            assert not {"tensorflow", "keras"} & tops, path


# These set up what they import, before it is imported, or make the command line.
SET_UP = {"classifier/model/runtime.py", "classifier/evaluating/blas.py", "classifier/__main__.py"}


def test_importing_a_module_does_nothing_else():
    acting = {
        path.relative_to(ROOT).as_posix()
        for path in CODE
        for node in ast.parse(path.read_text()).body
        if acts(node)
    }
    assert acting == SET_UP


def test_paths_of_artifacts_stand_in_one_place():
    spelled = re.compile(r"Path\(\"(data|models|metrics|dvc\.lock|params\.yaml)[/\"]")
    assert [path.name for path in CODE if spelled.search(path.read_text())] == ["paths.py"]
