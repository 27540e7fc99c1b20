"""The params of a network as a Keras Sequential model."""

from typing import Any

from classifier.params import Train
from classifier.runtime import keras


def build_network(inputs: int, classes: int, settings: Train) -> Any:
    """Return a keras.Sequential: (rows, inputs) float32 in, (rows, classes) probabilities out.

    Its weights are drawn from Keras' global seed, see `keras.utils.set_random_seed`.
    """
    hidden = [keras.layers.Dense(units, settings.activation) for units in settings.hidden]
    output = keras.layers.Dense(classes, "softmax", name="probabilities")
    return keras.Sequential([keras.Input((inputs,), name="features"), *hidden, output])


def compile_network(network: Any, settings: Train, steps_per_execution: int) -> None:
    """Set the loss, the optimizer and the metrics that the recipe trains with."""
    network.compile(
        loss="categorical_crossentropy",
        optimizer=make_optimizer(settings),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        # XLA compiles for the CPU at hand, so its results differ between CPUs.
        jit_compile=False,
    )


def make_optimizer(settings: Train) -> Any:
    """Return the keras.optimizers.Optimizer that the params name, at their learning rate."""
    return keras.optimizers.get(
        {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}
    )
