"""Large tables to measure with: iris, copied over and over, every number moved a little."""

from pathlib import Path

import numpy as np
import pandas as pd

IRIS = Path(__file__).parent.parent / "data/source/iris.data"
CHUNK_CELLS = 2_000_000
FIRSTS = [0, 50, 100]  # a row of each class, in the order of iris, so that its model fits


def write_table(path: Path, rows: int, features: int = 4) -> None:
    """Write a CSV file of that many rows: features with two decimals, then the species.

    Where there are more features than iris has, its own are repeated.
    """
    iris, rng = pd.read_csv(IRIS, header=None), np.random.default_rng(0)
    columns = np.arange(features) % 4
    path.unlink(missing_ok=True)
    chunk = CHUNK_CELLS // features
    for start in range(0, rows, chunk):
        chosen = rng.integers(len(iris), size=min(chunk, rows - start))
        if not start:
            chosen[:3] = FIRSTS
        values = iris.to_numpy()[chosen][:, columns].astype(float)
        table = pd.DataFrame(np.maximum(values + rng.normal(0, 0.05, values.shape), 0.01).round(2))
        table["species"] = iris[4].to_numpy()[chosen]
        table.to_csv(path, mode="a", header=False, index=False)
