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

from classifier.base.bytecode import require_no_older_code
from classifier.base.dep_md5 import COMPILED, files_of, md5_of_dep, md5s_of
from classifier.base.dvc_lock import RUN_ANEW, STAGES, read_lock, require_recorded
from classifier.base.errors import UserError, listed, require_file
from classifier.base.files import parse_yaml, write_text
from classifier.base.paths import LOCK, PACKAGES, PARAMS, PIPELINE, PROJECT
from classifier.base.run_inputs import flat, record_of, recorded, records_here

CODE = (".py", ".yaml", ".txt")
TICK = 0.01  # seconds, by which the kernel counts the start of a process

Version = tuple[int, int]


@contextmanager
def checked_inputs(stage: str, loaded_since: float = inf) -> Iterator[None]:
    """Check what a stage reads, before it runs and once it has.

    DVC goes by the time of a file, and takes one in the cache for what it was. And it records
    params and files as they are when the stage has ended, whatever the stage has read. So the stage
    records them itself, if dvc.yaml has that among what it writes.

    loaded_since: when its process began to load the code, in seconds since 1970.

    Raises:
        UserError: the packages are not those that DVC records, a file of an earlier stage is not
            what dvc.lock names, or something has changed since the stage began.
    """
    stages = parse_yaml(require_file(PIPELINE).read_bytes(), str(PIPELINE))["stages"]
    definition = stages.get(stage, {})
    deps, params = definition.get("deps", []), names_of(definition.get("params", []))
    require_outs_of_others(deps)
    require_added(deps)
    say_other_runs(stage)
    if str(PACKAGES) in deps:
        require_locked_packages()
    files, text = versions(deps), PARAMS.read_bytes() if PARAMS.exists() else b""
    record = recorded(params_of(text, params), md5s_of(deps))
    changed = changed_since(loaded_since, [*files, str(PARAMS)] if text else files)
    yield
    require_no_older_code()
    changed |= {path for path, _ in files.items() ^ versions(deps).items()}
    if text and (now := PARAMS.read_bytes()) != text:
        changed |= changed_params(text, now, params)
    if changed:
        what = listed(sorted(changed))
        raise UserError(f"{what}: changed while {stage} was running; run `dvc repro` again")
    if any(str(record_of(stage)) in out for out in definition.get("outs", [])):  # texts and dicts
        write_text(record_of(stage), record)


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


def require_added(deps: Iterable[str]) -> None:
    """Raise `UserError` if what `dvc add`, or an import, keeps of the deps is not what it was."""
    for file in (file for dep in deps for file in dvc_files(Path(dep))):
        kept = parse_yaml(file.read_bytes(), file) or {}
        for out in kept.get("outs", []):
            path, md5 = file.parent / kept.get("wdir", "") / out["path"], out.get("md5")
            is_known = md5 and out.get("hash") == "md5"  # DVC 2 has that of other line ends
            if is_known and path.exists() and md5_of_dep(path) != md5:
                raise UserError(
                    f"{path}: is not what {file} names; `classifier verify --repair` brings that "
                    f"back, `dvc add {shlex.quote(str(path))}` keeps this"
                )


def dvc_files(dep: Path) -> list[Path]:
    """Return the .dvc files of a dep, of what is in it, and of the folders that it is in."""
    above = [path.with_name(f"{path.name}.dvc") for path in (dep, *dep.parents) if path.name]
    inside = [path for path in files_of(dep) if path.suffix == ".dvc"]
    return [*filter(Path.is_file, above), *inside]


def say_other_runs(stage: str) -> None:
    """Say which earlier results, as DVC takes them from its run cache, are of other inputs."""
    earlier = STAGES[: STAGES.index(stage)] if stage in STAGES else STAGES
    for line in (
        read_lock().other_runs(records_here(), *earlier) if earlier and LOCK.exists() else ()
    ):
        print(f"{line}; {RUN_ANEW}", file=sys.stderr)


def versions(deps: Iterable[str]) -> dict[str, Version]:
    """Return size and time of each file that is one of the deps, or in one."""
    found = {}
    for dep in map(Path, deps):
        for path in dep.rglob("*") if dep.is_dir() else [dep]:
            if path.is_file() and COMPILED not in path.parts:
                stat = path.stat()
                found[str(path)] = stat.st_size, stat.st_mtime_ns
    return found


def changed_params(before: bytes, after: bytes, names: Iterable[str]) -> set[str]:
    """Return which params, among those of some names or sections, differ."""
    old, new = (params_of(text, names) for text in (before, after))
    return {key for key in old | new if old.get(key) != new.get(key)}


def names_of(params: Iterable[Any]) -> list[str]:
    """Return which params and sections of params.yaml a stage names; "" stands for all.

    params: as in dvc.yaml, names of that file, or files with their names, or with none for all.
    """
    files = [entry if isinstance(entry, dict) else {str(PARAMS): [entry]} for entry in params]
    return [name for file in files if str(PARAMS) in file for name in file[str(PARAMS)] or [""]]


def params_of(text: bytes, names: Iterable[str]) -> dict[str, Any]:
    """Return the params, as `section.key`, that are of some names or sections."""
    of_stage = tuple(f"{name}." if name else "" for name in names)
    return {key: value for key, value in all_params(text).items() if f"{key}.".startswith(of_stage)}


def all_params(text: bytes) -> dict[str, Any]:
    """Return every param as `section.key`; none of a file that an editor is about to write."""
    params = parse_yaml(text, str(PARAMS))
    sections = params.items() if isinstance(params, dict) else ()
    return dict(leaf for name, section in sections for leaf in flat(name, section))
