"""Where a command may write: over nothing that git or DVC keeps, or that a stage reads."""

import os
from collections.abc import Iterator
from pathlib import Path

from dvc.repo import Repo

from classifier.base.errors import UserError
from classifier.base.files import write_text
from classifier.commands.git import git


def refuse_to_replace(path: Path) -> None:
    """Raise `UserError` if git or DVC knows what a file would replace, or it would have no folder.

    Whatever the path is called: links, and other names of a file, count as the file.
    """
    with Repo() as repo:
        known = [Path(each.fs_path) for each in (*repo.index.outs, *repo.index.deps)]
        own = [Path(repo.root_dir, ".dvc"), Path(repo.root_dir, ".git")]
    # The place in a folder, and the one that a link there leads to.
    for place in (Path(os.path.realpath(path.parent), path.name), Path(os.path.realpath(path))):
        if not place.parent.is_dir():
            raise UserError(f"{path}: there is no folder {place.parent}")
        kept = [*known, *own, *tracked(place.parent)]
        if any(is_same(part, one) for part in (place, *place.parents) for one in kept):
            raise UserError(f"{path}: belongs to the project; choose another file")


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file or folder, which may be there or not."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def tracked(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that git tracks, if it is in a repository."""
    if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        names = git("-C", str(folder), "ls-files", "-z", ".").split("\0")
        yield from (folder / name for name in names if name and "/" not in name)


def write_to(path: Path, text: str) -> None:
    """Write a file, whole or not at all, or into a pipe or a device that is there."""
    if not path.exists() or path.is_file():
        write_text(Path(os.path.realpath(path)), text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except BrokenPipeError as error:
        raise UserError(f"{path}: closed before everything was written") from error
