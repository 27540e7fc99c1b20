"""What dvc.lock says of an artifact: the md5 of the bytes that its stage has written."""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from classifier.errors import UserError, require_file

LOCK = Path("dvc.lock")
DEEPEST = 100  # levels of YAML
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, in 3 ms instead of 20


def recorded_md5s(lock: Path = LOCK) -> dict[str, str]:
    """Return the path of every artifact, as in dvc.yaml, with its md5; that of a folder ends .dir.

    Raises:
        UserError: there is no lock, it is damaged, or a path in it leads out of the project.
    """
    content = require_file(lock, "run `dvc repro` first").read_bytes()
    try:
        require_whole(content)
        stages = yaml.load(content, LOADER)["stages"].values()
        md5s = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
        for path, md5 in md5s.items():
            if not MD5.fullmatch(md5):
                raise UserError(damaged(lock, f": the md5 of {path} is {md5!r}"))
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise UserError(damaged(lock, f": {path} is not in the project"))
        return md5s
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise UserError(damaged(lock)) from error


def require_whole(content: bytes) -> None:
    """Raise `ValueError` if YAML was cut off, or is nested so deep that loading it would crash."""
    if not content.endswith(b"\n"):
        raise ValueError("cut off")
    depth = 0
    for event in yaml.parse(content, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("nested too deep")


def damaged(lock: Path, why: str = "") -> str:
    return f"{lock}: is damaged{why}; `git checkout {lock}` brings back what was committed"


def md5_of(path: Path) -> str:
    """Return the md5 of a file's bytes, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def require_recorded(path: Path, lock: Path = LOCK) -> Path:
    """Return `path`; raise `UserError` unless it is a file whose md5 dvc.lock has for it."""
    require_file(path, "run `dvc repro` first")
    expected = recorded_md5s(lock).get(path.as_posix())
    if expected is None:
        raise UserError(f"{path}: {lock} does not name it; run `dvc repro`")
    if md5_of(path) != expected:
        raise UserError(
            f"{path}: is not the file that {lock} names; "
            "`python -m classifier verify --repair` brings that back, `dvc repro` makes a new one"
        )
    return path


def is_crossval_of_the_model(stages: dict[str, Any]) -> bool:
    """Whether crossval has seen the rows, code and params that train has, by a dvc.lock's stages.

    Each can be run without the other, and then its results are of something else.
    """
    if not {"crossval", "train"} <= stages.keys():
        return True
    folds, model = (
        {dep["path"]: dep["md5"] for dep in stages[name]["deps"]} for name in ("crossval", "train")
    )
    params = stages["train"]["params"]["params.yaml"]["train"]
    return all(folds[path] == model[path] for path in folds.keys() & model.keys()) and all(
        params.get(key.removeprefix("train.")) == value
        for key, value in stages["crossval"]["params"]["params.yaml"].items()
        if key.startswith("train.")
    )
