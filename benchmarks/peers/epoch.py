"""One epoch of `fit` on arrays in memory: python -m benchmarks.peers.epoch FOLDER."""

import sys
import time

import keras
import numpy as np

features, labels = (np.load(f"{sys.argv[1]}/{name}.npy") for name in ("features", "labels"))
network = keras.Sequential(
    [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")]
)
network.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
start = time.perf_counter()
network.fit(features, labels, epochs=1, batch_size=1024, verbose=0)
print(f"seconds: {time.perf_counter() - start}")
