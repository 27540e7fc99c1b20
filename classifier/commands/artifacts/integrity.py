"""Whether the bytes of each artifact are those that dvc.lock names, wherever they are kept.

DVC believes a file in the workspace by its time, and one in the cache or on a remote by its name.
Here all of them are read.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from aiohttp import ClientError
from dvc.exceptions import DvcException
from dvc.fs import localfs
from dvc.repo import Repo, lock_repo
from dvc.repo.index import Index
from dvc.rwlock import RWLockFileCorruptedError, rwlock
from dvc_data.hashfile.build import IgnoreInCollectedDirError, build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.tree import Tree
from fsspec.callbacks import TqdmCallback

from classifier.base.dvc_lock import MD5, read_lock
from classifier.base.errors import UserError, oddity, require_file
from classifier.base.progress import Progress
from classifier.commands.artifacts.dir_lists import LARGEST, UNSAFE, parse_list

MISSING, DAMAGED, CHANGED, UNNAMED = "missing", "damaged", "changed", "not in dvc.lock"

MD5_OF_NO_FILES = "d751713988987e9331980363e24189ce.dir"  # of the list of an empty folder
READ_BY_DVC = ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/config.local")


class Refused(str):
    """A problem with what dvc.lock names itself: nothing may be written there."""


HIDDEN = "hidden from DVC by .dvcignore"
OUTSIDE = Refused("reached by a link that leads out of its folder")


@dataclass(frozen=True)
class File:
    """A file that dvc.lock names, by itself or through its folder; or the list of a folder."""

    path: str  # in the project: data/prepared/schema.json; of the list, data/prepared/
    md5: str  # that of a list ends in .dir
    out: Any  # DVC's Output that it belongs to

    @property
    def is_list(self) -> bool:
        return self.md5.endswith(".dir")


class Copy(NamedTuple):
    """Where the bytes of a file are: one of DVC's file systems, and a path on it."""

    fs: Any
    path: str


@dataclass(frozen=True)
class Place:
    """The workspace, or a store of files under their md5: the cache, a remote."""

    name: str
    fs: Any
    store: Any = None  # DVC's HashFileDB

    def keeps(self, file: File) -> bool:
        """Say whether this is a place for the file."""
        if not self.store:
            return not file.is_list
        if self.name != "cache":
            return bool(file.out.use_cache and file.out.can_push)
        # Of what git keeps, DVC has a copy for its run cache, though not in a fresh clone.
        return bool(file.out.use_cache or os.path.lexists(self.copy(file).path))

    def copy(self, file: File) -> Copy:
        """Return where the file should be."""
        root = file.out.repo.root_dir
        path = self.store.oid_to_path(file.md5) if self.store else str(Path(root, file.path))
        return Copy(self.fs, path)


class Finding(NamedTuple):
    """What is wrong with a file in a place."""

    file: File
    place: Place
    problem: str


# Whether a copy is that of the file; it tells of the bytes read. FileNotFoundError: there is none.
Test = Callable[[Copy, File, Any], bool]


@contextmanager
def reached(name: str) -> Iterator[None]:
    """Make a `UserError` of what goes wrong on the way to a place; it may be of any class."""
    try:
        yield
    except UserError:
        raise
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        cause = error.__cause__  # fsspec calls it a missing file, too, when a web server is down
        if isinstance(cause, (ClientError, TimeoutError)) and getattr(cause, "status", 0) != 404:
            raise UserError(f"{name}: {cause}") from error
        raise
    except Exception as error:
        raise UserError(f"{name}: {str(error) or type(error).__name__}") from error


@contextmanager
def opened() -> Iterator[Repo]:
    """Yield DVC's repository, locked against other runs of DVC.

    Raises:
        UserError: there is none, it has no usable dvc.lock, or DVC is at work in it.
    """
    read_lock()
    for path in (Path(name) for name in READ_BY_DVC if localfs.exists(name)):
        require_file(path)
    try:
        with Repo() as repo, lock_repo(repo), outs_locked(repo):
            require_private(repo)
            repo.index.check_graph()
            for out in repo.index.outs:
                require_usable(out)
            yield repo
    except RWLockFileCorruptedError as error:  # by a kill as DVC wrote it
        raise UserError(f"{error}; `rm .dvc/tmp/rwlock`") from error
    except (DvcException, IgnoreInCollectedDirError) as error:
        hint = "; `git checkout dvc.lock` if it is damaged" if "dvc.lock" in str(error) else ""
        raise UserError(f"{error}{hint}") from error


