"""Bringing back what is missing, damaged or changed, from whichever good copy is left.

Only what was read and found wrong is written to. What is replaced in the workspace, where it may
be somebody's work, is moved aside.
"""

import shlex
import shutil
import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem, localfs
from dvc.repo import Repo
from dvc_objects.fs.generic import transfer
from networkx import dfs_postorder_nodes
from scmrepo.exceptions import SCMError

from classifier.base.errors import UserError, one_line
from classifier.commands.artifacts.integrity import (
    MISSING,
    Copy,
    File,
    Finding,
    Place,
    Refused,
    Survey,
    built_list,
    reached,
    same_bytes,
    survey,
)
from classifier.commands.artifacts.transfer import clear

Copies = dict[str, list[Copy]]  # the good ones by md5, the best first


HERE = 2  # places: workspace and cache


@dataclass(frozen=True)
class Verified:
    """What was wrong, what is left of it, and where what was replaced was moved to."""

    files: list[File]
    found: list[Finding]
    left: list[Finding]
    aside: Path | None = None
    remake: str | None = None  # what is left of no good copy, and how to make that anew


def repair(repo: Repo, before: Survey, places: list[Place]) -> Verified:
    """Bring back what can be; say on standard error what cannot be written."""
    if not before.findings:
        return Verified(before.files, [], [])
    aside = Path(mkdtemp(prefix="replaced-", dir=repo.tmp_dir))
    outs = dict.fromkeys(finding.file.out for finding in before.findings)
    now, found, new = before, before.findings, before.findings
    failed: dict[Place, str] = {}
    while new:  # a folder's list that has come back tells what else is wrong
        good = good_copies(now, places)
        # The workspace first: a link there leads to what is replaced in the cache.
        for finding in sorted(now.findings, key=lambda finding: bool(finding.place.store)):
            try:
                bring_back(finding, good, aside)
            except (UserError, OSError) as error:  # of a full disk, say, once is enough
                failed.setdefault(finding.place, str(error))
        now = survey(outs, places)
        new = [finding for finding in now.findings if finding not in found]
        found = found + new
    files = [file for file in before.files if file.out not in outs] + now.files
    for problem in failed.values():
        print(one_line(problem), file=sys.stderr)
    lost = lost_files(now, places)
    clear_cache(lost, places, aside)
    with suppress(OSError):
        aside.rmdir()
    kept = aside.relative_to(repo.root_dir) if aside.exists() else None
    return Verified(files, found, now.findings, kept, how_to_remake(repo, lost, places))


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
    tree = built_list(folder.out)
    return [Copy(tree.fs, tree.path)] if tree and tree.oid == folder.md5 else []


def committed(file: File) -> list[Copy]:
    """Return the file as it is in git, if that is good."""
    with suppress(OSError, DvcException, SCMError):
        repo = file.out.repo
        path = Path(repo.root_dir, file.path).relative_to(repo.scm.root_dir).as_posix()
        copy = Copy(GitFileSystem(scm=repo.scm, rev="HEAD"), path)
        return [copy] if same_bytes(copy, file, None) else []
    return []


def lost_files(now: Survey, places: list[Place]) -> list[File]:
    """Return what is wrong and good nowhere, each file once."""
    if not now.findings:
        return []
    good = good_copies(now, places)
    wrong = (f.file for f in now.findings if f.file.md5 and not isinstance(f.problem, Refused))
    return list(dict.fromkeys(file for file in wrong if not good[file.md5]))


def clear_cache(lost: list[File], places: list[Place], aside: Path) -> None:
    """Move damaged objects out of the cache: DVC would take them for what a stage makes anew."""
    for file, place in ((file, place) for file in lost for place in places):
        if place.name == "cache" and place.keeps(file):
            move_aside(place.copy(file).path, aside / "cache" / file.md5)


def how_to_remake(repo: Repo, lost: list[File], places: list[Place]) -> str | None:
    """Say of which files no good copy is left, where one may be, and how to make them anew."""
    if not lost:
        return None
    names = ", ".join(file.path for file in lost[:3]) + (", ..." if len(lost) > 3 else "")
    stages = {file.out.stage for file in lost if file.out.stage.cmd}
    ordered = [stage for stage in dfs_postorder_nodes(repo.index.graph) if stage in stages]
    command = shlex.join(
        ["dvc", "repro", "--force", "--single-item", *(s.addressing for s in ordered)]
    )
    where = f"no good copy is left of {names}"
    if len(places) == HERE and repo.config["core"].get("remote"):
        where = f"no good copy is here of {names}; `classifier pull` asks the remote"
    return where + (f"; `{command}` makes it again" if ordered else "")


def bring_back(finding: Finding, good: Copies, aside: Path) -> None:
    """Write a file anew where it is wrong; raise `UserError` or OSError if that fails."""
    file, place, problem = finding
    target, sources = place.copy(file), good[file.md5]
    if isinstance(problem, Refused) or (file.md5 and not sources):
        return
    with reached(place.name):
        if not place.store:
            move_aside(target.path, aside / file.path)
        if sources and target not in sources:
            put(file, place, problem, sources[0])
            sources.insert(0, target)


def put(file: File, place: Place, problem: str, source: Copy) -> None:
    """Write a file from a good copy to where it is missing or damaged."""
    if place.store:
        if problem != MISSING:
            clear(place.copy(file))
        place.store.add(source.path, source.fs, file.md5, check_exists=False, verify=False)
        return
    target, cache = place.copy(file).path, file.out.cache
    cached = source.path == cache.oid_to_path(file.md5)
    localfs.makedirs(localfs.parent(target))
    links = list(cache.cache_types) if cached else ["copy"]
    transfer(source.fs, source.path, localfs, target, links=links)


def move_aside(path: str, kept: Path) -> None:
    """Keep what is there, if anything: perhaps those bytes are nowhere else."""
    if localfs.exists(path):  # or a link to nothing
        kept.parent.mkdir(parents=True, exist_ok=True)
        if Path(path).is_symlink() and Path(path).is_file():
            shutil.copyfile(path, kept)
            Path(path).unlink()
        else:
            shutil.move(path, kept)
