"""The class of rows as usually written: python -m benchmarks.peers.predict MODEL TABLE OUTPUT."""

import sys

import keras
import pandas as pd

model, source, output = sys.argv[1:]
network = keras.saving.load_model(model)
table = pd.read_csv(source, header=None)
probabilities = network.predict(table.iloc[:, :4].to_numpy("float32"), batch_size=8192, verbose=0)
table["predicted"] = probabilities.argmax(axis=1)
for place, column in enumerate(probabilities.T):
    table[f"probability_{place}"] = column
table.to_csv(output, index=False)