def require_private(repo: Repo) -> None:
    """Raise `UserError` if git brings what DVC writes for itself: it may hold links elsewhere."""
    for path in (repo.tmp_dir, repo.cache.local_cache_dir):
        if repo.scm.is_tracked(path):
            name = Path(path).relative_to(repo.root_dir)
            raise UserError(
                f"{name}: belongs to DVC, but git tracks it; `git rm -r --cached {name}`"
            )


def require_usable(out: Any) -> None:
    """Raise `UserError` unless DVC knows an output of the project by an md5, and only by that.

    dvc.lock may have been cut off, or all of it written by somebody who is not to be trusted.
    """
    path = relative(out.fs_path, out) if out.is_in_repo else f"../{out}"
    definition = relative(out.stage.path, out)
    lock = definition.replace("dvc.yaml", "dvc.lock")
    if path.startswith(".") or UNSAFE.search(path):
        raise UserError(f"{definition}: {out} is not a safe place for an output")
    if out.use_cache and out.repo.scm.is_tracked(out.fs_path):
        raise UserError(
            f"{path}: is an output of DVC, but git tracks it; `git rm -r --cached {path}`"
        )
    if not out.hash_info:
        raise UserError(
            f"{lock}: does not name {path}; run `dvc repro`, or `git checkout {lock}` if it is "
            "damaged"
        )
    if out.hash_name != "md5" or not MD5.fullmatch(out.hash_info.value) or out.files:
        raise UserError(f"{lock}: has no plain md5 of {path}; `git checkout {lock}`")


def loaded(repo: Repo) -> Index:
    """Return what DVC knows of the project, for the first time: its files may hold anything."""
    try:
        return repo.index
    except DvcException:
        raise
    except Exception as error:
        raise UserError(f"DVC cannot read dvc.yaml, dvc.lock or a .dvc file: {error}") from error


def outs_locked(repo: Repo) -> AbstractContextManager[None]:
    """Return DVC's lock of all outputs: while a stage runs, DVC holds it and not the other one."""
    outs = [out.fs_path for out in loaded(repo).outs]
    command = " ".join(sys.argv)  # by which DVC knows that it is this process
    with_link = repo.config["core"].get("hardlink_lock", False)
    lock: AbstractContextManager[None] = rwlock(repo.tmp_dir, repo.fs, command, [], outs, with_link)
    return lock


def cache_of(repo: Repo) -> Place:
    return Place("cache", localfs, repo.cache.local)


def workspace_of(repo: Repo) -> Place:
    return Place("workspace", repo.fs)


def remote_of(repo: Repo, name: str | None) -> Place:
    """Return the remote of that name or the default one."""
    name = name or repo.config["core"].get("remote")
    with reached(f"remote {name}"):
        store = repo.cloud.get_remote_odb(name, "push")
        store.fs.exists(store.path)  # connects; s3fs would make a slow client for each thread
    if store.fs.protocol == "local" and os.path.realpath(store.path) == os.path.realpath(
        repo.cache.local.path
    ):
        raise UserError(f"remote {name}: is the cache itself")
    remote = Place(f"remote {name}", store.fs, store)
    require_folders(remote, store.path)
    return remote


def require_folders(place: Place, path: str) -> None:
    """Raise `UserError` if the way to a folder on this machine leads through something else.

    What is behind a link to a disk that is not there is not missing.
    """
    if place.fs.protocol == "local":
        folder = Path(os.path.normpath(path))
        end = next(filter(os.path.lexists, (folder, *folder.parents)))
        if not end.is_dir():
            raise UserError(f"{place.name}: {end}: is {oddity(end) or 'a file'}, not a folder")
        if not os.access(end, os.R_OK | os.X_OK):
            raise UserError(f"{place.name}: {end}: permission denied")


def filled_remote_of(repo: Repo, name: str | None) -> Place:
    """Return the remote; raise `UserError` if its folder on this machine is not there: a disk?"""
    remote = remote_of(repo, name)
    if remote.fs.protocol == "local" and not remote.fs.isdir(remote.store.path):
        path = os.path.normpath(remote.store.path)
        raise UserError(
            f"{remote.name}: there is no folder {path}; `classifier push` creates it, "
            f"`dvc remote modify --local {remote.name.partition(' ')[2]} url PATH` sets another"
        )
    return remote


@dataclass(frozen=True)
class Survey:
    """All files of some outputs, and what is wrong with them."""

    files: list[File]
    findings: list[Finding]


