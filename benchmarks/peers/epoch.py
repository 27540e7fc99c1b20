"""One epoch on arrays in memory: python -m benchmarks.peers.epoch FOLDER BATCH."""

import sys
import time
from pathlib import Path

import keras
import numpy as np

folder, batch_size = Path(sys.argv[1]), int(sys.argv[2])
features, labels = np.load(folder / "features.npy"), np.load(folder / "labels.npy")
network = keras.Sequential(
    [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3, activation="softmax")]
)
network.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
start = time.perf_counter()
network.fit(features, labels.astype("float32"), epochs=1, batch_size=batch_size, verbose=0)
print(f"seconds: {time.perf_counter() - start}")
