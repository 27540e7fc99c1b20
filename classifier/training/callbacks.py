"""What is done after every epoch: the end of a hopeless training, learning curves, one bar."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from classifier.base.errors import UserError
from classifier.base.files import replaced_file
from classifier.base.progress import Progress
from classifier.model.runtime import keras

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")
SMALLER_STEPS = "try a smaller train.learning_rate"
HISTORY_INTERVAL = 1.0  # seconds between two updates of the learning curves on disk


class StopWhenDiverged(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training whose loss is not finite any more."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        if not np.isfinite(logs["loss"]):
            raise UserError(
                f"training diverged: the loss is {logs['loss']} after epoch {epoch + 1}; "
                f"{SMALLER_STEPS}"
            )


class LearningCurves(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes loss and accuracy of every epoch to a CSV file, also while training goes on."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.epochs: list[dict[str, float]] = []
        self.written = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        curves = {name: logs[name] for name in CURVES if name in logs}
        self.epochs.append({"epoch": epoch + 1, **curves})
        if time.monotonic() - self.written > HISTORY_INTERVAL:
            self.write()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.write()

    def write(self) -> None:
        with replaced_file(self.path) as temporary:
            pd.DataFrame(self.epochs).round(6).to_csv(temporary, index=False)
        self.written = time.monotonic()


class EpochBar(keras.callbacks.Callback):  # type: ignore[misc]
    """One progress bar over all epochs."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.bar = Progress(desc="train", total=epochs, unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:  # noqa: ARG002
        self.bar.set_postfix(
            loss=f"{logs['loss']:.4f}", accuracy=f"{logs['accuracy']:.4f}", refresh=False
        )
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.bar.close()
