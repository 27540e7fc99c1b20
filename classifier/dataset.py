"""Prepared rows on disk: features and one-hot labels as .npy files, read through a memory map."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from classifier.errors import UserError, require_file

PREPARED = Path("data/prepared")
REPRO_FIRST = "run `dvc repro` first"


@dataclass(frozen=True)
class Dataset:
    """Rows of one split.

    features: (rows, inputs) float32; labels: (rows, classes) uint8, one-hot.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.features)


class DatasetWriter(AbstractContextManager["DatasetWriter"]):
    """Writes a dataset of a known size some rows at a time, without holding it in memory.

    It writes to plain files: through a memory map, a full disk would kill the process.
    """

    def __init__(self, folder: Path, rows: int, inputs: int, classes: int) -> None:
        folder.mkdir(parents=True)
        self.features = _start_array(folder / "features.npy", (rows, inputs), np.float32)
        self.labels = _start_array(folder / "labels.npy", (rows, classes), np.uint8)

    def append(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> None:
        """Write the next rows: (n, inputs) float32 and (n, classes) uint8."""
        self.features.write(np.ascontiguousarray(features).data)
        self.labels.write(np.ascontiguousarray(labels).data)

    def __exit__(self, *_: object) -> None:
        self.features.close()
        self.labels.close()


def _start_array(path: Path, shape: tuple[int, int], dtype: npt.DTypeLike) -> BinaryIO:
    file = path.open("wb")
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file


def open_dataset(folder: Path) -> Dataset:
    """Return the dataset in `folder`; rows are read when they are used.

    Raises:
        UserError: a file is missing or damaged.
    """
    return Dataset(_open_array(folder / "features.npy"), _open_array(folder / "labels.npy"))


def _open_array(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(
            require_file(path, REPRO_FIRST), mmap_mode="r", allow_pickle=False
        )
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}; {REPRO_FIRST}") from error
    return array
