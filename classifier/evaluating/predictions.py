"""What the network predicts for each row, written down and counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import quoting
from classifier.evaluating.forward import Network
from classifier.rows.dataset import Dataset

BATCH_ROWS, BATCH_CELLS = 8_192, 4_000_000  # at most; cells are numbers in all layers


@dataclass(frozen=True)
class Answers:
    """What came of a data set.

    confusion: (classes, classes), entry [a, p] counts rows of class a predicted to be p;
    loss: the mean cross-entropy of a row.
    """

    confusion: npt.NDArray[np.intp]
    loss: float


def write_predictions(network: Network, data: Dataset, classes: list[str], path: Path) -> Answers:
    """Write the actual and the predicted class of every row; return what came of them all."""
    names = np.array(classes, dtype=object)
    confusion, losses = np.zeros((len(classes), len(classes)), np.intp), 0.0
    with path.open("w", encoding="utf-8", newline="") as file:
        for rows in row_slices(len(data), network):
            features, labels = data.take(rows)
            log_probabilities = network.log_probabilities(features)
            if len(bad := np.flatnonzero(np.isnan(log_probabilities).any(axis=1))):
                row = rows.start + int(bad[0]) + 1
                raise UserError(f"{path.stem}: row {row}: the model has no answer for it")
            actual, predicted = labels.argmax(axis=1), log_probabilities.argmax(axis=1)
            np.add.at(confusion, (actual, predicted), 1)
            losses -= float(np.take_along_axis(log_probabilities, actual[:, None], axis=1).sum())
            columns = {
                "row": np.arange(rows.start, rows.stop) + 1,
                "actual": names[actual],
                "predicted": names[predicted],
                "probability": np.exp(log_probabilities.max(axis=1)).round(6),
            }
            table = pd.DataFrame(columns)
            table.to_csv(file, index=False, header=rows.start == 0, quoting=quoting(classes))
    return Answers(confusion, losses / len(data))


def row_slices(rows: int, network: Network) -> Iterator[slice]:
    """Yield all rows, as many at a time as fit in little memory."""
    size = max(1, min(BATCH_ROWS, BATCH_CELLS // network.units))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
