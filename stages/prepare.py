"""prepare: data/raw.csv to float32 features and one-hot labels, and the schema that made them.

The table is read twice, in chunks: once to learn its classes, once to write its rows.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.dataset import PREPARED, Dataset, DatasetWriter, open_dataset
from classifier.errors import UserError, run
from classifier.files import replaced_folder
from classifier.params import Prepare, load_params
from classifier.schema import Schema
from classifier.split import StratifiedSampler, stratified_quotas
from classifier.table import Table, column_names

RAW = Path("data/raw.csv")
PREVIEW_ROWS = 3  # of each class


def main() -> None:
    settings = load_params().prepare
    table = open_table(RAW, settings)
    schema = learn_schema(table, settings)
    with replaced_folder(PREPARED) as folder:
        schema.save(folder / "schema.json")
        write_rows(table, schema, settings, folder)
        write_preview(schema, open_dataset(folder / "train"), folder / "preview.csv")


def open_table(path: Path, settings: Prepare) -> Table:
    names = column_names(path, settings.header)
    label = label_name(names, settings.label)
    numbers = [name for name in names if name != label]
    return Table(path, names, settings.header is True, numbers, text=[label])


def label_name(names: list[str], label: str | int) -> str:
    """Return the name of the label column.

    Raises:
        UserError: no column has that name or position.
    """
    try:
        return names[label] if isinstance(label, int) else names[names.index(label)]
    except (IndexError, ValueError) as error:
        raise UserError(f"prepare.label: no column {label!r} among {', '.join(names)}") from error


def learn_schema(table: Table, settings: Prepare) -> Schema:
    """Return the schema of the table: a first pass over its rows."""
    (label,) = table.text
    counts = count_classes(chunk[label] for chunk in table.chunks())
    if len(counts) < 2:
        raise UserError(f"{table.path}: column {label}: has one class, expected two or more")
    held_out = stratified_quotas(list(counts.values()), settings.test_size)
    return Schema(
        columns=table.names,
        label=label,
        features=table.numbers,
        classes=list(counts),
        counts=split_counts(counts, held_out),
    )


def count_classes(chunks: Iterable["pd.Series[str]"]) -> Counter[str]:
    """Return the rows of each class, classes in order of first appearance."""
    counts: Counter[str] = Counter()
    for labels in chunks:
        codes, names = labels.factorize()
        for name, rows in zip(names, np.bincount(codes).tolist(), strict=True):
            counts[name.strip()] += rows
    return counts


def split_counts(counts: Counter[str], held_out: list[int]) -> dict[str, dict[str, int]]:
    """Return the rows of each class in each split; there is no test split without rows."""
    test = dict(zip(counts, held_out, strict=True))
    train = {label: counts[label] - test[label] for label in counts}
    return {"train": train, "test": test} if any(held_out) else {"train": train}


def write_rows(table: Table, schema: Schema, settings: Prepare, folder: Path) -> None:
    """Write every row to its split: a second pass over the table, in its order."""
    sampler = test_sampler(schema, settings.seed)
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(split_writer(folder, schema, name)) for name in schema.counts
        }
        for chunk in table.chunks():
            features, classes = schema.encode(chunk), schema.class_index(chunk)
            is_test = sampler.draw(classes)
            for name, chosen in zip(writers, (~is_test, is_test), strict=False):
                labels = one_hot(classes[chosen], len(schema.classes))
                writers[name].append(features[chosen], labels)


def split_writer(folder: Path, schema: Schema, name: str) -> DatasetWriter:
    rows = sum(schema.counts[name].values())
    return DatasetWriter(folder / name, rows, schema.inputs, len(schema.classes))


def test_sampler(schema: Schema, seed: int) -> StratifiedSampler:
    train, test = (
        schema.counts["train"],
        schema.counts.get("test", dict.fromkeys(schema.classes, 0)),
    )
    totals = [train[label] + test[label] for label in schema.classes]
    return StratifiedSampler(totals, list(test.values()), seed)


def one_hot(class_index: npt.NDArray[np.intp], classes: int) -> npt.NDArray[np.uint8]:
    """Return (rows, classes) uint8, 1 in the column of each row's class."""
    labels: npt.NDArray[np.bool_] = class_index[:, None] == np.arange(classes)
    return labels.view(np.uint8)


def write_preview(schema: Schema, train: Dataset, path: Path) -> None:
    """Write the first rows of each class with features and labels side by side, for people."""
    firsts = [
        np.flatnonzero(train.labels[:, index])[:PREVIEW_ROWS]
        for index in range(len(schema.classes))
    ]
    rows = np.concatenate(firsts)
    features = pd.DataFrame(train.features[rows], columns=schema.features)
    labels = pd.DataFrame(train.labels[rows], columns=schema.classes)
    pd.concat([features, labels], axis="columns").to_csv(path, index=False)


if __name__ == "__main__":
    run(main)
