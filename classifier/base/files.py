"""Files written beside their target and moved over it; YAML and md5s as DVC has them."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np

from classifier.base.errors import UserError

DEEPEST = 100  # levels of YAML; loading some ten thousand crashes Python


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".old.tmp")


def _remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _errors_about(path: Path) -> Iterator[None]:
    """Make errors of the system name the file that people know, not the one beside it."""
    try:
        yield
    except OSError as error:
        beside = (str(_temporary(path).absolute()), str(_aside(path).absolute()))
        if not error.filename or str(Path(error.filename).absolute()).startswith(beside):
            error.filename = str(path)
        raise


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; on success it is moved over it, on an error removed."""
    temporary = _temporary(path)
    with _errors_about(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            _remove(temporary)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success it takes its place, on an error it goes."""
    temporary = _temporary(path)
    with _errors_about(path):
        _remove(temporary)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _swap(temporary, path)
        finally:
            _remove(temporary)


def _swap(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`, whose own one stays if that fails."""
    aside = _aside(path)
    _remove(aside)  # of a run that was killed
    try:
        if path.exists():
            path.rename(aside)
        new.rename(path)
    finally:
        if aside.exists() and not path.exists():
            aside.rename(path)
    _remove(aside)


def write_text(path: Path, text: str) -> None:
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people and diffs."""
    write_text(path, to_json(value))


def to_json(value: Any) -> str:
    """Return JSON for people and diffs: indented, keys in the order given."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def quoting(names: Iterable[str]) -> Literal[0, 2]:
    """Return how pandas is to quote cells with these names: by itself it does not quote a CR."""
    return csv.QUOTE_NONNUMERIC if "\r" in "".join(names) else csv.QUOTE_MINIMAL


def rounded(value: Any) -> Any:
    """Return nested dicts and lists with every float rounded to the 6 digits of metrics files."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(float(value), 6) if isinstance(value, float | np.floating) else value


def _is_too_deep(events: Iterable[Any]) -> bool:
    """Return whether YAML is nested so deep that loading it might crash Python."""
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

    steps = (
        isinstance(e, CollectionStartEvent) - isinstance(e, CollectionEndEvent) for e in events
    )
    return any(depth > DEEPEST for depth in accumulate(steps))


def parse_yaml(text: str | bytes, name: object) -> Any:
    """Return what a YAML text says, read as DVC reads it: by YAML 1.2, each key once.

    name: what messages call the text.

    Raises:
        UserError: it is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        decoded = text if isinstance(text, str) else text.decode()
        if _is_too_deep(YAML(typ="safe").parse(decoded)):
            raise UserError(f"{name}: is nested more than {DEEPEST} levels deep")
        return YAML(typ="safe").load(decoded)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(f"{name}: {line}not valid YAML: {error.problem}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error


def md5_of(path: Path) -> str:
    """Return the md5 by which DVC knows a file or a folder; that of a folder ends in .dir."""
    if path.is_dir():
        return md5_of_bytes(list_of_files(path)) + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_of_bytes(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def list_of_files(folder: Path) -> bytes:
    """Return the list that DVC makes of a folder: the md5 and the path of each file in it."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return list_of({file.relative_to(folder).as_posix(): md5_of(file) for file in files})


def list_of(md5s: Mapping[str, str]) -> bytes:
    """Return the list that DVC makes of a folder in which files of these paths have these md5."""
    entries = [{"md5": md5s[path], "relpath": path} for path in sorted(md5s)]
    return json.dumps(entries, sort_keys=True).encode()
