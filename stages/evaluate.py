"""evaluate: how well the model does on each data set, as metrics and as one line per row.

From the ONNX file, on NumPy: nothing here needs TensorFlow.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import classifier.evaluating.blas  # noqa: F401, before NumPy

# isort: split
from classifier.base.dvc_lock import require_read
from classifier.base.files import replaced_folder, rounded, write_json
from classifier.base.paths import EVALUATION, ONNX_MODEL, PREDICTIONS, SCHEMA, TRAINING_ROWS
from classifier.base.process import run
from classifier.evaluating.forward import load_network
from classifier.evaluating.predictions import Answers, write_predictions
from classifier.evaluating.test_sets import data_sets
from classifier.rows.dataset import Dataset, open_dataset
from classifier.scoring.repeated import count_repeated
from classifier.scoring.scores import macro_f1, scores_by_class
from classifier.table.schema import Schema


def main() -> None:
    schema = Schema.load(SCHEMA)
    if "DVC_STAGE" in os.environ:  # run by hand, train leaves no record
        require_read("train", TRAINING_ROWS)  # else rows held out now were trained on then
    network = load_network(ONNX_MODEL, schema)
    evaluation, train = {}, open_dataset(TRAINING_ROWS)
    with TemporaryDirectory() as scratch, replaced_folder(PREDICTIONS) as folder:
        for name, data in data_sets(schema, Path(scratch)):
            answers = write_predictions(network, data, schema.classes, folder / f"{name}.csv")
            evaluation[name] = scores(answers, schema.classes)
            if name != TRAINING_ROWS.name:
                say_what_was_trained_on(name, data, train)
    write_json(EVALUATION, rounded(evaluation))


def say_what_was_trained_on(name: str, data: Dataset, train: Dataset) -> None:
    if repeated := count_repeated(data, train):
        print(
            f"{name}: {repeated:,} of {len(data):,} rows are among those trained on too; "
            "on rows it has not seen, the model may do worse",
            file=sys.stderr,
        )


def scores(answers: Answers, classes: list[str]) -> dict[str, Any]:
    """Return loss, accuracy and macro F1, and in a list the scores of each class.

    Macro F1 is the mean over the classes that occur, as actual or as predicted ones. DVC leaves
    lists out of its tables, which are wide enough.
    """
    confusion = answers.confusion
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "rows": int(actual.sum()),
        "loss": answers.loss,
        "accuracy": float(hits.sum() / actual.sum()),
        "macro_f1": float(macro_f1(hits, actual, predicted)),
        "per_class": scores_by_class(confusion, classes),
    }


if __name__ == "__main__":
    run(main)