def survey(outs: Iterable[Any], places: list[Place]) -> Survey:
    """Read every file of the outputs in every place."""
    files, refused = recorded_files(outs, places)
    return Survey(files, refused + unnamed(files, places) + check(files, places))


def recorded_files(outs: Iterable[Any], places: list[Place]) -> tuple[list[File], list[Finding]]:
    """Return every file that dvc.lock names, and the lists that must not be used.

    Of a folder whose list is lost or not to be used, it is the list alone.
    """
    files, refused = [], []
    for artifact in map(recorded_file, outs):
        if artifact.is_list:
            place, content = good_list(artifact, places)
            try:
                listed = parse_list(content).items()
                files += [File(artifact.path + name, md5, artifact.out) for name, md5 in listed]
            except ValueError as error:
                refused.append(Finding(artifact, place, Refused(error)))
        files.append(artifact)
    return files, refused


def recorded_file(out: Any) -> File:
    """Return the file that an output is, or the list of its folder."""
    path = relative(out.fs_path, out)
    return File(f"{path}/" if out.hash_info.isdir else path, out.hash_info.value, out)


def good_list(folder: File, places: list[Place]) -> tuple[Place, bytes]:
    """Return where the list of a folder is undamaged, and its bytes; if nowhere, an empty one."""
    for place in filter(lambda place: place.keeps(folder), places):
        with (
            suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError),
            reached(place.name),
        ):
            copy = place.copy(folder)
            content = b"" if odd(copy) else b"".join(chunks(copy, LARGEST))
            if f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir" == folder.md5:
                return place, content
    tree = built_list(folder.out)
    content = tree.as_bytes() if tree and tree.oid == folder.md5 else b"[]"
    return workspace_of(folder.out.repo), content


def built_list(out: Any) -> Tree | None:
    """Return the list of an output's folder, as DVC makes it from reading all files in it."""
    path = out.fs_path
    if leads_outside(path, out) or any(oddity(Path(file)) for file in contents(out)):
        return None
    store = HashFileDB(localfs, path, hash_name="md5")  # remembers no hashes, unlike the cache
    try:
        _, _, tree = build(store, path, localfs, "md5", dry_run=True, ignore=out.dvcignore)
    except (OSError, IgnoreInCollectedDirError):
        return None
    return tree if isinstance(tree, Tree) else None


def contents(out: Any) -> list[str]:
    """Return the files in an output's folder in the workspace; or what stands in its place."""
    path: str = out.fs_path
    if leads_outside(path, out) and not is_link_to_cache(path, out):
        return []
    if localfs.isdir(path):
        return list(out.dvcignore.find(localfs, path))
    return [path] if localfs.exists(path) else []


def is_link_to_cache(path: str, out: Any) -> bool:
    """Whether it is a file that DVC has linked to its cache, under `cache.type symlink`."""
    target, cache = Path(os.path.realpath(path)), os.path.realpath(out.repo.cache.local.path)
    return target.is_file() and target.is_relative_to(cache)


def leads_outside(folder: Path | str, out: Any) -> bool:
    """Whether a link on the way to a folder leads out of the output, or of the folder it is in."""
    home = Path(os.path.realpath(out.repo.root_dir), relative(out.fs_path, out))
    inside = home if out.hash_info.isdir else home.parent
    return not Path(os.path.realpath(folder)).is_relative_to(inside)


def odd(copy: Copy) -> str | None:
    """Return what is in the place of a file, if not one: see `oddity`."""
    if copy.fs.protocol == "local":
        return oddity(Path(copy.path))
    if copy.fs.protocol == "ssh":  # others know files and folders only
        return {"file": None, "directory": "a directory"}.get(
            copy.fs.info(copy.path)["type"], "not a regular file"
        )
    return None


def chunks(copy: Copy, most: float) -> Iterator[bytes]:
    """Yield the bytes of a copy, not many more than `most`: a server may send no end of them."""
    read = 0
    with copy.fs.open(copy.path, "rb") as stream:
        while read <= most and (chunk := stream.read(2**20)):
            read += len(chunk)
            yield chunk


def same_bytes(copy: Copy, file: File, reading: Any) -> bool:
    """Read the copy as a stream and say whether it has the md5 of the file."""
    size = LARGEST if file.is_list else file.out.meta.size
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in chunks(copy, float("inf") if size is None else size):
        md5.update(chunk)
        if reading and not file.is_list:  # as in the size that dvc.lock has for a folder
            reading.relative_update(len(chunk))
    return md5.hexdigest() == file.md5.removesuffix(".dir")


