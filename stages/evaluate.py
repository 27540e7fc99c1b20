"""evaluate: how well the model does on each data set, as metrics and as one line per row."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import quoting, replaced_folder, rounded, write_json
from classifier.base.paths import EVALUATION, KERAS_MODEL, PREDICTIONS, PREPARED, SCHEMA, TEST_SETS
from classifier.base.process import run
from classifier.dvc_lock import require_recorded
from classifier.model.runtime import tf
from classifier.rows.dataset import Dataset, DatasetWriter, open_dataset
from classifier.scoring.scores import f1_scores, macro_f1, ratio
from classifier.table.opening import open_new_rows, read_features
from classifier.table.schema import MISSING, UNKNOWN, Schema, Vocabulary
from classifier.training.saving import load_keras

BATCH_ROWS = 8_192


def main() -> None:
    schema = Schema.load(SCHEMA)
    # DVC has recorded train's model by now. It goes by the file's time and may not see damage.
    # Run by hand, train leaves no record.
    if "DVC_STAGE" in os.environ:
        require_recorded(KERAS_MODEL)
    network = load_keras(KERAS_MODEL)
    schema.require_fit(KERAS_MODEL, network.input_shape[-1], network.output_shape[-1])
    evaluation = {}
    with TemporaryDirectory() as scratch, replaced_folder(PREDICTIONS) as folder:
        for name, data in data_sets(schema, Path(scratch)):
            confusion = write_predictions(network, data, schema.classes, folder / f"{name}.csv")
            evaluation[name] = evaluate(network, data) | scores(confusion, schema.classes)
    write_json(EVALUATION, rounded(evaluation))


def data_sets(schema: Schema, scratch: Path) -> Iterator[tuple[str, Dataset]]:
    """Yield the prepared splits, then each file of test sets, under their names.

    Raises:
        UserError: two have one name, or something is wrong with the content of a test set.
    """
    for name in schema.counts:
        yield name, open_dataset(PREPARED / name)
    names = dict.fromkeys(("train", "test"), "a part of data/prepared")
    for path in test_sets():
        if path.stem in names:
            raise UserError(f"{path}: {path.stem} already names {names[path.stem]}; rename it")
        names[path.stem] = str(path)
        yield path.stem, read_test_set(schema, path, scratch / path.stem)


def test_sets() -> list[Path]:
    """Return the files of test sets, which end in .csv or .CSV; say which others there are."""
    paths = sorted(TEST_SETS.glob("[!.]*"))
    for path in paths:
        if path.suffix.lower() not in (".csv", ".md"):
            print(f"{path}: is not evaluated, its name does not end in .csv", file=sys.stderr)
    return [path for path in paths if path.suffix.lower() == ".csv"]


def read_test_set(schema: Schema, path: Path, folder: Path) -> Dataset:
    """Return the rows of a test set, encoded as the training rows were, in files in `folder`.

    Where prepare left rows with gaps out, they are left out here too.
    """
    table = open_new_rows(path, schema, needs_label=True)
    labels = Vocabulary(schema.layout, schema.classes)
    with DatasetWriter(folder, schema.inputs, len(schema.classes)) as writer:
        for chunk in table.chunks(f"evaluate {path.stem}"):
            rows, classes = (
                read_features(table, chunk, schema),
                labels.codes(chunk.texts[schema.label]),
            )
            if schema.missing != "drop" and (classes == MISSING).any():
                table.explain()
            table.refuse_unknown(chunk, schema.label, classes == UNKNOWN, schema.classes)
            kept = rows.complete() & (classes != MISSING) | (schema.missing == "impute")
            writer.append(schema.encode(rows[kept]), classes[kept])
    if not writer.features.rows:
        raise UserError(f"{path}: has no rows to evaluate on")
    return open_dataset(folder)


def evaluate(network: Any, data: Dataset) -> dict[str, float]:
    """Return Keras' own loss and accuracy of the network on the data."""
    result: dict[str, float] = network.evaluate(batches(data), verbose=0, return_dict=True)
    return {"rows": len(data), "loss": result["loss"], "accuracy": result["accuracy"]}


def batches(data: Dataset) -> Any:
    """Return a tf.data.Dataset of the rows in their order; one batch is in memory at a time."""
    slices = row_slices(len(data))
    stream = tf.data.Dataset.from_generator(
        lambda: (data.take(rows) for rows in slices),
        output_signature=(
            tf.TensorSpec((None, data.features.shape[1]), tf.float32),
            tf.TensorSpec((None, data.labels.shape[1]), tf.float32),
        ),
    )
    return stream.apply(tf.data.experimental.assert_cardinality(len(slices)))


def row_slices(rows: int) -> list[slice]:
    return [slice(start, start + BATCH_ROWS) for start in range(0, rows, BATCH_ROWS)]


def write_predictions(
    network: Any, data: Dataset, classes: list[str], path: Path
) -> npt.NDArray[np.intp]:
    """Write the actual and the predicted class of every row; return the confusion matrix.

    The matrix is (classes, classes): entry [a, p] counts rows of class a predicted to be p.
    """
    names = np.array(classes, dtype=object)
    confusion = np.zeros((len(classes), len(classes)), np.intp)
    with path.open("w", encoding="utf-8", newline="") as file:
        for rows in row_slices(len(data)):
            features, labels = data.take(rows)
            probabilities = network.predict_on_batch(features)
            if len(bad := np.flatnonzero(np.isnan(probabilities).any(axis=1))):
                row = rows.start + int(bad[0]) + 1
                raise UserError(f"{path.stem}: row {row}: the model has no answer for it")
            actual, predicted = labels.argmax(axis=1), probabilities.argmax(axis=1)
            np.add.at(confusion, (actual, predicted), 1)
            columns = {
                "row": np.arange(len(data))[rows] + 1,
                "actual": names[actual],
                "predicted": names[predicted],
                "probability": probabilities.max(axis=1).astype(float).round(6),
            }
            table = pd.DataFrame(columns)
            table.to_csv(file, index=False, header=rows.start == 0, quoting=quoting(classes))
    return confusion


def scores(confusion: npt.NDArray[np.intp], classes: list[str]) -> dict[str, Any]:
    """Return precision, recall and F1 of each class, and macro F1, from a confusion matrix.

    A score is 0 where there is nothing to divide by: no row was predicted to be of a class.
    Macro F1 is the mean over the classes that occur, as actual or as predicted ones.
    """
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = ratio(hits, predicted), ratio(hits, actual)
    f1 = f1_scores(hits, actual, predicted)
    table = zip(classes, precision, recall, f1, actual.tolist(), strict=True)
    return {
        "macro_f1": float(macro_f1(hits, actual, predicted)),
        "per_class": {
            name: {"precision": p, "recall": r, "f1": f, "rows": n} for name, p, r, f, n in table
        },
    }


if __name__ == "__main__":
    run(main)
