"""Rows on disk as .npy files: written without holding them in memory, read through a memory map."""

import json
import mmap
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from classifier.base.errors import REPRO_FIRST, UserError, require_file
from classifier.base.files import write_json, write_text
from classifier.rows.groups import Groups


class Kinds(BaseModel):
    """What the inputs are: categories, those of one text side by side, or else numbers.

    texts: the place of the first input of each text, or part of a date, and of the one after its
    last; gaps: whether an input may be NaN, all those of a text where it is a gap; classes: what
    each label means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    texts: tuple[tuple[int, int], ...] = ()
    gaps: bool = False
    classes: tuple[str, ...] = ()

    def fit(self, inputs: int) -> bool:
        """Return whether so many inputs can be of these kinds."""
        ends = [0, *chain.from_iterable(self.texts), inputs]
        return ends == sorted(ends)


NUMBERS = Kinds()
GROUPS, TIMES = "groups.npy", "times.npy"
GROUP_NAMES = "group_names.json"
TIME = "time.json"  # the column that puts rows in order, as one of numbers, and its range


@dataclass(frozen=True)
class Dataset:
    """The rows of one split or test set.

    features: (rows, inputs) float32; labels: (rows, classes) uint8, one-hot; kinds: of the inputs;
    groups: of the rows, if they belong together; those of test sets are the training rows' groups,
    or 0 for all of their time, and UNKNOWN_GROUP where a row is of none, or later; left_out: how
    many rows with gaps are not there; merged: those cells of the table that look like several rows,
    if only the first.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    kinds: Kinds = NUMBERS
    groups: Groups | None = None
    left_out: int = 0
    merged: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.features)

    def take(
        self, rows: slice | npt.NDArray[np.integer[Any]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        """Return the features and the labels of the rows with these numbers."""
        if isinstance(rows, slice):
            taken = self.features[rows], self.labels[rows]
        else:  # a quarter of the time of indexing
            features, labels = np.asarray(self.features), np.asarray(self.labels)
            taken = np.take(features, rows, axis=0), np.take(labels, rows, axis=0)
        self.release()
        return taken

    def release(self) -> None:
        """Give back the memory of what was read: through a map, it counts as the process' own."""
        for mapped in (self.features, self.labels):
            if isinstance(mapped, np.memmap):
                mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def some_rows(rows: int, most: int) -> npt.NDArray[np.intp]:
    """Return the numbers of all rows, or of some that are drawn, in their order, (n,).

    Not of every tenth: in a table, these may all be of one class.
    """
    if rows <= most:
        return np.arange(rows)
    return np.unique(np.random.default_rng(0).integers(rows, size=most))


class ArrayWriter(AbstractContextManager["ArrayWriter"]):
    """Writes a two-dimensional .npy file some rows at a time; how many there are shows at the end.

    It writes to a plain file: through a memory map, a full disk would kill the process.
    """

    def __init__(self, path: Path, columns: int, dtype: npt.DTypeLike) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.columns, self.dtype, self.rows = columns, np.dtype(dtype), 0
        self.file = path.open("wb")
        self._write_header()

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write the next rows, (n, columns)."""
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the number of rows to grow.
        header = {
            "descr": self.dtype.str,
            "fortran_order": False,
            "shape": (self.rows, self.columns),
        }
        np.lib.format.write_array_header_1_0(self.file, header)

    def __exit__(self, *_: object) -> None:
        with self.file:
            self.file.seek(0)
            self._write_header()


class DatasetWriter(AbstractContextManager["DatasetWriter"]):
    """Writes the files of a dataset."""

    def __init__(self, folder: Path, inputs: int, classes: int, kinds: Kinds = NUMBERS) -> None:
        self.features = ArrayWriter(folder / "features.npy", inputs, np.float32)
        self.labels = ArrayWriter(folder / "labels.npy", classes, np.uint8)
        self.one_hot = np.eye(classes, dtype=np.uint8)
        write_text(folder / "kinds.json", kinds.model_dump_json() + "\n")

    def append(
        self, features: npt.NDArray[np.float32], class_index: npt.NDArray[np.integer[Any]]
    ) -> None:
        """Write the next rows: (n, inputs) features, and the class of each, (n,)."""
        self.features.append(features)
        self.append_labels(class_index)

    def append_labels(self, class_index: npt.NDArray[np.integer[Any]]) -> None:
        """Write the classes of rows whose features come from elsewhere."""
        self.labels.append(self.one_hot.take(class_index, axis=0))

    def __exit__(self, *_: object) -> None:
        self.features.__exit__()
        self.labels.__exit__()


def open_dataset(folder: Path) -> Dataset:
    """Return the dataset in `folder`; rows are read when they are used.

    Raises:
        UserError: a file is missing or damaged.
    """
    features, labels = open_array(folder / "features.npy"), open_array(folder / "labels.npy")
    kinds = read_kinds(folder / "kinds.json")
    groups = read_groups(folder)
    are_tables = features.ndim == labels.ndim == 2 and len(features) == len(labels)
    are_grouped = groups is None or groups.of_rows.shape == (len(labels),)
    if not are_tables or not are_grouped or not kinds.fit(features.shape[1]):
        raise UserError(f"{folder}: its files do not fit each other; {REPRO_FIRST}")
    return Dataset(features, labels, kinds, groups)


def write_groups(folder: Path, groups: Groups) -> None:
    """Write beside a dataset which of its rows belong together; the file's name says how."""
    np.save(folder / (TIMES if groups.in_time else GROUPS), groups.of_rows)


def write_group_names(folder: Path, column: str, names: list[str]) -> None:
    """Write beside a dataset what the column that says what belongs together calls each group."""
    write_json(folder / GROUP_NAMES, {column: names})


def read_group_names(folder: Path) -> tuple[str, list[str]] | None:
    """Return the column that `write_group_names` was given and its names, if it was."""
    path = folder / GROUP_NAMES
    return next(iter(json.loads(path.read_bytes()).items())) if path.exists() else None


def read_groups(folder: Path) -> Groups | None:
    """Return the groups of a dataset's rows, if it has some."""
    for name, in_time in ((GROUPS, False), (TIMES, True)):
        if (folder / name).exists():
            return Groups(open_array(folder / name), in_time)
    return None


def read_kinds(path: Path) -> Kinds:
    """Return the kinds of inputs that a file names; raise `UserError` as `open_array` does."""
    try:
        return Kinds.model_validate_json(require_file(path, REPRO_FIRST).read_bytes())
    except ValidationError as error:
        raise UserError(f"{path}: is damaged; {REPRO_FIRST}") from error


def open_array(path: Path) -> npt.NDArray[Any]:
    """Return the array of a .npy file, mapped into memory.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        array: npt.NDArray[Any] = np.load(
            require_file(path, REPRO_FIRST), mmap_mode="r", allow_pickle=False
        )
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: is damaged; {REPRO_FIRST}") from error
    return array
