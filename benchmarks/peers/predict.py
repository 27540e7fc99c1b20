"""The class of new rows, by Keras: python -m benchmarks.peers.predict MODEL (TABLE | VALUES)."""

import sys

import keras
import numpy as np
import pandas as pd

network = keras.saving.load_model(sys.argv[1])
if len(sys.argv) > 3:
    print(network.predict(np.array([sys.argv[2:]], float), verbose=0))
else:
    table = pd.read_csv(sys.argv[2], header=None)
    probabilities = network.predict(table.drop(columns=4).to_numpy("float32"), verbose=0)
    table["predicted"] = probabilities.argmax(axis=1)
    pd.concat([table, pd.DataFrame(probabilities)], axis=1).to_csv("predicted.csv", index=False)
