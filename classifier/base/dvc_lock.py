"""What dvc.lock says of the last run: what each stage read, what it wrote, with which params."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from classifier.base.errors import REPRO_FIRST, UserError, listed, quoted, require_file
from classifier.base.files import md5_of, md5_of_bytes, parse_yaml
from classifier.base.paths import LOCK, PARAMS, PIPELINE, RAW, TEST_SETS
from classifier.base.run_inputs import differences, flat, record_of

RUN_ANEW = "see docs/reproducibility.md, then run `dvc repro --force`"
STAGES = ("fetch", "prepare", "crossval", "train", "evaluate")
# What prepare does to the values of a row, and what it calls the label, not which rows there are.
# In locks from before it moved to train, prepare has scale.
OF_VALUES = {"text", "scale", "unknown", "max_categories", "encoding", "label", "dates", "numbers"}
# What decides where there are gaps: which rows there are only if those with gaps are dropped.
OF_GAPS = {"features", "exclude", "text", "dates", "numbers", "missing", "na_values"}


MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")  # that of a folder ends in .dir


class Entry(BaseModel):
    """A file or a folder that a stage reads or writes."""

    path: str
    md5: Annotated[str, Field(pattern=f"^({MD5.pattern})?$")] = ""  # none of what is behind a URL
    size: int | None = None  # bytes


class Stage(BaseModel):
    """What is recorded of a stage."""

    cmd: Any = None
    deps: list[Entry] = []
    outs: list[Entry] = []
    params: dict[str, dict[str, Any]] = {}

    def run_in(self, folder: str) -> "Stage":
        """Return the stage with its paths as seen from where the folder is."""

        def seen(path: str) -> str:
            return path if "://" in path else posixpath.normpath(posixpath.join(folder, path))

        def entries(known: list[Entry]) -> list[Entry]:
            return [entry.model_copy(update={"path": seen(entry.path)}) for entry in known]

        params = {seen(path): values for path, values in self.params.items()}
        return Stage(cmd=self.cmd, deps=entries(self.deps), outs=entries(self.outs), params=params)


class Lock(BaseModel):
    """A dvc.lock."""

    stages: dict[str, Stage]

    def of_pipeline(self, pipeline: Any) -> "Lock":
        """Return what it says of the stages that are in a dvc.yaml, by paths from its folder."""
        definitions = pipeline.get("stages") if isinstance(pipeline, dict) else None
        if not isinstance(definitions, dict):
            return self  # of which DVC says what is wrong
        named = {name: definitions.get(name.partition("@")[0]) for name in self.stages}
        folders = {
            name: found.get("wdir", ".") for name, found in named.items() if isinstance(found, dict)
        }
        return Lock(stages={
            name: self.stages[name].run_in(str(folder))
            for name, folder in folders.items()
        })  # fmt: skip

    def require_outs(self, name: str) -> None:
        """Raise `UserError`, which names the lock, unless each output is one of the project."""
        for stage, recorded in self.stages.items():
            for out in recorded.outs:
                path, place = PurePosixPath(out.path), f"{name}: is damaged: stages.{stage}.outs"
                if path.is_absolute() or ".." in path.parts:
                    raise UserError(f"{place}: {path} is not in the project")
                if not out.md5:
                    raise UserError(f"{place}: {path} has no md5")

    def outs(self) -> dict[str, Entry]:
        """Return every artifact by its path, as in dvc.yaml."""
        return {out.path: out for stage in self.stages.values() for out in stage.outs}

    def params(self, *stages: str) -> dict[str, Any]:
        """Return the params that the stages, by default all, were run with, as `section.key`."""
        return {
            key: value
            for name in stages or self.stages
            if name in self.stages
            for section, values in self.stages[name].params.get(str(PARAMS), {}).items()
            for key, value in flat(section, values)
        }

    def leading_to(self, *stages: str) -> list[str]:
        """Return the stages, and those of one's own that make what they read."""
        found = [*stages]
        for name in found:  # which grows
            read = [Path(dep.path) for dep in self.stages[name].deps] if name in self.stages else []
            for other in [name for name in self.stages if name not in (*found, *STAGES)]:
                made = [Path(out.path) for out in self.stages[other].outs]
                if any(out.is_relative_to(dep) or dep.is_relative_to(out)
                       for dep, out in product(read, made)):  # fmt: skip
                    found.append(other)
        return found

    def changed_commands(self, commands: dict[str, Any]) -> list[str]:
        """Return of which stages the command is another, as "cmd of STAGE"."""
        return [
            f"cmd of {name}"
            for name, command in commands.items()
            if name in self.stages and self.stages[name].cmd != command
        ]

    def changed_params(self, params: dict[str, Any], *stages: str) -> list[str]:
        """Return which of the stages' params are not, or not any more, as in `params`."""
        recorded = [item for stage in stages or self.stages for item in self.params(stage).items()]
        changed = [key for key, value in recorded if (key, value) not in params.items()]
        return [*dict.fromkeys(changed)]  # stages may have been run with different ones

    def other_runs(self, records: Mapping[Path, bytes], *stages: str) -> Iterator[str]:
        """Yield a line for each of the stages, by default all, that was not run with what it says.

        records: what stages have recorded; one that is not as the lock names it says nothing.
        """
        for name in stages or self.stages:
            recorded, content = self.outs().get(str(record_of(name))), records.get(record_of(name))
            if recorded is None or content is None or md5_of_bytes(content) != recorded.md5:
                continue
            if others := differences(content, self.stages[name].model_dump()):
                yield f"{name} was not run with the {listed(others)} that {LOCK} names"

    def table(self) -> str:
        """Return the md5 of the table that was prepared.

        Raises:
            UserError: the lock does not say.
        """
        if str(RAW) not in self._deps("prepare"):
            raise UserError(f"{LOCK}: does not say which table was prepared; run `dvc repro`")
        return self._deps("prepare")[str(RAW)]

    def tables(self) -> dict[str, str]:
        """Return the md5 of the table and of the folder of test sets, as far as they are known."""
        deps = [dep for stage in self.stages.values() for dep in stage.deps]
        return {dep.path: dep.md5 for dep in deps if dep.path in (str(RAW), str(TEST_SETS))}

    def code(self, *stages: str) -> dict[str, str]:
        """Return the md5 of the code and the packages that stages, by default all, were run by."""
        made = [Path(path) for path in (*self.outs(), "data")]
        run = [self.stages[name] for name in stages or self.stages if name in self.stages]
        deps = [dep for stage in run for dep in stage.deps]
        return {
            dep.path: dep.md5
            for dep in deps
            if not any(Path(dep.path).is_relative_to(out) for out in made)
        }

    def choice_of_rows(self) -> dict[str, Any]:
        """Return the params that decide which rows of the table are trained on."""
        params = self.params("prepare")
        dropped = params.get("prepare.missing") == "drop"
        left_out = OF_VALUES - OF_GAPS if dropped else OF_VALUES | OF_GAPS
        if params.get("prepare.test_size") == 0:  # nothing is drawn
            left_out = left_out | ({"seed"} if dropped else {"seed", "group", "time"})
        chosen = {  # what is null makes no difference, and stands in no older lock
            key: value
            for key, value in params.items()
            if value is not None and key.split(".")[1] not in left_out
        }
        return chosen | {"prepare.header": params.get("prepare.header") is True}  # names do not

    def require_crossval_of_the_model(self, name: str) -> None:
        """Raise `UserError`, which names the lock, unless crossval has seen what train has.

        That is its rows, code and params. Each can be run without the other, and then the results
        are of something else. Where there was no cross-validation, it cannot be of anything.
        """
        params, trained = self.params("crossval"), self.params("train")
        if not {"crossval", "train"} <= self.stages.keys() or params.get("crossval.folds") == 0:
            return
        recipe = {key: value for key, value in params.items() if key.startswith("train.")}
        if self._versions("crossval", "train") or not recipe.items() <= trained.items():
            raise UserError(
                f"{name}: was cross-validated on other rows or settings; run `dvc repro`"
            )

    def require_one_run(self, name: str, *stages: str) -> None:
        """Raise `UserError`, which names the lock, unless the stages, by default all, fit together.

        They do not where one was run alone: after others that it has not seen, or by other code.
        """
        if paths := self._versions(*(stages or self.stages)):
            raise UserError(
                f"{name}: its stages have seen different versions of {listed(paths)}; "
                "run `dvc repro`"
            )

    def _versions(self, *stages: str) -> list[str]:
        """Return the paths of which the stages have read or written different versions."""
        md5s = defaultdict[str, set[str]](set)
        for stage in (self.stages[name] for name in stages if name in self.stages):
            for entry in stage.deps + stage.outs:
                md5s[entry.path].add(entry.md5)
        return [path for path, versions in md5s.items() if len(versions) > 1]

    def _deps(self, stage: str) -> dict[str, str]:
        if stage not in self.stages:
            raise UserError(f"{LOCK}: has no stage {stage}; run `dvc repro`")
        return {dep.path: dep.md5 for dep in self.stages[stage].deps}


