"""Whether what dvc.lock was made from reaches those who have the commit, by git or by DVC.

Artifacts on a remote are of little use to somebody who has not the table, or not the dvc.lock.
"""

import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dvc.fs import localfs
from dvc.output import Output
from dvc.repo import Repo

from classifier.base.dvc_lock import Lock, read_lock
from classifier.base.errors import UserError, listed
from classifier.base.files import md5_of, md5_of_bytes
from classifier.base.paths import LOCK, MODEL_CARD, PARAMS, RAW, SOURCES
from classifier.base.stage_inputs import versions
from classifier.commands.artifacts.integrity import HIDDEN, relative
from classifier.commands.git import git, paths_of_git
from classifier.commands.revisions import (
    changed_since,
    checked_out,
    has_changed,
    other_runs,
    pipeline_of,
    repo_at,
    stages_elsewhere,
)
from classifier.fetching.as_csv import GZIP
from classifier.fetching.parquet import FIRST, begins_as_parquet


def out_of_reach(repo: Repo) -> Iterator[str]:
    """Yield a line, with the command that helps, for what a colleague would lack.

    Edits since the run do not count: dvc.lock was not made from them.
    """
    source = str(read_lock().params("fetch").get("fetch.source", ""))
    if source.lower().startswith("file://"):
        yield f"fetch.source: {source}: is only on this machine; copy it into {SOURCES}"
    yield from not_in_commit(repo)


def not_in_commit(repo: Repo) -> Iterator[str]:
    """Yield a line for what dvc.lock was made from and the commit does not have."""
    lock = read_lock()
    source = str(lock.params("fetch").get("fetch.source", ""))
    kept = versions(str(out) for out in kept_by_git(repo) if not out.status())
    files = [str(LOCK), *tables_and_code(repo, lock, source), *kept]
    files += linked([source, *files])
    tracked = {path: out for out in repo.index.outs for path in files if is_in(path, out)}
    for path, out in tracked.items():
        if out.status():
            yield f"{path}: has changed; `dvc add {shlex.quote(relative(out.fs_path, out))}`"
    made = [relative(out.fs_path, out) for out in made_elsewhere(repo)]
    files = [path for path in files if not any(Path(path).is_relative_to(out) for out in made)]
    of_git = {*files} - {*tracked} | {relative(out.stage.path, out) for out in tracked.values()}
    missing = [*not_committed(sorted(of_git))]
    yield from missing
    if not missing and (changed := [*changed_in_commit(lock, source)]):
        advice = "commit what was run, or run `dvc repro`"
        yield f"{listed(changed)}: the commit has another version; {advice}"


def linked(paths: Iterable[str]) -> list[str]:
    """Return the files that paths are links to; git keeps the links only."""
    return [os.path.relpath(os.path.realpath(path)) for path in paths if Path(path).is_symlink()]


def made_elsewhere(repo: Repo) -> list[Output]:
    """Return what DVC keeps of stages of other dvc.yaml files, for the project's stages to read."""
    return [out for stage in stages_elsewhere(repo) for out in stage.outs if out.use_cache]


def kept_by_git(repo: Repo) -> list[Output]:
    """Return what stages have written and DVC leaves to git, such as metrics."""
    return [out for stage in pipeline_of(repo) for out in stage.outs if not out.use_cache]


def changed_in_commit(lock: Lock, source: str) -> Iterator[str]:
    """Yield the params, commands and files of the commit that dvc.lock is not of.

    DVC has one hash of all tables. One that was copied as it is has the hash of what was fetched.
    """
    with repo_at("HEAD") as repo:
        yield from (str(out) for out in kept_by_git(repo) if has_changed(repo, out, "HEAD"))
        is_there = Path(source).is_file() and repo.dvcfs.exists(source)
        table = checked_out(repo, source) if is_there else None
    is_copied = table is not None and not is_converted(table)
    are_told = "://" not in source and not is_copied
    yield from (name for name in changed_since("HEAD", lock) if name != str(SOURCES) or are_told)
    if table is not None and is_copied and md5_of_bytes(table) != lock.outs()[str(RAW)].md5:
        yield source


