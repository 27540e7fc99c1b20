"""Make DVC write dvc.lock and its lock files beside their place and move them over it.

DVC writes them in place. Killed meanwhile, or on a full disk, it leaves a dvc.lock or a
.dvc/tmp/rwlock that no dvc command can read any more (https://github.com/treeverse/dvc/issues/7615).
make copies this file into the virtual environment; activate.pth imports it where DVC runs.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from dvc_objects.fs.local import LocalFileSystem

open_in_place = LocalFileSystem.open


def open_whole(
    filesystem: LocalFileSystem, path: str, mode: str = "r", **options: Any
) -> AbstractContextManager[Any]:
    """Open a file as LocalFileSystem.open does; text is written beside it and moved over it."""
    if mode not in ("w", "w+"):
        opened: AbstractContextManager[Any] = open_in_place(filesystem, path, mode, **options)
        return opened
    return written_whole(filesystem, Path(path).resolve(), mode, options)


@contextmanager
def written_whole(
    filesystem: LocalFileSystem, path: Path, mode: str, options: dict[str, Any]
) -> Iterator[Any]:
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open_in_place(filesystem, str(temporary), mode, **options) as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


LocalFileSystem.open = open_whole
