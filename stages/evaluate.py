"""evaluate: how well the model does on each data set, as metrics and as one line per row.

From the ONNX file, on NumPy: nothing here needs TensorFlow.
"""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import classifier.evaluating.blas  # noqa: F401, before NumPy

# isort: split
import pandas as pd

from classifier.base.dvc_lock import read_lock, require_read
from classifier.base.errors import REPRO_FIRST, require_file
from classifier.base.files import replaced_folder, rounded, write_json, write_text
from classifier.base.paths import (
    CROSSVAL,
    EVALUATION,
    FINDINGS,
    HEADLINE,
    HISTORY,
    LOCK,
    ODDITIES,
    ONNX_MODEL,
    PREDICTIONS,
    SCHEMA,
    SUMMARY,
    TRAINING_ROWS,
)
from classifier.base.process import run_stage
from classifier.evaluating.forward import Network, load_network
from classifier.evaluating.predictions import Answers, write_predictions
from classifier.evaluating.test_sets import data_sets, no_test_sets
from classifier.findings.finding import Finding, worst_first
from classifier.findings.of_model import Results, of_model
from classifier.findings.of_table import of_another_set, of_groups, of_no_test_sets, of_table
from classifier.findings.summary import headline, summary, to_markdown
from classifier.params import load_params
from classifier.rows.dataset import Dataset, open_dataset
from classifier.scoring.repeated import count_repeated
from classifier.scoring.scores import macro_f1, scores_by_class
from classifier.table.schema import Schema


def main() -> None:
    schema, recipe = Schema.load(SCHEMA), load_params().train
    if "DVC_STAGE" in os.environ:  # run by hand, train leaves no record
        require_read("train", TRAINING_ROWS)  # else rows held out now were trained on then
    if LOCK.exists():  # else what is concluded would mix two models
        read_lock().require_crossval_of_the_model("the model")
    network, train = load_network(ONNX_MODEL, schema), open_dataset(TRAINING_ROWS)
    schema = schema.without(network.unseen)
    oddities = json.loads(require_file(ODDITIES, REPRO_FIRST).read_bytes())
    findings = [*of_table(schema, train, oddities, recipe.scale == "standard")]
    crossval = json.loads(require_file(CROSSVAL, REPRO_FIRST).read_bytes())
    findings += of_groups(schema, train) if crossval["models"] else ()
    in_time = train.groups is not None and train.groups.in_time
    answers, repeated, of_others = evaluate(network, schema, train, in_time)
    evaluation = {
        name: scores(of_set, schema.classes, repeated.get(name, 0))
        for name, of_set in answers.items()
    }
    write_json(EVALUATION, rounded(evaluation))
    results = Results(
        classes=schema.classes,
        confusion=answers[TRAINING_ROWS.name].confusion,
        train=evaluation[TRAINING_ROWS.name],
        crossval=crossval,
        history=pd.read_csv(require_file(HISTORY, REPRO_FIRST)),
        recipe=recipe,
        others={
            name: answers[name].confusion
            for name, count in repeated.items()
            if count < evaluation[name]["rows"]
        },
        is_grouped=train.groups is not None,
        in_time=in_time,
    )
    conclude(schema, evaluation, results, [*findings, *of_others])


def evaluate(
    network: Network, schema: Schema, train: Dataset, in_time: bool
) -> tuple[dict[str, Answers], dict[str, int], list[Finding]]:
    """Write the predictions for each data set; return what came of them, by its name.

    Then, for all but the training rows, how many rows are in the training data too, and what else
    there is to say of them. in_time: whether the test rows are later than the training rows.
    """
    answers: dict[str, Answers] = {}
    repeated: dict[str, int] = {}
    findings = [*of_no_test_sets(no_test_sets())]
    with TemporaryDirectory() as scratch, replaced_folder(PREDICTIONS) as folder:
        for name, data in data_sets(schema, Path(scratch)):
            answers[name] = write_predictions(network, data, schema.classes, folder / f"{name}.csv")
            if name != TRAINING_ROWS.name:
                repeated[name] = count_repeated(data, train)
                are_later = in_time and name == "test"
                findings += of_another_set(schema, name, data, repeated[name], are_later)
    return answers, repeated, findings


def conclude(
    schema: Schema, evaluation: dict[str, Any], results: Results, findings: list[Finding]
) -> None:
    """Write what there is to say of the table and of the model, and say the most important."""
    sorted_findings = worst_first([*of_model(results), *findings])
    write_json(FINDINGS, [vars(finding) for finding in sorted_findings])
    lines = summary(schema, evaluation, results.crossval, sorted_findings)
    write_text(SUMMARY, to_markdown(lines))
    write_json(HEADLINE, headline(results.crossval))
    print(*lines, sep="\n")


def scores(answers: Answers, classes: list[str], repeated: int) -> dict[str, Any]:
    """Return loss, accuracy and macro F1, and in a list the scores of each class.

    repeated: how many of the rows were trained on too; of another set than theirs, that is told.
    Macro F1 is the mean over the classes that occur, as actual or as predicted ones. DVC leaves
    lists out of its tables, which are wide enough.
    """
    confusion = answers.confusion
    by_class = scores_by_class(confusion, classes)
    hits, actual, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "rows": int(actual.sum()),
        **({"rows_trained_on": repeated} if repeated else {}),
        "loss": answers.loss,
        "accuracy": float(hits.sum() / actual.sum()),
        "macro_f1": float(macro_f1(hits, actual, predicted)),
        "per_class": [{"class": name} | found for name, found in by_class.items()],
    }


if __name__ == "__main__":
    run_stage(main)