def is_converted(content: bytes) -> bool:
    """Whether what is fetched of a file is not the file itself."""
    return content.startswith(GZIP) or begins_as_parquet(content[:FIRST])


def tables_and_code(repo: Repo, lock: Lock, source: str) -> list[str]:
    """Return the files that the stages have read, apart from what other stages have written."""
    written = lock.outs()
    deps = (dep for stage in pipeline_of(repo) for dep in stage.deps)
    read = {relative(dep.fs_path, dep) for dep in deps if dep.is_in_repo and not dep.status()}
    # Of the tables there, one was read; and there are params that no stage reads.
    read -= {str(SOURCES), str(PARAMS)}
    files = versions([source, *read])
    return [path for path in files if not any(Path(path).is_relative_to(out) for out in written)]


def hidden_inputs(repo: Repo) -> Iterator[str]:
    """Yield a line for each file that a stage reads and DVC is told to ignore."""
    lock = read_lock()
    for path in tables_and_code(repo, lock, str(lock.params("fetch").get("fetch.source", ""))):
        if Path(path).exists() and repo.dvcignore.is_ignored(
            localfs, str(Path(repo.root_dir, path))
        ):
            yield f"{path}: {HIDDEN}, which will not notice changes; remove the line there"


def outdated_card() -> Iterator[str]:
    """Yield a line if there is a model card, and it is of another dvc.lock, which it names."""
    if MODEL_CARD.is_file() and md5_of(LOCK) not in MODEL_CARD.read_text("utf-8", "replace"):
        yield f"{MODEL_CARD}: is of another run; `classifier report --model-card` writes it anew"


def is_in(path: str, out: Any) -> bool:
    """Whether a file is pushed as, or in, what `dvc add` or `dvc import-url` tracks."""
    is_pushed = out.use_cache and out.can_push and not out.stage.cmd
    return bool(is_pushed and Path(path).is_relative_to(relative(out.fs_path, out)))


def not_committed(paths: Iterable[str]) -> Iterator[str]:
    """Yield a line for the files that git does not have, and one for those that have changed."""
    committed = {*paths_of_git("ls-tree", "-r", "--name-only", "HEAD")}
    edited = {*paths_of_git("diff", "--name-only", "--relative", "HEAD")}
    new = [path for path in paths if path not in committed]
    tables = [path for path in new if path.startswith("data/")]
    or_dvc = f", or keep it out of git with `dvc {shlex.join(['add', *tables])}`" if tables else ""
    if new:
        yield f"{listed(new)}: not in git; `git {shlex.join(['add', *new])}`, then commit{or_dvc}"
    if changed := [path for path in paths if path in committed & edited]:
        yield f"{listed(changed)}: not committed; `git {shlex.join(['commit', *changed])}`"


def warnings(repo: Repo, remote: str) -> Iterator[str]:
    """Yield what is of little use to colleagues as it is pushed, or until git is pushed too."""
    try:
        read_lock().require_one_run(str(LOCK))
    except UserError as error:
        yield f"warning: {error}"
    lines = [*other_runs(None, read_lock()), *outdated_card()]
    yield from (f"warning: {line}" for line in lines)
    if not git("branch", "--remotes", "--contains", "HEAD").strip():
        commit = git("rev-parse", "--short", "HEAD").strip()
        yield f"warning: no git remote has the commit {commit} yet; `git push`"
    if paths_of_git("diff", "--name-only", "HEAD", "--", ".dvc/config"):
        yield "warning: .dvc/config, which names the remote, is not committed"
    for out in made_elsewhere(repo):
        target = shlex.quote(out.stage.addressing)
        yield f"warning: {out}: is not of this pipeline; `dvc push {target}` puts it there"
    for out in (out for out in repo.index.outs if out.remote not in (None, remote)):
        yield f"warning: {out}: dvc.yaml has it on remote {out.remote}; `dvc push` puts it there"
    if remote not in repo.config.read("repo").get("remote", {}):
        yield f"warning: .dvc/config has no remote {remote}; `dvc remote add {remote} URL`"
