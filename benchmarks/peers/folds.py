"""Ten-fold cross-validation as a loop: python -m benchmarks.peers.folds TABLE."""

import sys
import time

import keras
import numpy as np
import pandas as pd

table = pd.read_csv(sys.argv[1], header=None).sample(frac=1, random_state=0)
features = table.drop(4, axis=1).to_numpy()
labels = pd.get_dummies(table[4]).to_numpy(float)
folds = np.arange(len(table)) % 10
start = time.perf_counter()
for fold in range(10):
    network = keras.Sequential(
        [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")]
    )
    network.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    training = folds != fold
    network.fit(features[training], labels[training], epochs=150, batch_size=15, verbose=0)
    network.evaluate(features[~training], labels[~training], verbose=0)
print(f"seconds: {time.perf_counter() - start}")
