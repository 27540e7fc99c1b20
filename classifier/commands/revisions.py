"""What git keeps of a revision, and whether the results here are those of the params here."""

import json
import os
import posixpath
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, cast

from dvc.config import Config
from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.scm import Git, resolve_rev
from dvc.stage import PipelineStage
from dvc_data.hashfile.build import IgnoreInCollectedDirError, build
from networkx import descendants
from pygit2 import GitError
from scmrepo.exceptions import SCMError
from scmrepo.git.backend.pygit2 import Pygit2Backend

from classifier.base.dvc_lock import RUN_ANEW, Lock, parse_lock
from classifier.base.errors import UserError, did_you_mean, listed
from classifier.base.files import list_of, md5_of_bytes, parse_yaml
from classifier.base.paths import CROSSVAL, EVALUATION, LOCK, PARAMS, PIPELINE
from classifier.base.run_inputs import record_of, records_here
from classifier.base.stage_inputs import all_params
from classifier.commands.git import bytes_of_git, fetch_objects, git
from classifier.params import written_params
from classifier.scoring.scores import numbers_in

ALL = ("",)  # params of a file, where dvc.yaml names none


def params_of(commit: str) -> dict[str, Any]:
    """Return all params of a commit, as `section.key`; raise `UserError` if they are not valid."""
    text = git("show", f"{commit}:./{PARAMS}")
    return written_params(text, f"{PARAMS} of the commit {commit[:7]}")


def lock_of(commit: str) -> Lock:
    """Return the dvc.lock of a commit."""
    lock, pipeline = (bytes_of_git("show", f"{commit}:./{path}") for path in (LOCK, PIPELINE))
    return parse_lock(lock, f"{LOCK} of {commit[:7]}", pipeline)


def metrics_of(revision: str) -> dict[str, float]:
    """Return the numbers in a revision's metrics files, as `crossval.accuracy.mean`."""
    listed = git("ls-tree", "--name-only", revision, "metrics/").split()
    return dict(
        leaf
        for path in (CROSSVAL, EVALUATION)
        if str(path) in listed
        for leaf in numbers_in(path.stem, _json_of(revision, str(path)))
    )


def unknown_metric(name: str, known: Set[str]) -> str:
    """Say that no metric has a name, and which may be meant: its mean, or what is most like it."""
    mean = {f"{name}.mean"} & known
    hint = did_you_mean(name, mean or known) or f"; see {CROSSVAL} and {EVALUATION}"
    return f"unknown metric{hint}"


def _json_of(revision: str, path: str) -> Any:
    try:
        return json.loads(git("show", f"{revision}:./{path}"))
    except ValueError as error:
        raise UserError(f"{path} of {revision}: is damaged") from error


def warn_of_namesakes(name: str, meaning: str | None = None) -> None:
    """Say on standard error what has the same name as the revision that is meant.

    meaning: what that is; by default the ref whose commit DVC takes.

    Raises:
        UserError: the name is empty, which stands for no revision, or stands for none.
    """
    if not name:
        raise UserError("an empty name is not a revision")
    refs = refs_named(name)
    if meaning is None and len(refs) > 1:
        with repo_at(name) as repo:
            meaning = next(ref for ref, commit in refs.items() if commit == repo.fs.rev)
    for other in [ref for ref in refs if meaning and ref != meaning]:
        print(f"{name}: means {meaning}; {other} has the same name", file=sys.stderr)


def refs_named(name: str) -> dict[str, str]:
    """Return the commits of tags and branches, or branches of remotes, then of experiments.

    That a remote has a branch of the same name is how git works, and no second meaning. HEAD's own
    experiment comes before others.
    """
    git("rev-parse", "--git-dir")  # which says what is wrong with the repository
    try:
        head = git("rev-parse", "--verify", "HEAD").strip()
    except UserError as error:
        raise UserError(f"{name}: there is no commit yet") from error
    if name == "HEAD":
        return {}
    own = f"refs/exps/{head[:2]}/{head[2:]}/{name}"
    tags, branches, remote, experiments = (
        refs_below(folder, name) for folder in ("tags", "heads", "remotes/*", "exps/*/*")
    )
    first = sorted(experiments, key=lambda ref: ref != own)
    return (tags | branches or remote) | {ref: experiments[ref] for ref in first}


