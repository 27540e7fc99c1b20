"""What CONTRIBUTING.md says of the code holds."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

CODE = sorted(path for top in ("classifier", "stages") for path in (ROOT / top).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the packages and modules that a file imports, by their full names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    tops = {name.split(".")[0] for name in imported(path)}
    assert "stages" not in tops
    if path.name != "runtime.py":
        assert not {"tensorflow", "keras"} & tops
    if path.is_relative_to(ROOT / "stages"):
        assert not any(name.startswith("classifier.commands") for name in imported(path))
