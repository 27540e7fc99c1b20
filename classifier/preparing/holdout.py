"""The classes of stored rows, and which rows are trained on or held out."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError, shown
from classifier.params import Prepare
from classifier.preparing.columns import Columns
from classifier.preparing.storing import StoredRows
from classifier.rows.groups import Groups, draw_groups
from classifier.rows.stratified import StratifiedSampler, stratified_quotas
from classifier.table.cells import are_positions

DROPPED, TRAIN, TEST = 0, 1, 2

ClassCounts = dict[str, int]  # rows of each class, in order of first appearance


def split_table(
    columns: Columns, rows: StoredRows, settings: Prepare
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8], dict[str, ClassCounts]]:
    """Return the class of each code of the label, what becomes of each row, and the counts.

    The last are the rows of each class in each split.

    Raises:
        UserError: there are fewer than two classes, or one has no row to train on.
    """
    totals = count_classes(rows, columns.label, drop=settings.missing == "drop")
    check_classes(columns, totals)
    index = class_index(rows, columns.label, [*totals])
    splits = assign_splits(columns, rows, index, totals, settings)
    counts = {"train": totals}
    if settings.test_size:
        counts = count_splits(rows, index, totals, splits)
        check_test_rows(columns, totals, counts.get("test"), settings)
    return index, splits, counts


def count_classes(rows: StoredRows, label: str, drop: bool) -> ClassCounts:
    """Return the rows of each class in order of first appearance; with `drop`, complete rows."""
    names, counts = list(rows.vocabularies[label].places), Counter[str]()
    for block in rows.blocks():
        codes = rows.labels[block]
        kept = codes[rows.complete(block)] if drop else codes
        totals = np.bincount(kept, minlength=len(names))
        # Codes are in order of first appearance, but for rows that are dropped.
        order = pd.unique(kept) if drop else np.flatnonzero(totals)
        counts.update({names[code]: int(totals[code]) for code in order})
    return dict(counts)


def check_classes(columns: Columns, counts: ClassCounts) -> None:
    """Raise `UserError` unless there are two classes or more."""
    place = f"{columns.table.path}: column {shown(columns.label)}"
    if not counts:
        raise UserError(f"{columns.table.path}: has no rows to train on")
    has_names = columns.table.layout.header and not are_positions(columns.table.names)
    if has_names and counts.get(columns.label, 0) == 1:  # a class of many rows may be called so
        raise UserError(
            f"{place}: a class has the name of the column; is row 1 a header? See prepare.header"
        )
    if len(counts) == 1:
        raise UserError(
            f"{place}: has one class, {shown(next(iter(counts)))}; expected two or more"
        )


def check_test_rows(
    columns: Columns, counts: ClassCounts, test: ClassCounts | None, settings: Prepare
) -> None:
    """Raise `UserError` unless some rows are held out, and each class has rows to train on."""
    place = f"{columns.table.path}: column {shown(columns.label)}"
    if test is None:
        raise UserError(
            f"prepare.test_size: {settings.test_size} holds out none of {sum(counts.values())}"
        )
    for name, count in counts.items():
        if count == 1:
            raise UserError(
                f"{place}: class {shown(name)} has only one row; prepare.test_size needs two"
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
    columns: Columns,
    rows: StoredRows,
    index: npt.NDArray[np.intp],
    counts: ClassCounts,
    settings: Prepare,
) -> npt.NDArray[np.uint8]:
    """Return what becomes of each row: DROPPED, TRAIN or TEST; (rows,)."""
    splits = np.broadcast_to(np.uint8(TRAIN), len(rows.labels))  # which takes no memory
    if settings.missing == "drop" or settings.test_size:
        splits = splits.copy()
    for block in rows.blocks() if settings.missing == "drop" else ():
        splits[block][~rows.complete(block)] = DROPPED
    if not settings.test_size:
        return splits
    if (groups := kept_groups(columns, rows, splits != DROPPED)) is not None:
        kept = np.flatnonzero(splits)
        classes, rng = index[rows.labels[kept]], np.random.default_rng(settings.seed)
        splits[kept[draw_groups(groups, classes, settings.test_size, rng)]] = TEST
        return splits
    totals = [*counts.values()]
    quotas = stratified_quotas(totals, settings.test_size)
    sampler = StratifiedSampler(totals, quotas, settings.seed)
    for block in rows.blocks():
        kept = block.start + np.flatnonzero(splits[block])
        splits[kept[sampler.draw(index[rows.labels[kept]])]] = TEST
    return splits


def kept_groups(columns: Columns, rows: StoredRows, kept: npt.NDArray[np.bool_]) -> Groups | None:
    """Return the groups of the rows that are kept, numbered anew, if rows belong together."""
    if (groups := rows.groups) is None:
        return None
    _, numbers = np.unique(groups[kept], return_inverse=True)
    return Groups(numbers.astype(np.int32), in_time=columns.time is not None)


def names_of_groups(columns: Columns, rows: StoredRows, kept: npt.NDArray[np.bool_]) -> list[str]:
    """Return what `prepare.group` calls the groups of the rows that are kept, by their numbers."""
    if columns.group is None or rows.groups is None:
        return []
    names = [*rows.vocabularies[columns.group].places]
    return [names[int(code)] for code in np.unique(rows.groups[kept])]


def count_splits(
    rows: StoredRows,
    index: npt.NDArray[np.intp],
    counts: ClassCounts,
    splits: npt.NDArray[np.uint8],
) -> dict[str, ClassCounts]:
    """Return the rows of each class in each split; there is no test split without rows.

    counts: the rows of each class in both.
    """
    held_out = np.zeros(len(counts), np.intp)
    for block in rows.blocks():
        of_test = index[rows.labels[block][splits[block] == TEST]]
        held_out += np.bincount(of_test, minlength=len(counts))
    test = dict(zip(counts, held_out.tolist(), strict=True))
    train = {name: count - test[name] for name, count in counts.items()}
    return {"train": train, "test": test} if any(test.values()) else {"train": train}
