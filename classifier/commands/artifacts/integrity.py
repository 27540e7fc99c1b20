"""Whether the bytes of each artifact are those that dvc.lock names, wherever they are kept.

DVC believes a file in the workspace by its time, and one in the cache or on a remote by its name.
Here all of them are read.
"""

import hashlib
import json
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
from dvc.rwlock import rwlock
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.tree import Tree
from fsspec.callbacks import TqdmCallback

from classifier.base.errors import UserError
from classifier.base.progress import Progress
from classifier.lock import read_lock

MISSING, DAMAGED, CHANGED, UNNAMED = "missing", "damaged", "changed", "not in dvc.lock"


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
        return bool(file.out.use_cache and (file.out.can_push or self.name == "cache"))

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
        raise UserError(f"{name}: {error or type(error).__name__}") from error


@contextmanager
def opened() -> Iterator[Repo]:
    """Yield DVC's repository, locked against other runs of DVC.

    Raises:
        UserError: there is none, it has no dvc.lock, or DVC is at work in it.
    """
    read_lock()
    try:
        with Repo() as repo, lock_repo(repo), outs_locked(repo):
            require_all_recorded(repo)
            yield repo
    except DvcException as error:
        raise UserError(str(error)) from error


def require_all_recorded(repo: Repo) -> None:
    """Raise `UserError` if dvc.lock lacks an output of dvc.yaml: it may have been cut off."""
    for out in repo.index.outs:
        if not out.hash_info:
            raise UserError(
                f"dvc.lock: does not name {relative(out.fs_path, out)}; run `dvc repro`, or "
                "`git checkout dvc.lock` if it is damaged"
            )


def outs_locked(repo: Repo) -> AbstractContextManager[None]:
    """Return DVC's lock of all outputs: while a stage runs, DVC holds it and not the other one."""
    outs = [out.fs_path for out in repo.index.outs]
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
    return Place(f"remote {name}", store.fs, store)


def require_folder(remote: Place) -> None:
    """Raise `UserError` if the folder of a remote on this machine is not there: a disk, perhaps."""
    if remote.fs.protocol == "local" and not remote.fs.isdir(remote.store.path):
        raise UserError(
            f"{remote.name}: there is no folder {remote.store.path}; `classifier push` makes it"
        )


@dataclass(frozen=True)
class Survey:
    """All files of some outputs, and what is wrong with them."""

    files: list[File]
    findings: list[Finding]


def survey(outs: Iterable[Any], places: list[Place]) -> Survey:
    """Read every file of the outputs in every place."""
    files = recorded_files(outs, places)
    return Survey(files, check(files, places) + unnamed(files, places))


def recorded_files(outs: Iterable[Any], places: list[Place]) -> list[File]:
    """Return every file that dvc.lock names; of a folder whose list is lost, the list alone."""
    files = []
    for out in outs:
        path, md5 = relative(out.fs_path, out), out.hash_info.value
        if not out.hash_info.isdir:
            files.append(File(path, md5, out))
            continue
        folder = File(f"{path}/", md5, out)
        for name, entry in folder_list(folder, places).items():
            files.append(File(folder.path + name, entry, out))
        files.append(folder)
    return files


def folder_list(folder: File, places: list[Place]) -> dict[str, str]:
    """Return the md5 of each file in a folder; none if the list is undamaged in no place."""
    for place in filter(lambda place: place.keeps(folder), places):
        with suppress(FileNotFoundError), reached(place.name):
            content = place.fs.cat_file(place.copy(folder).path)
            if f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir" == folder.md5:
                return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
    tree = built_list(folder.out.fs_path, folder.out.dvcignore)
    if tree is None or tree.oid != folder.md5:
        return {}
    return {"/".join(key): entry.value for key, _, entry in tree}


def built_list(path: str, ignore: Any = None) -> Tree | None:
    """Return the list of what is in a folder, as DVC makes it from reading all its files."""
    store = HashFileDB(localfs, path, hash_name="md5")  # remembers no hashes, unlike the cache
    try:
        _, _, tree = build(store, path, localfs, "md5", dry_run=True, ignore=ignore)
    except OSError:
        return None
    return tree if isinstance(tree, Tree) else None


def same_bytes(copy: Copy, file: File, reading: Any) -> bool:
    """Read the copy as a stream and say whether it has the md5 of the file."""
    counted = None if file.is_list else reading  # as in the size that dvc.lock has for a folder
    md5 = file_md5(copy.path, copy.fs, counted, size=0)
    return bool(md5 == file.md5.removesuffix(".dir"))


def same_size(copy: Copy, file: File, _: Any) -> bool:
    """Say, without reading, whether the copy has the size of the one in the cache, if any."""
    size, cached = copy.fs.size(copy.path), Path(file.out.cache.oid_to_path(file.md5))
    return not cached.exists() or bool(size == cached.stat().st_size)


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


def problem(file: File, place: Place, test: Test, reading: Any) -> str | None:
    """Return what is wrong with a file in a place that it should be in."""
    try:
        with reached(place.name):
            good = test(place.copy(file), file, reading)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except IsADirectoryError:
        good = False
    return None if good else DAMAGED if place.store else CHANGED


def unnamed(files: list[File], places: list[Place]) -> list[Finding]:
    """Return what is in the workspace's folders but not on the lists that dvc.lock names."""
    known = {file.path for file in files}
    folders = {file.out for file in files if file.out.hash_info.isdir and not file.is_list}
    paths = [(path, out) for out in folders for path in out.dvcignore.find(out.fs, out.fs_path)]
    others = [File(relative(path, out), "", out) for path, out in paths]
    workspace = [place for place in places if not place.store]
    return [
        Finding(file, place, UNNAMED)
        for file in sorted(others, key=lambda file: file.path)
        for place in workspace
        if file.path not in known
    ]


def relative(path: str, out: Any) -> str:
    """Return a path as people and dvc.lock write it, from the project's top folder."""
    return Path(path).relative_to(out.repo.root_dir).as_posix()
