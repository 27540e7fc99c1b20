"""DVC's experiments as git keeps them: a commit each, under refs/exps/BASELINE/NAME."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from classifier.errors import UserError
from classifier.overrides import Texts, value_of
from classifier.params import PARAMS, Params

METRICS = ("crossval", "evaluation")  # the metrics files, without folder and ending
LEADING_TO_CROSSVAL = {"fetch", "prepare", "crossval"}


@dataclass(frozen=True)
class Trial:
    """An experiment to be: its name, the params that are tried, and how `dvc exp run -S` sets them.

    changes: those of the params that differ from the baseline's.
    """

    name: str
    params: dict[str, Any]
    changes: dict[str, Any]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """The commit that experiments start from: its hash and all its params, `section.key`."""

    commit: str
    params: dict[str, Any]

    @property
    def refs(self) -> str:
        """What the names of the refs of its experiments start with."""
        return f"refs/exps/{self.commit[:2]}/{self.commit[2:]}/"

    def changes(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the params that are not as in the baseline."""
        return {key: params[key] for key in sorted(params) if params[key] != self.params.get(key)}

    def trial(self, texts: Texts) -> Trial:
        """Return the trial of these values; its name is the same for the same params and commit."""
        params = {
            key: as_number_like(self.params.get(key), value_of(key, text))
            for key, text in texts.items()
        }
        changes = self.changes(params)
        identity = json.dumps([self.commit, changes], sort_keys=True)
        name = f"sweep-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
        return Trial(name, params, changes, tuple(f"{key}={text}" for key, text in texts.items()))

    def not_reproduced(self) -> list[str]:
        """Return the params that the commit's cross-validation was not run with."""
        from dvc.utils.serialize import parse_yaml

        stages = parse_yaml(git("show", f"{self.commit}:dvc.lock"), "dvc.lock")["stages"]
        read = recorded_params(stages[name] for name in LEADING_TO_CROSSVAL & stages.keys())
        return sorted(key for key, value in read.items() if value != self.params.get(key))

    def experiments(self) -> dict[str, str]:
        """Return the names of the trials that are finished, each with the commit of its results."""
        listed = git("for-each-ref", "--format=%(refname) %(objectname)", f"{self.refs}sweep-*")
        return {
            ref.removeprefix(self.refs): commit
            for ref, commit in map(str.split, listed.splitlines())
        }

    def fetch(self, remote: str) -> None:
        """Get the trials that a git remote has and this repository has not."""
        here = self.experiments()
        refs = [
            line.split()[1] for line in git("ls-remote", remote, f"{self.refs}sweep-*").splitlines()
        ]
        missing = [f"{ref}:{ref}" for ref in refs if ref.removeprefix(self.refs) not in here]
        if missing:
            git("fetch", "--quiet", "--no-write-fetch-head", remote, *missing)


def as_number_like(default: Any, value: Any) -> Any:
    """Return 1.0 for 1 where the default is no whole number: the two are one trial."""
    return float(value) if isinstance(default, float) and type(value) is int else value


def head() -> Baseline:
    """Return the baseline that is checked out."""
    commit = git("rev-parse", "--verify", "HEAD^{commit}").strip()
    return Baseline(commit, params_of(commit))


def params_of(commit: str) -> dict[str, Any]:
    """Return all params of a commit, as `section.key`; raise `UserError` if they are not valid."""
    from dvc.utils.serialize import ParseError, parse_yaml

    text = git("show", f"{commit}:{PARAMS}")
    try:
        sections: dict[str, dict[str, Any]] = parse_yaml(text, PARAMS)
        Params.model_validate(sections)
    except (ParseError, ValidationError) as error:
        where = f"{PARAMS} of the commit {commit[:7]}"
        raise UserError(f"{where}: is not valid; `dvc repro` says what is wrong") from error
    return {f"{name}.{key}": value for name in sections for key, value in sections[name].items()}


def recorded_params(stages: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the params that stages of a dvc.lock were run with, as `section.key`."""
    return {
        leaf: value
        for stage in stages
        for key, values in stage.get("params", {}).get(str(PARAMS), {}).items()
        for leaf, value in _flat(values, key)
    }


def metrics_of(revision: str) -> dict[str, float]:
    """Return the numbers in a revision's metrics files, as `crossval.accuracy.mean`."""
    listed = git("ls-tree", "--name-only", revision, "metrics/").split()
    paths = {name: f"metrics/{name}.json" for name in METRICS}
    return {
        key: value
        for name, path in paths.items()
        if path in listed
        for key, value in _flat(_json_of(revision, path), name)
    }


def _json_of(revision: str, path: str) -> Any:
    try:
        return json.loads(git("show", f"{revision}:{path}"))
    except ValueError as error:
        raise UserError(f"{path} of {revision}: is damaged") from error


def _flat(value: Any, key: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name in value for leaf in _flat(value[name], f"{key}.{name}")]
    return [(key, value)]


def git(*arguments: str) -> str:
    """Return what git has written; raise `UserError` with its last words if it fails."""
    done = subprocess.run(
        ["git", *arguments], capture_output=True, encoding="utf-8", errors="surrogateescape"
    )
    if done.returncode:
        raise UserError(f"git {arguments[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout
