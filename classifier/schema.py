"""Which columns, which classes, how a row becomes numbers; prepare learns it, the others use it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from classifier.cells import is_number
from classifier.errors import UserError, require_file
from classifier.files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from classifier.table import Table


class Schema(BaseModel):
    """What prepare learned from the table, and all that is needed to turn rows into numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    columns: list[str]
    label: str
    features: list[str]
    classes: list[str]  # in order of first appearance; a class' place is its index
    counts: dict[str, dict[str, int]]  # rows of each class in each split

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises UserError: there is no such file or it is damaged."""
        text = require_file(path, "run `dvc repro` first").read_text(encoding="utf-8")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError(f"{path}: is not a schema that prepare wrote") from error

    def save(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @property
    def inputs(self) -> int:
        """The number of features that a row becomes."""
        return len(self.features)

    def table(self, path: Path) -> "Table":
        """Return a table of new rows: with a header, or with the columns in the known order.

        Raises:
            UserError: the columns are not those of the table that was learned from.
        """
        from classifier.table import Table, first_row  # here, because one row needs no pandas

        row = first_row(path)
        has_header = set(self.features) <= set(row)
        orders = {len(self.columns): self.columns, len(self.features): self.features}
        names = row if has_header else orders.get(len(row))
        if names is None:
            expected = ", ".join(self.features)
            raise UserError(f"{path}: row 1: found {len(row)} columns, expected {expected}")
        return Table(path, names, has_header, numbers=self.features, text=[])

    def encode(self, chunk: "pd.DataFrame") -> npt.NDArray[np.float32]:
        """Return the features of the rows, (rows, inputs) float32."""
        return chunk[self.features].to_numpy(np.float32)

    def encode_row(self, cells: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the features of one row given as text, (1, inputs) float32.

        Raises:
            UserError: there are too many or too few cells, or one is not a number.
        """
        if len(cells) != len(self.features):
            names = ", ".join(self.features)
            raise UserError(f"expected {len(self.features)} values ({names}), found {len(cells)}")
        for name, cell in zip(self.features, cells, strict=True):
            if not is_number(cell):
                raise UserError(f"{name}: found {cell!r}, expected a number")
        return np.array([[float(cell) for cell in cells]], np.float32)

    def class_index(self, chunk: "pd.DataFrame") -> npt.NDArray[np.intp]:
        """Return the index of each row's class, (rows,)."""
        codes, names = chunk[self.label].factorize()
        places: npt.NDArray[np.intp] = np.array(
            [self.classes.index(name.strip()) for name in names], np.intp
        )
        return places.take(codes)
