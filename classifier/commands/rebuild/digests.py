"""SHA-256 of what a commit and a remote hold, and of what has been rebuilt."""

import hashlib
from collections.abc import Iterable
from math import inf
from pathlib import Path
from typing import NamedTuple

from dvc.fs import localfs
from dvc.repo import Repo

from classifier.base.dvc_lock import Lock
from classifier.base.errors import UserError
from classifier.base.paths import LOCK
from classifier.commands.artifacts.integrity import (
    Copy,
    File,
    Place,
    chunks,
    contents,
    odd,
    reached,
    recorded_files,
    relative,
    workspace_of,
)
from classifier.commands.revisions import pipeline_of


class Digest(NamedTuple):
    """What identifies the bytes of a file: to trust, and as DVC names it."""

    sha256: str
    md5: str


class Row(NamedTuple):
    """An artifact as it should be, if its bytes are anywhere, and as it was rebuilt."""

    path: str
    stage: str
    named: str  # by its md5 in dvc.lock
    expected: Digest | None
    rebuilt: Digest | None

    @property
    def same(self) -> bool:
        """Whether the bytes are the same; not so where there are none to compare with."""
        return self.expected is not None and self.expected == self.rebuilt

    @property
    def differs(self) -> bool:
        """Whether something else was made, as far as that can be known."""
        if not self.expected and self.rebuilt:
            return self.rebuilt.md5 != self.named
        return not self.same


def digest_of(chunks: Iterable[bytes]) -> Digest:
    """Return the digest of bytes that come in pieces."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        sha256.update(chunk)
        md5.update(chunk)
    return Digest(sha256.hexdigest(), md5.hexdigest())


def digest_of_file(path: Path) -> Digest | None:
    """Return the digest of a file here, if there is one."""
    return digest_of(chunks(Copy(localfs, str(path)), inf)) if path.is_file() else None


def digest_at(place: Place, file: File) -> Digest | None:
    """Return the digest of what a place has of a file, if anything."""
    copy = place.copy(file)
    try:
        with reached(place.name):
            return None if odd(copy) else digest_of(chunks(copy, inf))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def expected_rows(there: Repo, places: list[Place]) -> list[Row]:
    """Return a row for each artifact of a commit, in the order of dvc.lock.

    there: a fresh clone of the commit, whose workspace has what git keeps; places: what may have
    the others, the first that has one is believed.
    """
    outs = [out for stage in pipeline_of(there) for out in stage.outs]
    files, refused = recorded_files(outs, places)
    for file, _, problem in refused:
        raise UserError(f"{file.path}: {problem}")
    return [row_of(file, places, workspace_of(there)) for file in files if not file.is_list]


def row_of(file: File, places: list[Place], git: Place) -> Row:
    """Return the row of a file, with what is known of it before the stages run."""
    kept = places if file.out.use_cache else [git]
    found = (digest_at(place, file) for place in kept)
    return Row(file.path, file.out.stage.name, file.md5, next(filter(None, found), None), None)


def rebuilt_rows(there: Repo, expected: list[Row], lock: Lock) -> list[Row]:
    """Return the rows with what has been rebuilt, and with what is on no list at hand.

    lock: that of the commit.
    """
    root, known = Path(there.root_dir), {row.path for row in expected}
    rows = [row._replace(rebuilt=digest_of_file(root / row.path)) for row in expected]
    outs = [out for stage in pipeline_of(there) for out in stage.outs]
    for out in outs:
        recorded = lock.outs().get(relative(out.fs_path, out))
        as_recorded = recorded is not None and recorded.md5 == out.hash_info.value
        for path in (relative(path, out) for path in contents(out)):
            if path not in known and (made := digest_of_file(root / path)):
                named = made.md5 if as_recorded else ""
                rows.append(Row(path, out.stage.name, named, None, made))
    order = {stage: at for at, stage in enumerate(dict.fromkeys(out.stage.name for out in outs))}
    return sorted(rows, key=lambda row: order[row.stage])


def row_of_lock(before: bytes, root: Path) -> Row:
    """Return the row of dvc.lock itself, which every run writes anew."""
    expected = digest_of([before])
    return Row(str(LOCK), "dvc", expected.md5, expected, digest_of_file(root / LOCK))
