"""Tables of other kinds as CSV files: those that gzip has compressed, and Parquet."""

import gzip
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from classifier.base.errors import UserError
from classifier.base.standard_streams import called
from classifier.fetching.parquet import (
    FIRST,
    begins_as_parquet,
    is_parquet,
    write_parquet_as_csv,
)
from classifier.table.cells import Layout

GZIP, PIECE = b"\x1f\x8b", 2**20  # how such files begin, and bytes that are unpacked at a time
KINDS = (".csv", ".tsv", ".parquet")
NAMES = ".csv, .csv.gz, .tsv, .tsv.gz or .parquet"  # what names of tables end in


def split_name(name: str) -> tuple[str, str]:
    """Return the name of a table without what says its kind, and the kind, '' for any other."""
    path = Path(name[:-3] if name.lower().endswith(".gz") else name)
    kind = path.suffix.lower()
    return (path.stem, kind) if kind in KINDS else (name, "")


def own_layout(path: Path, layout: Layout) -> Layout:
    """Return how a table is written that stands beside those of a layout, as its kind says."""
    _, kind = split_name(path.name)
    if kind == ".parquet" or (path.is_file() and holds_parquet(path)):
        return layout.model_copy(update={"delimiter": ",", "encoding": "utf-8", "header": True})
    return layout.model_copy(update={"delimiter": "\t"}) if kind == ".tsv" else layout


@contextmanager
def as_csv(path: Path, layout: Layout, copy: Path) -> Iterator[Path]:
    """Yield a table as a CSV file: itself, or a copy, which messages call by the table's name.

    Raises:
        UserError: it is damaged, or Parquet that cannot be written so.
    """
    try:
        is_copied = path.is_file() and copied_as_csv(path, layout, copy)
        with called(copy, str(path)) if is_copied else nullcontext():
            yield copy if is_copied else path
    finally:
        copy.unlink(missing_ok=True)


def copied_as_csv(path: Path, layout: Layout, copy: Path) -> bool:
    """Write a table that is compressed, or Parquet, as CSV; return False of any other."""
    if is_packed(path):
        unpack_whole(path, copy)
        become_csv(copy, layout, str(path))
        return True
    require_kind(path, path.name)
    if is_parquet(path):
        write_parquet_as_csv(layout, path, copy)
        return True
    return False


def become_csv(path: Path, layout: Layout, name: str) -> bool:
    """Replace a table by itself as CSV, and return whether it was Parquet.

    name: what messages call it.

    Raises:
        UserError: it is damaged, or Parquet that cannot be written so.
    """
    with called(path, name):
        if is_packed(path):
            replace(path, unpack_whole)
        require_kind(path, name)
        if was_parquet := is_parquet(path):
            replace(path, partial(write_parquet_as_csv, layout))
    return was_parquet


def require_kind(path: Path, name: str) -> None:
    """Raise `UserError` if a file has the name of Parquet only."""
    if split_name(name)[1] == ".parquet" and not is_parquet(path):
        raise UserError(f"{path}: is not a Parquet file, although its name says so")


def replace(path: Path, write: Callable[[Path, Path], None]) -> None:
    """Replace a file by what is written of it; messages name it as before."""
    old = path.rename(path.with_name(f"{path.name}.old.tmp"))
    try:
        with called(old, str(path)):
            write(old, path)
    finally:
        old.unlink()


def holds_parquet(path: Path) -> bool:
    """Whether a file is Parquet, perhaps compressed by gzip."""
    if not is_packed(path):
        return is_parquet(path)
    try:
        with gzip.open(path) as file:
            return begins_as_parquet(file.read(FIRST))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return False  # which shows when it is unpacked


def is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def unpack(path: Path, target: Path) -> None:
    """Write what is in a file that gzip has compressed.

    Raises:
        EOFError: it is cut off or damaged.
    """
    try:
        with gzip.open(path) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, PIECE)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise EOFError("is cut off or damaged") from error


def unpack_whole(path: Path, target: Path) -> None:
    """Write what is in a file that gzip has compressed; raise `UserError` if it is damaged."""
    try:
        unpack(path, target)
    except EOFError as error:
        raise UserError(f"{path}: {error}") from error
