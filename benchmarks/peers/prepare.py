"""A table to features and one-hot labels on disk: python -m benchmarks.peers.prepare TABLE."""

import sys

import numpy as np
import pandas as pd

table = pd.read_csv(sys.argv[1], header=None)
np.save("features.npy", table.drop(columns=4).to_numpy("float32"))
np.save("labels.npy", pd.get_dummies(table[4]).to_numpy("uint8"))