def refs_below(folder: str, name: str) -> dict[str, str]:
    """Return the commits of refs of this very name; git also lists what is below it."""
    pattern = f"refs/{folder}/{name}"
    wanted = "--format=%(refname) %(objectname) %(*objectname)"  # of a tag, and what it is of
    refs = map(str.split, git("for-each-ref", wanted, pattern).splitlines())
    is_it = re.compile(f"refs/{folder.replace('*', '[^/]+')}/{re.escape(name)}").fullmatch
    return {ref: commits[-1] for ref, *commits in refs if is_it(ref)}


def lines_on_changes(revision: str | None, lock: Lock, *stages: str) -> list[str]:
    """Return a line for each thing that the results of the stages are not of, or may not be of."""
    changed = changed_since(revision, lock, *stages)
    if revision:
        told = [f"its results were made with another {name}" for name in changed]
        return [f"{revision}: {line}" for line in [*told, *other_runs(revision, lock, *stages)]]
    unseen = " --force" * any(re.match("(deps|outs) of ", name) for name in changed)
    told = [f"{name} has changed since; run `dvc repro{unseen}`" for name in changed]
    told += [f"{line}; {RUN_ANEW}" for line in other_runs(None, lock, *stages)]
    return [*told, *frozen_stages(lock.leading_to(*stages) if stages else [*lock.stages])]


def other_runs(revision: str | None, lock: Lock, *stages: str) -> list[str]:
    """Return a line for each stage that was not run with what a revision's lock says.

    What neither the cache nor a remote has cannot be told.
    """
    wanted = lock.leading_to(*stages) if stages else [*lock.stages]
    if revision is None:
        return [*lock.other_runs(records_here(), *wanted)]
    records = [record_of(name) for name in wanted if str(record_of(name)) in lock.outs()]
    with suppress(UserError, ImportError, OSError):  # of a remote that cannot be reached
        return [*lock.other_runs(files_at(revision, *records), *wanted)]
    return []


def frozen_stages(names: Collection[str]) -> Iterator[str]:
    """Yield a line for each stage that is frozen, of which a forced run records params unseen."""
    stages = parse_yaml(PIPELINE.read_bytes(), str(PIPELINE)).get("stages", {})
    for name, definition in stages.items():
        if name in names and isinstance(definition, dict) and definition.get("frozen"):
            yield f"{name} is frozen, so its results may be of no run; `dvc unfreeze {name}`"


def changed_since(revision: str | None, lock: Lock, *stages: str) -> list[str]:
    """Return which params, commands and files of a revision the results of the stages are not of.

    revision: None stands for the files as they are; stages: with those of one's own that make what
    they read, by default all.
    """
    made, wanted = lock.outs().keys(), lock.leading_to(*stages) if stages else [*lock.stages]
    with repo_at(revision) as repo:
        # Before DVC reads them, which says less of what is wrong.
        text = repo.dvcfs.read_bytes(str(PARAMS))
        params = all_params(text) if revision else written_params(text, str(PARAMS))
        defined = [stage for stage in pipeline_of(repo) if stage.name in wanted]
        commands = {stage.name: stage.cmd for stage in defined}
        deps = [dep for stage in defined for dep in stage.deps]
        deps = [dep for dep in deps if not any(Path(str(dep)).is_relative_to(out) for out in made)]
        files = {str(dep): dep for dep in deps if not isinstance(dep, ParamsDependency)}
        changed = [key for stage in defined for key in changed_params(lock, stage, params)]
        others = [name for dep in deps for name in other_changed_params(dep, changed)]
        changed = [*dict.fromkeys([*changed, *others]), *lock.changed_commands(commands)]
        changed += [name for stage in defined for name in changed_paths(lock, stage)]
        changed += [path for path in files if has_changed(repo, files[path], revision)]
        return changed + ([] if revision else [*changed_elsewhere(repo)])


def changed_elsewhere(repo: Repo) -> Iterator[str]:
    """Yield the addresses of stages of other dvc.yaml files that are no longer as they were run."""
    for stage in stages_elsewhere(repo):
        if not stage.frozen and (stage.cmd_changed or any(dep.status() for dep in stage.deps)):
            yield stage.addressing


