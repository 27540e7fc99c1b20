"""A table to arrays as usually written: python -m benchmarks.peers.prepare TABLE FOLDER."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

source, folder = map(Path, sys.argv[1:])
table = pd.read_csv(source, header=None)
folder.mkdir(exist_ok=True)
np.save(folder / "features.npy", table.drop(4, axis=1).to_numpy(np.float32))
np.save(folder / "labels.npy", pd.get_dummies(table[4]).to_numpy(np.uint8))
