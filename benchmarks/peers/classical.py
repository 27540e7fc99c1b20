"""What models of scikit-learn, as they come, get right on the folds of a cross-validation.

`python -m benchmarks.peers.classical data/prepared/train metrics/out_of_fold.csv MODEL ...` prints
the accuracy of each, logistic_regression or gradient_boosting.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MANY_INPUTS = 100  # from which on boosting takes histograms, or it takes minutes


def gradient_boosting(inputs: int) -> Any:
    one = HistGradientBoostingClassifier if inputs >= MANY_INPUTS else GradientBoostingClassifier
    return one(random_state=0)


MODELS = {
    "logistic_regression": lambda _: LogisticRegression(max_iter=10_000),
    "gradient_boosting": gradient_boosting,
}


def accuracy(
    model: Any, features: npt.NDArray[Any], actual: npt.NDArray[Any], tested: pd.DataFrame
) -> float:
    """Return the share of right answers for the rows of each fold, by a model of the others."""
    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    model, right = make_pipeline(filled, StandardScaler(), model), 0
    for _, fold in tested.groupby(["repeat", "fold"]):
        rows = fold["row"].to_numpy() - 1
        others = np.delete(np.arange(len(actual)), rows)
        model.fit(features[others], actual[others])
        right += int((model.predict(features[rows]) == actual[rows]).sum())
    return right / len(tested)


def main(prepared: str, out_of_fold: str, *names: str) -> None:
    features = np.load(Path(prepared) / "features.npy")
    actual = np.load(Path(prepared) / "labels.npy").argmax(axis=1)
    tested = pd.read_csv(out_of_fold, usecols=["repeat", "fold", "row"])
    found = {
        name: accuracy(MODELS[name](features.shape[1]), features, actual, tested) for name in names
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
