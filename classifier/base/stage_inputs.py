"""What a stage reads: that it is what dvc.lock names, and stays the same while the stage runs."""

import os
import re
import shlex
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from math import inf
from pathlib import Path
from typing import Any

from classifier.base.dvc_lock import flat, read_lock, require_recorded
from classifier.base.errors import UserError, listed, require_file
from classifier.base.files import parse_yaml
from classifier.base.paths import LOCK, PACKAGES, PARAMS, PIPELINE, PROJECT

IGNORED = "__pycache__"  # as in .dvcignore
CODE = (".py", ".yaml", ".txt")
TICK = 0.01  # seconds, by which the kernel counts the start of a process

Version = tuple[int, int]


@contextmanager
def checked_inputs(stage: str, loaded_since: float = inf) -> Iterator[None]:
    """Check what a stage reads, before it runs and once it has.

    DVC goes by the time of a file, and takes one in the cache for what it was. And it records
    params and files as they are when the stage has ended, whatever the stage has read.

    loaded_since: when its process began to load the code, in seconds since 1970.

    Raises:
        UserError: the packages are not those that DVC records, a file of an earlier stage is not
            what dvc.lock names, or something has changed since the stage began.
    """
    stages = parse_yaml(require_file(PIPELINE).read_bytes(), str(PIPELINE))["stages"]
    definition = stages.get(stage, {})
    deps, params = definition.get("deps", []), definition.get("params", [])
    require_outs_of_others(deps)
    if str(PACKAGES) in deps:
        require_locked_packages()
    files, text = versions(deps), PARAMS.read_bytes() if PARAMS.exists() else b""
    changed = changed_since(loaded_since, [*files, str(PARAMS)] if text else files)
    yield
    changed |= {path for path, _ in files.items() ^ versions(deps).items()}
    if text and (now := PARAMS.read_bytes()) != text:
        changed |= changed_params(text, now, params)
    if changed:
        what = listed(sorted(changed))
        raise UserError(f"{what}: changed while {stage} was running; run `dvc repro` again")


def require_own_code() -> None:
    """Raise `UserError` if this is the code of another folder, of whose files DVC knows nothing."""
    own = Path(__file__).resolve().parents[2]
    if own != Path.cwd().resolve():
        raise UserError(f"this is the code in {own}, not in this folder; is PYTHONSAFEPATH set?")


def require_locked_packages() -> None:
    """Raise `UserError` if the packages are not those of requirements.txt, which DVC goes by."""
    installed = Path(sys.prefix) / PACKAGES.name
    if installed.exists() and installed.read_bytes() != PACKAGES.read_bytes():
        raise UserError(f"{PACKAGES}: is not what {sys.prefix} was made from; run `make repro`")
    found = "; ".join(other_packages(PACKAGES.read_text()))
    if found:
        raise UserError(
            f"{PACKAGES}: {found}; run `uv pip install --requirement {PACKAGES}`, or edit the file"
        )


def other_packages(lock: str) -> Iterator[str]:
    """Yield which packages, of those that the project names, are installed in other versions."""
    pinned: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
        pinned.setdefault(name, []).append(version)  # by the version of Python
    for requirement in tomllib.loads(PROJECT.read_text())["project"]["dependencies"]:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        with suppress(metadata.PackageNotFoundError):  # a stage may do without
            if name in pinned and (version := metadata.version(name)) not in pinned[name]:
                yield f"has {name} {' or '.join(pinned[name])}, but {version} is installed"


def changed_since(start: float, paths: Iterable[str]) -> set[str]:
    """Return the files of code and params that have changed since then.

    Raises:
        UserError: of one that cannot be known.
    """
    times = {path: Path(path).stat().st_mtime for path in paths if path.endswith(CODE)}
    if later := [path for path in times if times[path] > time.time()]:
        touch = shlex.join(["touch", *later])
        raise UserError(f"{listed(later)}: the time of the file is in the future; `{touch}`")
    return {path for path in times if times[path] > start}


def process_start() -> float:
    """Return when this process began, as seconds since 1970; now, where it cannot be known."""
    if sys.platform != "linux":
        return time.time()
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age - TICK


def require_outs_of_others(deps: Iterable[str]) -> None:
    for out in read_lock().outs() if LOCK.exists() else ():
        if any(Path(dep).is_relative_to(out) for dep in deps):
            require_recorded(Path(out))


def versions(deps: Iterable[str]) -> dict[str, Version]:
    """Return size and time of each file that is one of the deps, or in one."""
    found = {}
    for dep in map(Path, deps):
        for path in dep.rglob("*") if dep.is_dir() else [dep]:
            if path.is_file() and IGNORED not in path.parts:
                stat = path.stat()
                found[str(path)] = stat.st_size, stat.st_mtime_ns
    return found


def changed_params(before: bytes, after: bytes, names: Iterable[str]) -> set[str]:
    """Return which params, among those of some names or sections, differ."""
    old, new = (all_params(text) for text in (before, after))
    of_stage = tuple(f"{name}." for name in names)
    keys = {key for key in old | new if f"{key}.".startswith(of_stage)}
    return {key for key in keys if old.get(key) != new.get(key)}


def all_params(text: bytes) -> dict[str, Any]:
    """Return every param as `section.key`; none of a file that an editor is about to write."""
    params = parse_yaml(text, str(PARAMS))
    sections = params.items() if isinstance(params, dict) else ()
    return dict(leaf for name, section in sections for leaf in flat(name, section))
