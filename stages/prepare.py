"""prepare: data/raw.csv to float32 features and one-hot labels, and the schema that made them.

The table is read once, in chunks, into arrays on disk. What there is to learn from all rows is
learned from those, and they are rewritten as what the network reads.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.dataset import (
    PREPARED,
    ArrayWriter,
    Dataset,
    DatasetWriter,
    open_array,
    open_dataset,
)
from classifier.errors import UserError, quoted, run, shortened
from classifier.files import replaced_folder
from classifier.layout import Layout, counted, is_meant_as_number
from classifier.params import Column, Prepare, load_params
from classifier.schema import MISSING, Feature, NumberFeature, Rows, Schema, TextFeature, Vocabulary
from classifier.split import StratifiedSampler, stratified_quotas
from classifier.table import Chunk, Table
from classifier.text import first_row

RAW = Path("data/raw.csv")
PREVIEW_ROWS = 3  # of each class
SAMPLE_ROWS = 1_000  # that show which columns hold numbers
BLOCK_CELLS = 2_000_000  # of the arrays on disk that are in memory at a time

DROPPED, TRAIN, TEST = 0, 1, 2
ADVICE = "; if it stands for no value, see prepare.na_values; if the column is text, prepare.text"


def main() -> None:
    settings = load_params().prepare
    with replaced_folder(PREPARED) as folder:
        source = open_source(RAW, settings)
        rows = read_rows(source, settings, folder / "rows")
        schema = learn_schema(source, rows, settings)
        index = class_index(rows, schema.label, schema.classes)
        splits = assign_splits(rows, index, schema, settings.seed, folder / "rows/splits.npy")
        features = learn_features(source, rows, splits[:, 0] == TRAIN, settings)
        schema = schema.model_copy(update={"features": features})
        write_splits(schema, rows, index, splits, folder)
        shutil.rmtree(folder / "rows")
        schema.save(folder / "schema.json")
        write_preview(schema, open_dataset(folder / "train"), folder / "preview.csv")


@dataclass(frozen=True)
class Source:
    """The table, which of its columns is the label, and the features with nothing learned yet."""

    table: Table
    label: str
    features: list[Feature]

    @property
    def texts(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind == "text"]


def open_source(path: Path, settings: Prepare) -> Source:
    """Return the source, its columns found and told apart.

    Raises:
        UserError: there is no table, or it has not the columns that the params name.
    """
    layout = Layout(
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        header=settings.header is True,
        na_values=[value.strip() for value in settings.na_values],
    )
    names = column_names(path, layout, settings.header)
    label = column(names, settings.label, "prepare.label")
    features = feature_names(names, label, settings)
    texts = {column(names, text, "prepare.text") for text in settings.text}
    table = Table(path, layout, names, numbers=[], required=[])
    kinds = new_features(table, features, texts)
    numbers = [feature.name for feature in kinds if feature.kind == "number"]
    required = [label, *features] if settings.missing == "error" else []
    if settings.missing == "impute":
        required = [label]
    return Source(Table(path, layout, names, numbers, required, advice=ADVICE), label, kinds)


def column_names(path: Path, layout: Layout, header: bool | list[str]) -> list[str]:
    """Return the names of the columns: as given, from the first row, or else their positions."""
    row = first_row(path, layout)
    names = header if isinstance(header, list) else row if header else [""] * len(row)
    if len(names) != len(row):
        found = counted(len(row), "column")
        raise UserError(f"{path}: row 1: has {found}, prepare.header names {len(names)}")
    if isinstance(header, list) and row == [name.strip() for name in header]:
        raise UserError(f"{path}: row 1: is a header, set prepare.header: true")
    named = [name or str(position) for position, name in enumerate(names)]
    for name, uses in Counter(named).items():
        if uses > 1:
            raise UserError(f"{path}: row 1: {uses} columns have the name {quoted(name)}")
    return named


def column(names: list[str], wanted: Column, param: str) -> str:
    """Return the name of a column given by name or position.

    Raises:
        UserError: there is no such column.
    """
    try:
        return names[wanted if isinstance(wanted, int) else names.index(wanted)]
    except (IndexError, ValueError) as error:
        listed = ", ".join(map(shortened, names[:20])) + (", ..." if len(names) > 20 else "")
        hint = "; is prepare.delimiter right?" if len(names) == 1 else ""
        raise UserError(f"{param}: no column {quoted(wanted)} among {listed}{hint}") from error


def feature_names(names: list[str], label: str, settings: Prepare) -> list[str]:
    if settings.features is None:
        features = [name for name in names if name != label]
    else:
        features = [column(names, wanted, "prepare.features") for wanted in settings.features]
    if label in features or len(set(features)) < len(features):
        raise UserError("prepare.features: has the label, or a column twice")
    if not features:
        raise UserError(f"prepare.features: there is no column besides the label {label}")
    return features


def new_features(table: Table, names: list[str], texts: set[str]) -> list[Feature]:
    """Return the features: text if most of the values sampled are no numbers, or if it is said.

    Raises:
        UserError: there are no rows, or a column has no value at all.
    """
    values, numbers = sampled_values(table, names)
    for name in names:
        if not values[name]:
            raise UserError(f"{table.path}: column {name}: has no values")
    return [
        TextFeature(name=name, fill=None, categories=[])
        if name in texts or numbers[name] < values[name] / 2
        else NumberFeature(name=name, fill=None, mean=0.0, std=1.0)
        for name in names
    ]


def sampled_values(table: Table, names: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Return how many values each column has in the first rows, and how many of them are numbers.

    Further rows are read only for a column that has no value in these, up to its first one.
    """
    left, is_missing = {name: table.names.index(name) for name in names}, table.layout.is_missing
    values, numbers, read = Counter[str](), Counter[str](), 0
    for read, (line, row) in enumerate(table.rows(), 1):
        table.check_width(row, line)
        for name in [name for name, at in left.items() if not is_missing(row[at])]:
            values[name] += 1
            numbers[name] += is_meant_as_number(row[left[name]])
        if read >= SAMPLE_ROWS:
            left = {name: at for name, at in left.items() if not values[name]}
        if not left:
            break
    if not read:
        raise UserError(f"{table.path}: has no rows")
    return values, numbers


