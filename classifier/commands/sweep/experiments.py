"""DVC's experiments as git keeps them: a commit each, under refs/exps/BASELINE/NAME."""

import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from classifier.base.errors import UserError
from classifier.base.files import md5_of_bytes
from classifier.base.paths import CROSSVAL, EVALUATION, PARAMS
from classifier.base.progress import say
from classifier.commands.compare import LEADING_TO_CROSSVAL
from classifier.commands.git import bytes_of_git, git
from classifier.commands.predict import LEADING_TO_THE_MODEL
from classifier.commands.revisions import changed_since, lock_of, other_runs, params_of
from classifier.commands.sweep.override_syntax import Texts, value_of
from classifier.params import checked_params

WAITS = (1, 4, 16)  # seconds before git is asked again for what another machine has


@dataclass(frozen=True)
class Trial:
    """An experiment to be: its name, the params it tries, and how `dvc exp run -S` sets them."""

    name: str
    params: dict[str, Any]
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
            key: as_number_like(self.params.get(key), value_of(key, text), f"{key}={text}")
            for key, text in texts.items()
        }
        identity = json.dumps([self.commit, self.changes(params)], sort_keys=True)
        name = f"sweep-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"
        return Trial(name, params, tuple(f"{key}={text}" for key, text in texts.items()))

    def require_valid(self, trial: Trial) -> Trial:
        """Return the trial; raise `UserError` unless its stages would accept its params."""
        content = defaultdict[str, dict[str, Any]](dict)
        for name, value in (self.params | trial.params).items():
            section, _, key = name.partition(".")
            content[section][key] = value
        checked_params(content, f"{PARAMS} with {' '.join(trial.overrides)}")
        return trial

    def not_reproduced(self, metric: str) -> list[str]:
        """Return the params and files that a metric in the commit is not of; or "run"."""
        lock = lock_of(self.commit)
        file = CROSSVAL if metric.startswith(f"{CROSSVAL.stem}.") else EVALUATION
        recorded = lock.outs().get(str(file))
        content = bytes_of_git("show", f"{self.commit}:./{file}")
        if recorded is None or md5_of_bytes(content) != recorded.md5:
            return ["run"]
        leading = LEADING_TO_CROSSVAL if metric.startswith("crossval.") else LEADING_TO_THE_MODEL
        if other_runs(self.commit, lock, *leading):
            return ["run"]
        return sorted(changed_since(self.commit, lock, *leading))

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
        listed = git_again("ls-remote", remote, f"{self.refs}sweep-*")
        refs = [line.split()[1] for line in listed.splitlines()]
        missing = [f"{ref}:{ref}" for ref in refs if ref.removeprefix(self.refs) not in here]
        if missing:
            git_again("fetch", "--quiet", "--no-write-fetch-head", remote, *missing)


def git_again(*arguments: str) -> str:
    """Return what git has written; ask again, and say so, where it cannot reach a remote."""
    for wait in WAITS:
        try:
            return git(*arguments)
        except UserError as error:
            say(f"{' '.join(str(error).split())}; trying again in {wait} s")
            time.sleep(wait)
    return git(*arguments)


def as_number_like(default: Any, value: Any, override: str) -> Any:
    """Return 1.0 for 1 where the default is not a whole number: the two are one trial.

    Raises:
        UserError: it is no whole number, but the default is; Python takes 2.0 and true for some.
    """
    defaults, values = (each if isinstance(each, list) else [each] for each in (default, value))
    if {*map(type, defaults)} == {int} and {*map(type, values)} & {float, bool}:
        raise UserError(f"{override}: expected whole numbers")
    return float(value) if isinstance(default, float) and type(value) is int else value


def head() -> Baseline:
    """Return the baseline that is checked out.

    Raises:
        UserError: there is none, or the project is not the whole repository, as trials take it.
    """
    if folder := git("rev-parse", "--show-prefix").strip():
        raise UserError(f"sweeps need a git repository of the project's own, it is in {folder}")
    commit = git("rev-parse", "--verify", "HEAD^{commit}").strip()
    return Baseline(commit, params_of(commit))
