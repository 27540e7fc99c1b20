"""What the project's files import, read from their code."""

import ast
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

DEFINES = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
    ast.Assign, ast.AnnAssign, ast.Try,
)  # fmt: skip
CODE = sorted(path for top in ("classifier", "stages") for path in (ROOT / top).rglob("*.py"))


@cache
def imported(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, and of what it takes from them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


@cache
def imported_files(path: Path) -> set[Path]:
    """Return the project's files that a file imports, with those packages that hold code."""
    names = imported(path)
    parents = {name.rsplit(".", level)[0] for name in names for level in range(name.count(".") + 1)}
    stems = [ROOT / name.replace(".", "/") for name in names | parents]
    files = {stem.with_suffix(".py") for stem in stems} | {stem / "__init__.py" for stem in stems}
    return {file for file in files if file.exists() and not is_mere_text(file)}


@cache
def is_mere_text(path: Path) -> bool:
    """Return whether a file has nothing but a docstring."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in ast.parse(path.read_text()).body
    )


def acts(node: ast.stmt) -> bool:
    """Return whether a statement of a module does more than to import, define or explain."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) not in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    return not isinstance(node, DEFINES)


def closure(path: Path) -> set[Path]:
    """Return a file with all that it imports of the project, directly or not."""
    found, left = {path}, [path]
    while left:
        new = imported_files(left.pop()) - found
        found |= new
        left += new
    return found
