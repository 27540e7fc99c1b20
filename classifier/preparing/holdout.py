"""The classes of stored rows, and which rows are trained on or held out."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError, shown
from classifier.params import Prepare
from classifier.preparing.columns import Columns
from classifier.preparing.storing import StoredRows
from classifier.rows.dataset import ArrayWriter, open_array
from classifier.rows.stratified import StratifiedSampler, stratified_quotas
from classifier.table.cells import are_positions

DROPPED, TRAIN, TEST = 0, 1, 2

ClassCounts = dict[str, int]  # rows of each class, in order of first appearance


def count_splits(columns: Columns, rows: StoredRows, settings: Prepare) -> dict[str, ClassCounts]:
    """Return the rows of each class in each split; there is no test split without rows.

    Raises:
        UserError: there are fewer than two classes, or one has no row to train on.
    """
    counts = count_classes(rows, columns.label, drop=settings.missing == "drop")
    quotas = stratified_quotas(list(counts.values()), settings.test_size)
    test = dict(zip(counts, quotas, strict=True))
    check_classes(columns, counts, test, settings)
    train = {name: count - test[name] for name, count in counts.items()}
    return {"train": train, "test": test} if any(test.values()) else {"train": train}


def count_classes(rows: StoredRows, label: str, drop: bool) -> ClassCounts:
    """Return the rows of each class in order of first appearance; with `drop`, complete rows."""
    names, counts = list(rows.vocabularies[label].places), Counter[str]()
    for block in rows.blocks():
        codes = rows.labels[block]
        kept = codes[rows.complete(block)] if drop else codes
        totals = np.bincount(kept, minlength=len(names))
        counts.update({names[code]: int(totals[code]) for code in pd.unique(kept)})
    return dict(counts)


def check_classes(
    columns: Columns, counts: ClassCounts, test: ClassCounts, settings: Prepare
) -> None:
    """Raise `UserError` unless there are two classes or more with rows to train on in each."""
    place = f"{columns.table.path}: column {shown(columns.label)}"
    if not counts:
        raise UserError(f"{columns.table.path}: has no rows to train on")
    has_names = columns.table.layout.header and not are_positions(columns.table.names)
    if has_names and counts.get(columns.label, 0) == 1:  # a class of many rows may be called so
        raise UserError(
            f"{place}: a class has its name; is row 1 a header, as prepare.header says?"
        )
    if len(counts) == 1:
        raise UserError(
            f"{place}: has one class, {shown(next(iter(counts)))}; expected two or more"
        )
    if settings.test_size and not any(test.values()):
        raise UserError(
            f"prepare.test_size: {settings.test_size} holds out no row of {sum(counts.values())}"
        )
    for name, count in counts.items():
        if any(test.values()) and count == 1:
            raise UserError(
                f"{place}: class {shown(name)} has one row; prepare.test_size needs two"
            )
        if test[name] == count:
            raise UserError(
                f"{place}: prepare.test_size leaves no row of class {shown(name)} to train on"
            )


def class_index(rows: StoredRows, label: str, classes: list[str]) -> npt.NDArray[np.intp]:
    """Return the index of the class that each code of the label stands for; -1 for none."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(name, -1) for name in rows.vocabularies[label].places], np.intp)


def assign_splits(
    rows: StoredRows,
    index: npt.NDArray[np.intp],
    counts: dict[str, ClassCounts],
    settings: Prepare,
    path: Path,
) -> npt.NDArray[np.uint8]:
    """Return, stored in a file, what becomes of each row: DROPPED, TRAIN or TEST; (rows, 1)."""
    test = counts.get("test", dict.fromkeys(counts["train"], 0))
    totals = [counts["train"][name] + test[name] for name in test]
    sampler = StratifiedSampler(totals, list(test.values()), settings.seed)
    with ArrayWriter(path, 1, np.uint8) as splits:
        for block in rows.blocks():
            labels = rows.labels[block]
            split = np.full((len(labels), 1), TRAIN, np.uint8)
            if settings.missing == "drop":
                split[~rows.complete(block)] = DROPPED
            kept = np.flatnonzero(split)
            split[kept[sampler.draw(index[labels[kept]])]] = TEST
            splits.append(split)
    return open_array(path)
