"""prepare: data/raw.csv to float32 features and one-hot labels, and the schema that made them.

The table is read once, in chunks, into arrays on disk. Classes and categories are found in those,
and they are rewritten as what the network reads: numbers as they stand, gaps as NaN.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.files import quoting, replaced_folder, write_json, write_text
from classifier.base.paths import ODDITIES, PREPARED, PREVIEW, RAW, SCHEMA, TRAINING_ROWS
from classifier.base.process import reuse_freed_memory, run_stage
from classifier.params import load_params
from classifier.preparing.columns import Columns, choose_columns
from classifier.preparing.features import find_features, places_of_codes, recoded, time_of
from classifier.preparing.holdout import TEST, TRAIN, kept_groups, names_of_groups, split_table
from classifier.preparing.oddities import Oddity, oddities, rarities
from classifier.preparing.storing import StoredRows, store_rows
from classifier.rows.dataset import (
    TIME,
    Dataset,
    DatasetWriter,
    open_dataset,
    write_group_names,
    write_groups,
)
from classifier.table.schema import Schema

PREVIEW_ROWS = 3  # of each class


def main() -> None:
    reuse_freed_memory()
    settings = load_params().prepare
    columns = choose_columns(RAW, settings)
    with replaced_folder(PREPARED) as folder:
        rows = store_rows(columns, settings.max_categories, folder / "rows")
        told = [*said(columns, oddities(columns, rows))]
        index, splits, counts = split_table(columns, rows, settings)
        told += said(columns, rarities(columns, rows, counts))
        schema = Schema(
            layout=columns.table.layout,
            columns=columns.table.names,
            label=columns.label,
            features=find_features(columns, rows, splits),
            missing=settings.missing,
            unknown=settings.unknown,
            classes=list(counts["train"]),
            counts=counts,
        )
        write_splits(schema, rows, index, splits, folder)
        if groups := kept_groups(columns, rows, splits == TRAIN):
            write_groups(folder / TRAINING_ROWS.name, groups)
        if columns.time:
            time = time_of(columns, rows, splits).model_dump_json(exclude_none=True)
            write_text(folder / TRAINING_ROWS.name / TIME, f"{time}\n")
        if names := names_of_groups(columns, rows, splits == TRAIN):
            write_group_names(folder / TRAINING_ROWS.name, str(columns.group), names)
        shutil.rmtree(folder / "rows")
        schema.save(folder / SCHEMA.name)
        write_json(folder / ODDITIES.name, [oddity._asdict() for oddity in told])
        write_preview(schema, open_dataset(folder / TRAINING_ROWS.name), folder / PREVIEW.name)


def said(columns: Columns, found: Iterable[Oddity]) -> Iterator[Oddity]:
    """Yield what is odd, each once it is said on standard error."""
    for oddity in found:
        print(f"{columns.table.path}: {oddity}", file=sys.stderr)
        yield oddity


def write_splits(
    schema: Schema,
    rows: StoredRows,
    index: npt.NDArray[np.intp],
    splits: npt.NDArray[np.uint8],
    folder: Path,
) -> None:
    """Write the inputs and one-hot labels of each split, its rows in the order of the table."""
    places = places_of_codes(rows, schema.texts)
    are_stored = schema.are_numbers and sum(schema.counts["train"].values()) == len(splits)
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                DatasetWriter(folder / name, schema.inputs, len(schema.classes), schema.kinds)
            )
            for split, name in ((TRAIN, "train"), (TEST, "test"))
            if name in schema.counts
        }
        for block in rows.blocks():
            for split, writer in writers.items():
                chosen = splits[block] == split
                which = block if chosen.all() else block.start + np.flatnonzero(chosen)
                classes = index[rows.labels[which]]
                if are_stored:
                    writer.append_labels(classes)
                else:
                    writer.append(schema.encode(recoded(rows.features[which], places)), classes)
    if are_stored:  # as they are, so they need not be copied
        (rows.folder / "numbers.npy").replace(folder / "train/features.npy")


def write_preview(schema: Schema, train: Dataset, path: Path) -> None:
    """Write the first rows of each class with inputs and labels side by side, for people."""
    firsts = [first_rows(column, PREVIEW_ROWS) for column in train.labels.T]
    rows = np.concatenate(firsts)
    inputs = pd.DataFrame(train.features[rows], columns=schema.input_names())
    labels = pd.DataFrame(train.labels[rows], columns=schema.classes)
    pd.concat([inputs, labels], axis="columns").to_csv(
        path, index=False, quoting=quoting([*schema.classes, *schema.input_names()])
    )


def first_rows(column: npt.NDArray[np.uint8], wanted: int) -> npt.NDArray[np.intp]:
    """Return the numbers of the first rows that are 1, without reading many more of them."""
    read, found = wanted, np.flatnonzero(column[:wanted])
    while len(found) < wanted and read < len(column):
        read *= 4
        found = np.flatnonzero(column[:read])
    return found[:wanted]


if __name__ == "__main__":
    run_stage(main)