def read_lock(path: Path = LOCK) -> Lock:
    """Return what dvc.lock says.

    Raises:
        UserError: there is no lock, it is damaged, or an output in it is not in the project.
    """
    content = require_file(path, REPRO_FIRST).read_bytes()
    if content.startswith(b"<<<<<<< ") or b"\n<<<<<<< " in content:
        raise UserError(
            f"{path}: has both sides of a merge; choose one, as with `git checkout --ours {path}`, "
            "then run `dvc repro`"
        )
    try:
        pipeline = path.parent / PIPELINE
        definitions = pipeline.read_bytes() if pipeline.is_file() else None
        return parse_lock(content, str(path), definitions)
    except UserError as error:
        raise UserError(f"{error}; `git checkout {path}` brings back what was committed") from error


@lru_cache(maxsize=4)  # a command asks several times of one lock, or of two
def parse_lock(text: str | bytes, name: str, pipeline: bytes | None = None) -> Lock:
    """Return the lock that a text is.

    pipeline: the dvc.yaml that it belongs to. DVC keeps what it says of stages that are not there
    any more, and paths as seen from the folder that a stage works in.

    Raises:
        UserError: it is not a lock, or the other is not a dvc.yaml.
    """
    if text[-1:] not in ("\n", b"\n"):
        raise UserError(f"{name}: is damaged: it is cut off")
    try:
        lock = Lock.model_validate(parse_yaml(text, name))
    except ValidationError as error:
        first = error.errors()[0]
        found = "" if isinstance(first["input"], dict | list) else f"{quoted(first['input'])}: "
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{name}: is damaged: {place}: {found}{first['msg']}") from error
    if pipeline is not None:
        lock = lock.of_pipeline(parse_yaml(pipeline, PIPELINE))
    lock.require_outs(name)
    return lock


def require_read(stage: str, folder: Path, lock: Path = LOCK) -> None:
    """Raise `UserError` unless the folder is as the stage has read it."""
    if read_lock(lock)._deps(stage).get(folder.as_posix()) != md5_of(folder):
        raise UserError(f"{folder}: is not what {stage} has read; run `dvc repro`")


def require_recorded(path: Path, lock: Path = LOCK) -> Path:
    """Return `path`; raise `UserError` unless it is what dvc.lock names by its md5."""
    if not path.is_dir():
        require_file(path, REPRO_FIRST)
    expected = read_lock(lock).outs().get(path.as_posix())
    if expected is None:
        raise UserError(f"{path}: {lock} does not name it; run `dvc repro`")
    if md5_of(path) != expected.md5:
        kind = "folder" if path.is_dir() else "file"
        raise UserError(
            f"{path}: is not the {kind} that {lock} names; "
            "`classifier verify --repair` brings that back, `dvc repro` makes a new one"
        )
    return path
