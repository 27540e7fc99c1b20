"""Bringing back what is missing, damaged or changed, from whichever good copy is left.

Only what was read and found wrong is written to. What is replaced in the workspace, where it may
be somebody's work, is moved aside.
"""

import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem, localfs
from dvc.repo import Repo
from dvc_objects.fs.generic import transfer
from networkx import dfs_postorder_nodes
from scmrepo.exceptions import SCMError

from classifier.base.errors import UserError, one_line
from classifier.commands.artifacts.integrity import (
    MISSING,
    UNNAMED,
    Copy,
    File,
    Finding,
    Place,
    Survey,
    built_list,
    check,
    reached,
    same_bytes,
    same_size,
    survey,
)
from classifier.lock import md5_of

STDERR = 2
Copies = dict[str, list[Copy]]  # the good ones by md5, the best first


@dataclass(frozen=True)
class Outcome:
    """What was wrong, what is left of it, and where files of the workspace were moved to."""

    files: list[File]
    found: list[Finding]
    left: list[Finding]
    aside: Path | None = None


def repair(repo: Repo, before: Survey, places: list[Place]) -> Outcome:
    """Bring back what can be, and say on standard error what cannot."""
    aside = Path(mkdtemp(prefix="replaced-", dir=repo.tmp_dir))
    files, found, left = [], [], []
    for stage in dfs_postorder_nodes(repo.index.graph):  # after those that make its inputs
        part = Survey(
            [file for file in before.files if file.out.stage is stage],
            [finding for finding in before.findings if finding.file.out.stage is stage],
        )
        outcome = repair_stage(stage, part, places, aside)
        files += outcome.files
        found += outcome.found
        left += outcome.left
    with suppress(OSError):
        aside.rmdir()
    return Outcome(files, found, left, aside.relative_to(repo.root_dir) if aside.exists() else None)


def repair_stage(stage: Any, now: Survey, places: list[Place], aside: Path) -> Outcome:
    """Bring back what a stage has made; if no copy is left of some of it, run it."""
    found = new = now.findings
    remade: dict[str, Copy] | None = None
    with ExitStack() as stack:
        while new:  # a folder's list that has come back tells what else is wrong
            good = good_copies(now, places)
            needed = {file.md5 for file, _, problem in now.findings if problem != UNNAMED}
            if remade is None and not all(good[md5] for md5 in needed):
                remade = stack.enter_context(rerun(stage))
            for md5, copy in (remade or {}).items():
                good[md5].append(copy)
            for finding in now.findings:
                bring_back(finding, good, aside)
            now = survey(stage.outs, places)
            new = [finding for finding in now.findings if finding not in found]
            found = found + new
    return Outcome(now.files, found, now.findings)


def good_copies(now: Survey, places: list[Place]) -> Copies:
    """Return where each file was found to be good; if nowhere, where else it is."""
    wrong = {(file, place) for file, place, _ in now.findings}
    good: Copies = defaultdict(list)
    for place in places:
        for file in now.files:
            if place.keeps(file) and (file, place) not in wrong:
                good[file.md5].append(place.copy(file))
    for file in now.files:
        if not good[file.md5]:
            good[file.md5] += list_from_files(file) if file.is_list else committed(file)
    return good


def list_from_files(folder: File) -> list[Copy]:
    """Return the list of a folder made from its files in the workspace, if those are good."""
    tree = built_list(folder.out.fs_path, folder.out.dvcignore)
    return [Copy(tree.fs, tree.path)] if tree and tree.oid == folder.md5 else []


def committed(file: File) -> list[Copy]:
    """Return the file as it is in git, if that is good."""
    with suppress(OSError, DvcException, SCMError):
        copy = Copy(GitFileSystem(scm=file.out.repo.scm, rev="HEAD"), file.path)
        return [copy] if same_bytes(copy, file, None) else []
    return []


def bring_back(finding: Finding, good: Copies, aside: Path) -> None:
    """Write a file anew where it is wrong; say on standard error if that fails."""
    file, place, problem = finding
    target, sources = place.copy(file), good[file.md5]
    try:
        with reached(place.name):
            if not place.store and (sources or problem == UNNAMED):
                move_aside(target.path, aside / file.path)
            if sources and target not in sources:
                put(file, place, problem, sources[0])
                sources.insert(0, target)
    except (UserError, OSError) as error:
        print(one_line(f"{file.path}: {error}"), file=sys.stderr)


def put(file: File, place: Place, problem: str, source: Copy) -> None:
    """Write a file from a good copy to where it is missing or damaged."""
    if place.store:
        if problem != MISSING:
            place.store.delete(file.md5)
        place.store.add(source.path, source.fs, file.md5, check_exists=False, verify=False)
        return
    target, cache = place.copy(file).path, file.out.cache
    cached = source.path == cache.oid_to_path(file.md5)
    localfs.makedirs(localfs.parent(target))
    links = list(cache.cache_types) if cached else ["copy"]
    transfer(source.fs, source.path, localfs, target, links=links)


def complete(files: list[File], cache: Place, remote: Place) -> list[Finding]:
    """Write to the remote what it lacks or has in another size; return what is still wrong."""
    for file, _, problem in check(files, [remote], same_size):
        if Path(cache.copy(file).path).exists():
            with reached(remote.name):
                put(file, remote, problem, cache.copy(file))
    return check(files, [remote], same_size)


def move_aside(path: str, kept: Path) -> None:
    """Keep what is there, if anything: perhaps those bytes are nowhere else."""
    if Path(path).is_symlink() or Path(path).exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, kept)


@contextmanager
def rerun(stage: Any) -> Iterator[dict[str, Copy]]:
    """Yield, by md5, what a stage makes from copies of its inputs in a folder of its own.

    The workspace is left alone. Where the stage cannot be run, that is said on standard error.
    """
    with TemporaryDirectory(prefix="rerun-", dir=stage.repo.tmp_dir) as name:
        folder = Path(name)
        if not stage.cmd:
            problem = "no command makes it"
        elif stage.changed_deps():
            problem = "its inputs are not those that dvc.lock names"
        else:
            for dep in stage.deps:
                copy_input(dep.fs_path, folder / Path(dep.fs_path).relative_to(stage.repo.root_dir))
            done = subprocess.run(stage.cmd, shell=True, cwd=folder, stdout=STDERR)
            problem = f"it ended with exit code {done.returncode}" if done.returncode else ""
        if problem:
            print(one_line(f"{stage.addressing}: cannot be rerun: {problem}"), file=sys.stderr)
        yield {} if problem else made(stage, folder)


def copy_input(source: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def made(stage: Any, folder: Path) -> dict[str, Copy]:
    """Return what a stage has made in a folder, by md5."""
    copies = {}
    for out in stage.outs:
        path = folder / Path(out.fs_path).relative_to(stage.repo.root_dir)
        if path.is_file():
            copies[md5_of(path)] = Copy(localfs, str(path))
        elif tree := built_list(str(path)):
            copies[tree.oid] = Copy(tree.fs, tree.path)
            copies |= {md5.value: Copy(localfs, str(path.joinpath(*key))) for key, _, md5 in tree}
    return copies
