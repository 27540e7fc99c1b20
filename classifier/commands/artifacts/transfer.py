"""Copying objects between the cache and a remote, and putting outputs into the workspace."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_objects.fs.local import FsspecLocalFileSystem, LocalFileSystem, localfs
from dvc_objects.fs.utils import as_atomic, copyfile
from fsspec.callbacks import TqdmCallback

from classifier.base.progress import Progress
from classifier.commands.artifacts.integrity import (
    MISSING,
    Copy,
    File,
    Finding,
    Place,
    cache_of,
    check,
    in_the_way,
    is_there,
    reached,
    recorded_file,
    recorded_files,
    relative,
    unnamed,
    workspace_of,
)

UNSAVED = "changed, and saved nowhere else"


class WholeFiles(FsspecLocalFileSystem):  # type: ignore[misc]
    """The files of this machine; of one that did not fit on its disk DVC would leave a part."""

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **_: Any) -> None:
        with as_atomic(localfs, rpath, create_parents=True) as part:
            copyfile(lpath, part, callback=callback)


def clear(copy: Copy) -> None:
    """Remove what is in the place of an object, be it a folder with files."""
    path = Path(copy.path)
    if copy.fs.protocol != "local":
        copy.fs.rm(copy.path, recursive=copy.fs.isdir(copy.path))
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def fill(findings: list[Finding], source: Place) -> None:
    """Copy what was found missing or damaged in a store from another, as far as that has it.

    Raises:
        UserError: not all could be written; it tells of the first. The lists of folders, which DVC
            takes to vouch for the files, then are not written.
    """
    absent = {finding.file for finding in check([f.file for f in findings], [source], is_there)}
    kept = [one for one in findings if source.keeps(one.file) and one.file not in absent]
    wanted = {finding.file.md5: finding for finding in kept}
    for lists in (False, True):
        copy_objects([f for f in wanted.values() if f.file.is_list == lists], source)


def copy_objects(findings: list[Finding], source: Place) -> None:
    """Copy objects, each to where the finding has found it missing or damaged."""
    if not findings:
        return
    place = findings[0].place
    failed: list[BaseException] = []
    if place.fs.protocol == "local":
        place.store.fs = LocalFileSystem(WholeFiles())
    bar = {"desc": f"{source.name} to {place.name}", "unit": "file"}
    with reached(bar["desc"]), TqdmCallback(bar, tqdm_cls=Progress) as callback:
        for finding in findings:
            if finding.problem != MISSING:
                clear(place.copy(finding.file))
        place.store.add(
            [source.copy(finding.file).path for finding in findings],
            source.fs,
            [finding.file.md5 for finding in findings],
            check_exists=False,
            verify=False,
            on_error=lambda _, error: failed.append(error),
            callback=callback,
        )
        if failed:
            raise failed[0]


def bring(repo: Repo, remote: Callable[[], Place]) -> tuple[list[File], list[Finding]]:
    """Put all artifacts into the workspace, from the cache or a remote; return them, and what is
    left that is wrong.

    The remote is reached if the cache lacks anything.
    """
    cache, outs = cache_of(repo), [out for out in repo.index.outs if out.use_cache]
    fetch([recorded_file(out) for out in outs if out.hash_info.isdir], cache, remote)
    files, left = recorded_files(outs, [cache])
    left += fetch(files, cache, remote)
    wrong = {finding.file.out for finding in left}
    repo.drop_data_index()  # DVC remembers lists in it that it has not verified
    for out in filter(lambda out: out not in wrong, outs):
        left += check_out(out, [file for file in files if file.out is out])
    wrong |= {finding.file.out for finding in left}
    files += [recorded_file(out) for out in repo.index.outs if not out.use_cache]
    put, workspace = [file for file in files if file.out not in wrong], [workspace_of(repo)]
    left += unnamed(put, workspace) + check(put, workspace)  # DVC goes by times and sizes
    return files, left


def fetch(files: list[File], cache: Place, remote: Callable[[], Place]) -> list[Finding]:
    """Copy what the cache lacks from a remote; return what then is wrong, and where.

    Nothing damaged is brought; what is damaged in the cache stays as it is. The remote is reached
    if anything is lacking.
    """
    before = check(files, [cache])
    if not (absent := [finding for finding in before if finding.problem == MISSING]):
        return before
    try:
        fill(absent, remote())
    finally:  # of a connection that breaks off half a file may be left
        after = check([finding.file for finding in absent], [cache])
        for copy in {cache.copy(file) for file, _, problem in after if problem != MISSING}:
            clear(copy)
    source = check([finding.file for finding in after], [remote()])
    explained = {finding.file for finding in source}
    damaged = [finding for finding in before if finding.problem != MISSING]
    return damaged + [finding for finding in after if finding.file not in explained] + source


def check_out(out: Any, files: list[File]) -> list[Finding]:
    """Let DVC put an output into the workspace; return what is in its way there, if anything.

    The files are those of the output, all of them good in the cache.
    """
    if found := in_the_way(out, files):
        return found
    try:
        out.repo.checkout(targets=[out.fs_path])
    except DvcException as error:
        head, *paths = str(error).splitlines()
        if "unsaved files" not in head:
            raise
        inside = (path for path in paths if Path(path).is_relative_to(out.fs_path))
        changed = [File(relative(path, out), "", out) for path in inside]
        return [Finding(file, workspace_of(out.repo), UNSAVED) for file in changed]
    return []