def same_size(copy: Copy, file: File, _: Any) -> bool:
    """Say whether the copy has the size of the one in the cache, or in dvc.lock.

    dvc.lock has the size of a folder as a whole: a file in it that the cache lacks is read.
    """
    cached = Path(file.out.cache.oid_to_path(file.md5))
    size = None if file.out.hash_info.isdir else file.out.meta.size
    if cached.exists():
        size = cached.stat().st_size
    return same_bytes(copy, file, None) if size is None else bool(copy.fs.size(copy.path) == size)


def is_there(copy: Copy, *_: Any) -> bool:
    """Return True; raise FileNotFoundError if there is no copy."""
    return bool(copy.fs.info(copy.path))


class Reading(TqdmCallback):  # type: ignore[misc]
    """One bar for the bytes that several threads read; they stop when one of them has failed."""

    stopped = False
    lock = Lock()

    def relative_update(self, inc: int = 1) -> None:
        if self.stopped:
            raise InterruptedError
        with self.lock:
            super().relative_update(inc)


def check(files: list[File], places: list[Place], test: Test = same_bytes) -> list[Finding]:
    """Return what is wrong with which file in which place; by default all bytes are read.

    Raises:
        UserError: a place cannot be reached or read.
    """
    pairs = [(file, place) for file in files for place in places if place.keeps(file)]
    sizes = (out.meta.size or 0 for out, _ in {(file.out, place) for file, place in pairs})
    bar = {"desc": "verify", "unit": "B", "unit_scale": True}
    reading = Reading(bar, tqdm_cls=Progress, size=sum(sizes))
    pool = ThreadPoolExecutor(max(place.fs.jobs for place in places))
    with reading:
        try:
            look = partial(problem, test=test, reading=reading)
            problems = list(pool.map(look, *zip(*pairs, strict=True)))
        finally:  # without waiting for a thread that waits for a server
            reading.stopped = True
            pool.shutdown(wait=False, cancel_futures=True)
    return [Finding(*pair, found) for pair, found in zip(pairs, problems, strict=True) if found]


def damaged(files: list[File], place: Place) -> list[Finding]:
    """Return what is wrong in a place with the files that are there."""
    return [finding for finding in check(files, [place]) if finding.problem != MISSING]


def problem(file: File, place: Place, test: Test, reading: Any) -> str | None:
    """Return what is wrong with a file in a place that it should be in."""
    copy = place.copy(file)
    if not place.store and leads_outside(Path(copy.path).parent, file.out):
        return OUTSIDE
    try:
        with reached(place.name):
            if odd_one := odd(copy):
                return odd_one
            good = test(copy, file, reading)
    except (FileNotFoundError, NotADirectoryError):
        if place.store:
            require_folders(place, str(Path(copy.path).parent))
        return MISSING
    except IsADirectoryError:
        good = False
    return None if good else DAMAGED if place.store else CHANGED


def unnamed(files: list[File], places: list[Place]) -> list[Finding]:
    """Return what is in the workspace's folders but not on the lists that dvc.lock names."""
    known = {file.path for file in files}
    listed = (file for file in files if not file.is_list or file.md5 == MD5_OF_NO_FILES)
    folders = {file.out for file in listed if file.out.hash_info.isdir}
    paths = [(path, out) for out in folders for path in contents(out)]
    others = [File(relative(path, out), "", out) for path, out in paths]
    workspace = [place for place in places if not place.store]
    return [
        Finding(file, place, UNNAMED)
        for file in sorted(others, key=lambda file: file.path)
        for place in workspace
        if file.path not in known
    ]


def in_the_way(out: Any, files: list[File]) -> list[Finding]:
    """Return what DVC must not read, write through, or overlook in the workspace."""
    workspace = workspace_of(out.repo)
    seen = {relative(path, out) for path in contents(out)}
    others = [File(path, "", out) for path in seen - {file.path for file in files}]
    found = check(files + others, [workspace], is_there)
    known = seen | {finding.file.path for finding in found}
    unseen = (file for file in files if not file.is_list and file.path not in known)
    hidden = [Finding(file, workspace, HIDDEN) for file in unseen]
    return hidden + [finding for finding in found if finding.problem != MISSING]


def relative(path: str, out: Any) -> str:
    """Return a path as people and dvc.lock write it, from the project's top folder."""
    return Path(path).relative_to(out.repo.root_dir).as_posix()