@dataclass(frozen=True)
class StoredRows:
    """The rows of a table in files in a folder, and what the codes of their texts mean.

    Files are mapped anew for each use: what is read through a map counts as memory until it goes.
    """

    folder: Path
    vocabularies: dict[str, Vocabulary]

    @property
    def features(self) -> Rows:
        return Rows(open_array(self.folder / "numbers.npy"), open_array(self.folder / "codes.npy"))

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """The codes of the labels, (rows,) int32."""
        labels: npt.NDArray[np.int32] = open_array(self.folder / "labels.npy")[:, 0]
        return labels

    def blocks(self) -> Iterator[slice]:
        """Yield slices over all rows, each of no more than fits in memory."""
        features, rows = self.features, len(self.labels)
        step = max(1, BLOCK_CELLS // (features.numbers.shape[1] + features.codes.shape[1] + 1))
        return (slice(at, at + step) for at in range(0, rows, step))

    def complete(self, block: slice) -> npt.NDArray[np.bool_]:
        """Return which rows of the block have no gap."""
        labelled: npt.NDArray[np.bool_] = self.labels[block] != MISSING
        return self.features[block].complete() & labelled


def read_rows(source: Source, settings: Prepare, folder: Path) -> StoredRows:
    """Read the table once, learn its categories and classes, and store its rows in `folder`."""
    vocabularies = {name: Vocabulary(source.table.layout) for name in (*source.texts, source.label)}
    names = {"numbers": np.float32, "codes": np.int32, "labels": np.int32}
    columns = [len(source.table.numbers), len(source.texts), 1]
    with ExitStack() as stack:
        numbers, codes, labels = (
            stack.enter_context(ArrayWriter(folder / f"{name}.npy", width, dtype))
            for (name, dtype), width in zip(names.items(), columns, strict=True)
        )
        for chunk in source.table.chunks("prepare"):
            coded = learn_codes(source, vocabularies, chunk, settings.max_categories)
            numbers.append(chunk.numbers)
            codes.append(coded[:, :-1])
            labels.append(coded[:, -1:])
    return StoredRows(folder, vocabularies)


def learn_codes(
    source: Source, vocabularies: dict[str, Vocabulary], chunk: Chunk, limit: int
) -> npt.NDArray[np.int32]:
    """Return the codes of the chunk's text columns, the label last; new values get new codes.

    Raises:
        UserError: a value is missing that is required, or there are too many different ones.
    """
    codes = np.empty((len(chunk), len(vocabularies)), np.int32)
    for place, (name, vocabulary) in enumerate(vocabularies.items()):
        vocabulary.learn(chunk.texts[name])
        codes[:, place] = vocabulary.codes(chunk.texts[name])
        if len(vocabulary.places) > limit:
            advice = "if it names the rows, leave it out of prepare.features"
            if name == source.label:
                advice = "is it the column to predict, prepare.label?"
            raise UserError(
                f"{source.table.path}: column {name}: has more than {limit} different values "
                f"(prepare.max_categories); {advice}"
            )
        if name in source.table.required and (codes[:, place] == MISSING).any():
            source.table.explain()
    return codes


def learn_schema(source: Source, rows: StoredRows, settings: Prepare) -> Schema:
    """Return the schema with classes and counts; its features have nothing learned yet."""
    counts = count_classes(rows, source.label, drop=settings.missing == "drop")
    quotas = stratified_quotas(list(counts.values()), settings.test_size)
    test = dict(zip(counts, quotas, strict=True))
    check_classes(source, counts, test, settings)
    return Schema(
        layout=source.table.layout,
        columns=source.table.names,
        label=source.label,
        features=source.features,
        missing=settings.missing,
        unknown=settings.unknown,
        classes=list(counts),
        counts=split_counts(counts, test),
    )


def count_classes(rows: StoredRows, label: str, drop: bool) -> dict[str, int]:
    """Return the rows of each class in order of first appearance; with `drop`, complete rows."""
    names, counts = list(rows.vocabularies[label].places), Counter[str]()
    for block in rows.blocks():
        codes = rows.labels[block]
        kept = codes[rows.complete(block)] if drop else codes
        totals = np.bincount(kept, minlength=len(names))
        counts.update({names[code]: int(totals[code]) for code in pd.unique(kept)})
    return dict(counts)


def check_classes(
    source: Source, counts: dict[str, int], test: dict[str, int], settings: Prepare
) -> None:
    """Raise `UserError` unless there are two classes or more with rows to train on in each."""
    place = f"{source.table.path}: column {source.label}"
    if not counts:
        raise UserError(f"{source.table.path}: has no rows to train on")
    if len(counts) == 1:
        raise UserError(f"{place}: has one class, {next(iter(counts))}; expected two or more")
    if settings.test_size and not any(test.values()):
        raise UserError(
            f"prepare.test_size: {settings.test_size} holds out no row of {sum(counts.values())}"
        )
    for name, count in counts.items():
        if any(test.values()) and count == 1:
            raise UserError(f"{place}: class {name} has one row; prepare.test_size needs two")
        if test[name] == count:
            raise UserError(f"{place}: prepare.test_size leaves no row of class {name} to train on")


def split_counts(counts: dict[str, int], test: dict[str, int]) -> dict[str, dict[str, int]]:
    """Return the rows of each class in each split; there is no test split without rows."""
    train = {name: count - test[name] for name, count in counts.items()}
    return {"train": train, "test": test} if any(test.values()) else {"train": train}


def class_index(rows: StoredRows, label: str, classes: list[str]) -> npt.NDArray[np.intp]:
    """Return the index of the class that each code of the label stands for; -1 for none."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places.get(name, -1) for name in rows.vocabularies[label].places], np.intp)


def assign_splits(
    rows: StoredRows, index: npt.NDArray[np.intp], schema: Schema, seed: int, path: Path
) -> npt.NDArray[np.uint8]:
    """Return, stored in a file, what becomes of each row: DROPPED, TRAIN or TEST; (rows, 1)."""
    test = schema.counts.get("test", dict.fromkeys(schema.classes, 0))
    totals = [schema.counts["train"][name] + test[name] for name in schema.classes]
    sampler = StratifiedSampler(totals, list(test.values()), seed)
    with ArrayWriter(path, 1, np.uint8) as splits:
        for block in rows.blocks():
            labels = rows.labels[block]
            split = np.full((len(labels), 1), TRAIN, np.uint8)
            if schema.missing == "drop":
                split[~rows.complete(block)] = DROPPED
            kept = np.flatnonzero(split)
            split[kept[sampler.draw(index[labels[kept]])]] = TEST
            splits.append(split)
    return open_array(path)


def learn_features(
    source: Source, rows: StoredRows, train: npt.NDArray[np.bool_], settings: Prepare
) -> list[Feature]:
    """Return the features with what is learned about them, fills and scales from training rows."""
    impute, scale = settings.missing == "impute", settings.scale == "standard"
    nothing: Sequence[float | None] = [None] * len(source.table.numbers)
    fills = medians(source, rows, train) if impute else nothing
    scales = scales_of(rows, train, fills) if scale else [(0.0, 1.0)] * len(fills)
    learned = dict(zip(source.table.numbers, zip(fills, scales, strict=True), strict=True))
    features: list[Feature] = []
    for feature in source.features:
        if isinstance(feature, NumberFeature):
            fill, (mean, std) = learned[feature.name]
            features.append(NumberFeature(name=feature.name, fill=fill, mean=mean, std=std))
        else:
            categories = list(rows.vocabularies[feature.name].places)
            fill_text = (
                categories[most_frequent(source, rows, train, feature.name)] if impute else None
            )
            features.append(TextFeature(name=feature.name, fill=fill_text, categories=categories))
    return features


def medians(
    source: Source, rows: StoredRows, train: npt.NDArray[np.bool_]
) -> Sequence[float | None]:
    """Return the median of each number over the training rows that have it.

    Raises:
        UserError: no training row has it.
    """
    found: list[float] = []
    step = max(1, BLOCK_CELLS // len(rows.labels))
    for at in range(0, len(source.table.numbers), step):
        group = rows.features.numbers[train, at : at + step]
        empty = np.flatnonzero(np.isnan(group).all(axis=0))
        if len(empty):
            raise no_value(source, source.table.numbers[at + int(empty[0])])
        found += np.nanmedian(group, axis=0).tolist()
    return found


def most_frequent(source: Source, rows: StoredRows, train: npt.NDArray[np.bool_], name: str) -> int:
    """Return the code that most training rows have in a text column, the earliest of equals.

    Raises:
        UserError: no training row has one.
    """
    codes = rows.features.codes[train, source.texts.index(name)]
    if (codes == MISSING).all():
        raise no_value(source, name)
    return int(np.bincount(codes[codes != MISSING]).argmax())


def no_value(source: Source, name: str) -> UserError:
    return UserError(f"{source.table.path}: column {name}: has no value in a training row")


def scales_of(
    rows: StoredRows, train: npt.NDArray[np.bool_], fills: Sequence[float | None]
) -> list[tuple[float, float]]:
    """Return mean and standard deviation of each number over the training rows, gaps filled.

    Both are rounded to the sixth digit of the deviation, so that the last bits of a sum, which
    may differ between CPUs, do not show. Where all values are the same, the deviation counts as 1.
    """
    fill = np.array([np.nan if value is None else value for value in fills])
    total, squares = np.zeros(len(fills)), np.zeros(len(fills))
    for numbers in filled_blocks(rows, train, fill):
        total += numbers.sum(axis=0)
    mean = total / train.sum()
    for numbers in filled_blocks(rows, train, fill):
        squares += ((numbers - mean) ** 2).sum(axis=0)
    std = np.sqrt(squares / train.sum())
    std[std == 0] = 1
    digits = 5 - np.floor(np.log10(std)).astype(int)
    return [
        (round(m, d), round(s, d))
        for m, s, d in zip(mean.tolist(), std.tolist(), digits.tolist(), strict=True)
    ]


def filled_blocks(
    rows: StoredRows, train: npt.NDArray[np.bool_], fill: npt.NDArray[np.float64]
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the numbers of the training rows, gaps filled."""
    for block in rows.blocks():
        numbers = rows.features.numbers[block][train[block]].astype(np.float64)
        yield np.where(np.isnan(numbers), fill, numbers)


def write_splits(
    schema: Schema,
    rows: StoredRows,
    index: npt.NDArray[np.intp],
    splits: npt.NDArray[np.uint8],
    folder: Path,
) -> None:
    """Write the inputs and one-hot labels of each split, its rows in the order of the table."""
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                DatasetWriter(folder / name, schema.inputs, len(schema.classes))
            )
            for split, name in ((TRAIN, "train"), (TEST, "test"))
            if name in schema.counts
        }
        for block in rows.blocks():
            for split, writer in writers.items():
                chosen = splits[block, 0] == split
                which = block if chosen.all() else block.start + np.flatnonzero(chosen)
                inputs = schema.encode(rows.features[which])
                writer.append(inputs, index[rows.labels[which]])


def write_preview(schema: Schema, train: Dataset, path: Path) -> None:
    """Write the first rows of each class with inputs and labels side by side, for people."""
    firsts = [first_rows(column, PREVIEW_ROWS) for column in train.labels.T]
    rows = np.concatenate(firsts)
    inputs = pd.DataFrame(train.features[rows], columns=schema.input_names())
    labels = pd.DataFrame(train.labels[rows], columns=schema.classes)
    pd.concat([inputs, labels], axis="columns").to_csv(path, index=False)


def first_rows(column: npt.NDArray[np.uint8], wanted: int) -> npt.NDArray[np.intp]:
    """Return the numbers of the first rows that are 1, without reading many more of them."""
    read, found = wanted, np.flatnonzero(column[:wanted])
    while len(found) < wanted and read < len(column):
        read *= 4
        found = np.flatnonzero(column[:read])
    return found[:wanted]


if __name__ == "__main__":
    run(main)
