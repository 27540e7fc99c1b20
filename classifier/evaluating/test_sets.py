"""The rows that the model is evaluated on: the prepared splits, and each file of test sets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.paths import PREPARED, TEST_SETS, TRAINING_ROWS
from classifier.evaluating.unfamiliar import count_unfamiliar, say_unfamiliar
from classifier.fetching.as_csv import NAMES, as_csv, own_layout, split_name
from classifier.rows.dataset import (
    TIME,
    Dataset,
    DatasetWriter,
    open_dataset,
    read_group_names,
    write_groups,
)
from classifier.rows.groups import UNKNOWN_GROUP, Groups
from classifier.table.cells import Layout, as_read, is_number
from classifier.table.opening import open_new_rows, read_features
from classifier.table.reader import Chunk, Table
from classifier.table.schema import MISSING, UNKNOWN, NumberFeature, Schema, Vocabulary


def data_sets(schema: Schema, scratch: Path) -> Iterator[tuple[str, Dataset]]:
    """Yield the prepared splits, then each file of test sets, under their names.

    Raises:
        UserError: two have one name, or something is wrong with the content of a test set.
    """
    for name in schema.counts:
        yield name, open_dataset(PREPARED / name)
    names = dict.fromkeys(("train", "test"), "a part of data/prepared")
    for path in test_sets():
        name, _ = split_name(path.name)
        if name in names:
            raise UserError(f"{path}: {name} already names {names[name]}; rename it")
        names[name] = str(path)
        layout = own_layout(path, schema.layout)
        own = schema.model_copy(update={"layout": layout})
        with as_csv(path, layout, scratch / "table.tmp") as file:
            rows = read_test_set(own, file, scratch / "rows" / name)
        yield name, rows


def test_sets() -> list[Path]:
    """Return the files of test sets: tables by their names."""
    return [path for path in sorted(TEST_SETS.glob("*")) if not why_no_test_set(path)]


def no_test_sets() -> dict[Path, str]:
    """Return the files there that may be meant to be test sets, and why each is none."""
    whys = {path: why_no_test_set(path) for path in sorted(TEST_SETS.glob("*"))}
    others = (".md", ".dvc", ".gitignore")
    return {path: why for path, why in whys.items() if why and not path.name.endswith(others)}


def why_no_test_set(path: Path) -> str:
    """Return why a file is not evaluated, an empty text if it is."""
    if not split_name(path.name)[1]:
        return f"its name does not end in {NAMES}"
    return "its name begins with a dot" if path.name[0] == "." else ""  # of an editor, or of macOS


def read_test_set(schema: Schema, path: Path, folder: Path) -> Dataset:
    """Return the rows of a test set, encoded as the training rows were, in files in `folder`.

    Where prepare left rows with gaps out, they are left out here too.
    """
    table = open_new_rows(path, schema, needs_label=True)
    group_of, in_time = groups_trained_on(table)
    groups: list[npt.NDArray[np.int32]] = []
    labels = Vocabulary(schema.layout, schema.classes)
    dropped, unfamiliar = 0, count_unfamiliar(schema, schema.no_rows)
    with DatasetWriter(folder, schema.inputs, len(schema.classes), schema.kinds) as writer:
        for chunk in table.chunks(f"evaluate {folder.name}"):
            rows = read_features(table, chunk, schema)
            classes = labels.codes(chunk.texts[schema.label])
            if schema.missing != "drop" and (classes == MISSING).any():
                table.explain()
            table.refuse_unknown(chunk, schema.label, classes == UNKNOWN, schema.classes)
            kept = rows.complete() & (classes != MISSING) | (schema.missing == "impute")
            writer.append(schema.encode(rows[kept]), classes[kept])
            groups += [group_of(chunk)[kept]] if group_of else []
            unfamiliar += count_unfamiliar(schema, rows[kept])
            dropped += int((~kept).sum())
    if not writer.features.rows:
        raise UserError(f"{path}: has no rows to evaluate on")
    say_unfamiliar(schema, unfamiliar, path)
    if groups:
        write_groups(folder, Groups(np.concatenate(groups), in_time))
    return replace(open_dataset(folder), left_out=dropped, merged=tuple(table.merged))


def groups_trained_on(table: Table) -> tuple[Callable[[Chunk], npt.NDArray[np.int32]] | None, bool]:
    """Return what tells the group of each row of a chunk, (rows,), and whether it is one in time.

    Of rows of no group that was trained on, it is UNKNOWN_GROUP; of all that are not later than the
    training rows, 0. None if rows do not belong together, or a test set lacks the column.
    """
    column, names = read_group_names(TRAINING_ROWS) or ("", [])
    if table.names.count(column) == 1:
        places = {name: place for place, name in enumerate(names)}
        groups = {as_read(name): places[name] for name in names if is_number(name)} | places
        return lambda chunk: known_groups(chunk.texts[column], groups, table.layout), False
    if (path := TRAINING_ROWS / TIME).exists():
        time = NumberFeature.model_validate_json(path.read_bytes())
        if table.names.count(time.name) == 1:
            return lambda chunk: groups_in_time(table, chunk, time), True
    return None, False


def known_groups(
    cells: pd.Categorical, groups: dict[str, int], layout: Layout
) -> npt.NDArray[np.int32]:
    """Return the group of each cell, (rows,): 1.0 is of group 1, and a gap of none."""
    found = []
    for cell in cells.categories:
        number = as_read(cell) if is_number(cell) else ""
        place = groups.get(cell.strip(), groups.get(number, UNKNOWN_GROUP))
        found.append(UNKNOWN_GROUP if layout.is_missing(cell) else place)
    return np.array(found, np.int32).take(cells.codes)


def groups_in_time(table: Table, chunk: Chunk, time: NumberFeature) -> npt.NDArray[np.int32]:
    """Return 0 for rows that are not later than `time.highest`, else UNKNOWN_GROUP, (rows,)."""
    if time.name in table.numbers and time.name not in chunk.texts:
        times = chunk.numbers[:, table.numbers.index(time.name)]
    else:
        cells = chunk.texts[time.name]
        found = [time.notation.value(cell, table.layout) for cell in cells.categories]
        times = np.array([np.nan if each is None else each for each in found]).take(cells.codes)
    return np.where(times <= time.highest, 0, UNKNOWN_GROUP).astype(np.int32)
