"""The params of a network as a Keras Sequential model."""

from collections.abc import Callable
from typing import Any

import numpy as np

from classifier.model.runtime import keras, tf
from classifier.params import Train

NO_MEMORY = "train.hidden: a network this large does not fit in memory"


def build_network(inputs: int, classes: int, settings: Train) -> Any:
    """Return a keras.Sequential: (rows, inputs) float32 in, (rows, classes) probabilities out.

    Its weights are drawn from Keras' global seed, see `keras.utils.set_random_seed`.
    """
    hidden = [keras.layers.Dense(units, settings.activation) for units in settings.hidden]
    output = keras.layers.Dense(classes, "softmax", name="probabilities")
    return keras.Sequential([keras.Input((inputs,), name="features"), *hidden, output])


def dense_layers(network: Any) -> list[tuple[Any, Any, str]]:
    """Return kernel (in, out), bias (out,) and activation of each layer, as float32 and by name."""
    return [(*layer.get_weights(), layer.activation.__name__) for layer in network.layers]


def compile_network(network: Any, settings: Train) -> None:
    """Set the loss, the optimizer and the metrics that the recipe trains with."""
    network.compile(
        loss="categorical_crossentropy",
        optimizer=make_optimizer(settings),
        metrics=["accuracy"],
        # XLA compiles for the CPU at hand, so its results differ between CPUs.
        jit_compile=False,
    )
    # A step that made these variables would be traced twice.
    network.optimizer.build(network.trainable_variables)
    nothing = np.zeros((1, network.output_shape[-1]), np.float32)
    network.compute_metrics(None, nothing, nothing)
    network.reset_metrics()


def for_each_batch(step: Callable[[tuple[Any, Any]], Any], features: Any, labels: Any) -> None:
    """Call `step((features, labels))` on one batch after the other, all in one graph.

    features, labels: tensors, (batches, batch, ...).
    """

    def train(at: Any) -> tuple[Any]:
        step((features[at], labels[at]))
        return (at + 1,)

    batches = tf.shape(features)[0]
    tf.while_loop(lambda at: at < batches, train, (0,))


def make_optimizer(settings: Train) -> Any:
    """Return the keras.optimizers.Optimizer that the params name, at their learning rate."""
    return keras.optimizers.get(
        {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}
    )
