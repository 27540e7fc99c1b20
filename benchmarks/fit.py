"""The project's own trainings without what comes before them.

`python -m benchmarks.fit train` is the shipped recipe, `... epoch` one epoch of it in batches of
1,024, `... crossval` its cross-validation; all in a folder where prepare was run, which they leave
as it is.
"""

import argparse
import os
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__)
    parser.add_argument("what", choices=["train", "epoch", "crossval"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--members", type=int, default=1)
    chosen, params, data = parser.parse_args(), load_params(), open_dataset(TRAINING_ROWS)
    recipe = params.train.model_copy(update={"members": chosen.members})
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        start = time.perf_counter()
        if chosen.what == "train":
            train(data, recipe, HISTORY)
        elif chosen.what == "epoch":
            one = recipe.model_copy(update={"epochs": 1, "batch_size": 1024})
            train(data, one, HISTORY)
        else:
            settings = params.crossval.model_copy(update={"repeats": chosen.repeats})
            crossval.cross_validate(data, settings, recipe)
        print(f"seconds: {time.perf_counter() - start}")
        os.chdir(Path(__file__).parent)


if __name__ == "__main__":
    main()
