"""The project's own trainings without what comes before them.

`python -m benchmarks.fit train` is the shipped recipe, `... epoch` one epoch of it in batches of
1,024, `... crossval REPEATS` its cross-validation; all in a folder where prepare was run, which
they leave as it is.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import classifier.scoring.cross_validation  # noqa: F401  (not to be timed)
from classifier.base.paths import HISTORY, TRAINING_ROWS
from classifier.params import load_params
from classifier.rows.dataset import open_dataset
from classifier.training.fit import train
from stages import crossval


def main() -> None:
    params, data = load_params(), open_dataset(TRAINING_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        start = time.perf_counter()
        if sys.argv[1] == "train":
            train(data, params.train, HISTORY)
        elif sys.argv[1] == "epoch":
            one = params.train.model_copy(update={"epochs": 1, "batch_size": 1024})
            train(data, one, HISTORY)
        else:
            settings = params.crossval.model_copy(update={"repeats": int(sys.argv[2])})
            crossval.cross_validate(data, settings, params.train)
        print(f"seconds: {time.perf_counter() - start}")
        os.chdir(Path(__file__).parent)


if __name__ == "__main__":
    main()