def changed_paths(lock: Lock, stage: PipelineStage) -> Iterator[str]:
    """Yield whether a stage had other deps or outs when it ran: DVC does not see one taken away."""
    if recorded := lock.stages.get(stage.name):
        deps = [dep for dep in stage.deps if not isinstance(dep, ParamsDependency)]
        if {path_of(dep) for dep in deps} != {entry.path for entry in recorded.deps}:
            yield f"deps of {stage.name}"
        if {path_of(out) for out in stage.outs} != {entry.path for entry in recorded.outs}:
            yield f"outs of {stage.name}"


def path_of(entry: Output) -> str:
    """Return the path of a dep or an out as dvc.lock has it, from the project's top folder."""
    if "://" in entry.def_path:
        return str(entry.def_path)
    folder = os.path.relpath(entry.stage.wdir, entry.repo.root_dir)
    return posixpath.normpath(posixpath.join(folder, str(entry.def_path)))


def changed_params(lock: Lock, stage: PipelineStage, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the params of a stage that are others now, of those that dvc.yaml still gives it."""
    deps = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
    names = [name for dep in deps if str(dep) == str(PARAMS) for name in dep.params or ALL]
    for key in lock.changed_params({**params}, stage.name):
        if any(is_of(key, name) for name in names):
            yield key


def other_changed_params(dep: Output, named: Sequence[str]) -> Iterator[str]:
    """Yield the changed params that a lock does not name: those of other files, and new ones."""
    if not isinstance(dep, ParamsDependency):
        return
    for path, found in dep.status().items():
        changes = [*found] if isinstance(found, dict) else []
        if path != str(PARAMS):
            yield f"{listed(changes)} of {path}" if changes else path
        else:
            yield from (key for key in changes if not any(is_of(name, key) for name in named))


def is_of(name: str, key: str) -> bool:
    """Whether a param, `section.key`, is another, or of that section; of ALL there is."""
    return name == key or name.startswith(f"{key}." if key else "")


def pipeline_of(repo: Repo) -> list[PipelineStage]:
    """Return the project's stages, without those of `dvc add` and those of other dvc.yaml files."""
    stages = (stage for stage in repo.index.stages if isinstance(stage, PipelineStage))
    return [stage for stage in stages if stage.path_in_repo == str(PIPELINE)]


def stages_elsewhere(repo: Repo) -> list[PipelineStage]:
    """Return the stages of other dvc.yaml files that make what the project's stages read."""
    own, graph = pipeline_of(repo), repo.index.graph
    leading = {each for stage in own for each in descendants(graph, stage)} - {*own}
    found = [stage for stage in leading if isinstance(stage, PipelineStage)]
    return sorted(found, key=lambda stage: str(stage.addressing))


def has_changed(repo: Repo, dep: Output, revision: str | None) -> bool:
    """Return whether a file or a folder is not as a stage has read it."""
    has_status = bool(dep.status())
    if revision is None or not dep.is_in_repo:
        return has_status
    if not has_status and not any(is_added(out, dep) for out in repo.index.outs):
        return False  # else DVC has looked only at what git has of a folder
    if not dep.exists:
        return bool(kept_by_dvc(repo, str(dep)) != dep.hash_info.value)
    if dep.fs.isdir(dep.fs_path):
        md5 = md5_of_folder(repo, dep)
    else:
        md5 = md5_of_bytes(checked_out(repo, str(dep)))
    return bool(md5 != dep.hash_info.value)


def is_added(out: Output, dep: Output) -> bool:
    """Return whether an output of `dvc add`, or of an import, is a dependency or in one."""
    return not out.stage.cmd and bool(dep.fs.isin_or_eq(out.fs_path, dep.fs_path))


def added_files(repo: Repo) -> dict[str, bool]:
    """Return what `dvc add` or an import keeps, and of each whether it is another now."""
    outs = [out for out in repo.index.outs if not out.stage.cmd]
    return {os.path.relpath(out.fs_path): bool(out.status()) for out in outs}


def checked_out(repo: Repo, path: str) -> bytes:
    """Return a file of git at a revision as a checkout writes it.

    Attributes may want other line ends, or a filter, such as that of Git LFS. Without the program
    of a filter, it is what git keeps.
    """
    try:
        return bytes_of_git("cat-file", "--filters", f"{repo.fs.rev}:./{path}")
    except UserError:
        return bytes(repo.dvcfs.read_bytes(path))


def md5_of_folder(repo: Repo, dep: Output) -> str:
    """Return the md5 of a folder; at a revision, DVC leaves out what it keeps of it itself."""
    _, _, tree = build(
        repo.cache.local, dep.fs_path, dep.fs, "md5", dry_run=True, ignore=dep.dvcignore
    )
    names = ["/".join(key) for key, _, _ in tree]
    found = {name: md5_of_bytes(checked_out(repo, f"{dep}/{name}")) for name in names}
    for path in repo.dvcfs.find(str(dep)):
        if kept := kept_by_dvc(repo, path):
            found[str(PurePosixPath(path).relative_to(str(dep)))] = kept
    found |= md5_of_links(repo, Path(str(dep)), found)
    return md5_of_bytes(list_of(found)) + ".dir"


def kept_by_dvc(repo: Repo, path: str) -> str | None:
    """Return the md5 of a file or a folder that DVC keeps at a revision; None if it does not."""
    with suppress(FileNotFoundError):
        return cast(str | None, repo.dvcfs.info(path).get("dvc_info", {}).get("md5"))
    return None


def md5_of_links(repo: Repo, folder: Path, md5s: Mapping[str, str]) -> dict[str, str]:
    """Return the md5 of what files in a folder are links to; at a revision, DVC has the links'."""
    found = {}
    for name, md5 in md5s.items():
        link = folder / name
        if link.is_symlink() and md5 == md5_of_bytes(os.fsencode(link.readlink())):
            with suppress(FileNotFoundError):  # it is not in the revision
                target = os.path.relpath(os.path.realpath(link))
                found[name] = md5_of_bytes(repo.dvcfs.read_bytes(target))
    return found


class WholeBlobs(Pygit2Backend):  # type: ignore[misc]
    """Files of git read as a whole: a stream of one may wait for ever (`pygit2.blob._BlobIO`)."""

    def get_tree_obj(self, rev: str, **options: Any) -> Any:
        tree = super().get_tree_obj(rev, **options)
        tree.backend = None
        return tree


class GitOfWholeBlobs(Git):  # type: ignore[misc]
    """git as DVC reads the files of a revision from it."""

    @cached_property
    def pygit2(self) -> WholeBlobs:
        return WholeBlobs(self.root_dir)


@contextmanager
def repo_at(revision: str | None) -> Iterator[Repo]:
    """Yield DVC's repository with the files of a revision, or as they are.

    Remotes are those of today: keys stand in `.dvc/config.local`, which has no revisions.

    Raises:
        UserError: there is no such revision.
    """
    with ExitStack() as stack:
        try:
            remotes = {"remote": Config.from_cwd().get("remote", {})}
            repo = stack.enter_context(Repo(scm=GitOfWholeBlobs(), config=remotes))
            if revision is not None:
                fetch_objects(resolve_rev(repo.scm, revision))
                stack.enter_context(repo.switch(revision))
        except DvcException as error:
            raise UserError(str(error)) from error
        except SCMError as error:
            raise UserError(f"git: {error}") from error
        except GitError as error:  # an object is damaged, or the repository is somebody else's
            raise UserError(f"git: {error}") from error
        except AttributeError as error:  # of git, about a file or a folder
            raise UserError(f"{revision}: is not a commit, branch, tag or experiment") from error
        try:
            yield repo
        # As of a dvc.yaml that is none, or of a .dvcignore in a folder that a stage reads.
        except (DvcException, IgnoreInCollectedDirError) as error:
            raise UserError(str(error)) from error


def files_at(revision: str | None, *paths: Path) -> dict[Path, bytes]:
    """Return the files of a revision, or as they are; what it does not have is left out.

    What DVC keeps comes from the cache, or else from a remote.

    Raises:
        UserError: there is no such revision, or DVC cannot read what it says.
    """
    found = {}
    with repo_at(revision) as repo:
        for path in paths:
            try:
                found[path] = repo.dvcfs.read_bytes(str(path))
            except FileNotFoundError:
                continue
            except DvcException as error:
                raise UserError(f"{revision}: {error}" if revision else str(error)) from error
    return found
