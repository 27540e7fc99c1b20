"""The compiled code that Python keeps, which may be of an older file than DVC records.

Python takes it for that of a file of the same size and the same time, in whole seconds.
"""

import sys
from pathlib import Path
from typing import Any

from classifier.base.errors import UserError, listed

PACKAGES = ("classifier", "stages")


def require_no_older_code() -> None:
    """Raise `UserError` if older code than that in the project's files has run, and forget it."""
    own = Path(__file__).parents[2]
    specs = (getattr(module, "__spec__", None) for module in [*sys.modules.values()])
    compiled = (spec for spec in specs if spec and spec.cached)
    of_project = (spec for spec in compiled if spec.name.split(".")[0] in PACKAGES)
    older = [spec for spec in of_project if is_older(spec)]
    for spec in older:
        Path(spec.cached).unlink()
    if older:
        paths = listed(sorted(str(Path(spec.origin).relative_to(own)) for spec in older))
        raise UserError(f"{paths}: Python has run an older version; run `dvc repro` again")


def is_older(spec: Any) -> bool:
    """Return whether Python takes other code for that of the file of a module's spec."""
    source, compiled = Path(spec.origin), Path(spec.cached)
    if (
        not (source.exists() and compiled.exists())
        or source.stat().st_ctime_ns < compiled.stat().st_mtime_ns
    ):
        return False  # nothing has been done to the file since, not even to its time
    code = spec.loader.source_to_code(source.read_bytes(), spec.origin)
    return bool(spec.loader.get_code(spec.name) != code)
