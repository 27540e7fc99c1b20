"""The params of a network, and what its rows have taught it, as a Keras Sequential model."""

from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.model.fill_and_scale import NOTHING, Learned
from classifier.model.runtime import keras
from classifier.params import Train

NO_MEMORY = "train.hidden: a network this large does not fit in memory"


def build_network(inputs: int, classes: int, settings: Train, learned: Learned = NOTHING) -> Any:
    """Return a keras.Sequential: (rows, inputs) float32 in, (rows, classes) probabilities out.

    Its weights are drawn from Keras' global seed, see `keras.utils.set_random_seed`. Where gaps
    are to be filled or numbers scaled, its first layer does that; the others are Dense.
    """
    hidden = [keras.layers.Dense(units, settings.activation) for units in settings.hidden]
    output = keras.layers.Dense(classes, "softmax", name="probabilities")
    start = [keras.Input((inputs,), name="features"), *beginning(inputs, learned)]
    network = keras.Sequential([*start, *hidden, output])
    if learned.unseen is not None and learned.unseen.any():
        kernel = network.weights[0]
        kernel.assign(without_unseen(kernel.numpy(), learned))
    return network


def beginning(inputs: int, learned: Learned) -> list[Any]:
    """Return a keras.Model of stock operations that does what `Learned.apply` does, if anything.

    Not a Normalization layer: it makes a deviation a variance and takes the root of that again,
    and takes 1e-7 for any that is smaller.
    """
    if learned.fill is None and learned.factor is None:
        return []
    features = start = keras.Input((inputs,), name="features")
    if learned.fill is not None:
        features = keras.ops.where(keras.ops.isnan(features), learned.fill, features)
    if learned.factor is not None:
        features = (features - learned.mean) * learned.factor
    return [keras.Model(start, features, name="learned")]


def without_unseen(kernel: npt.NDArray[np.float32], learned: Learned) -> npt.NDArray[np.float32]:
    """Return the first kernel, (inputs, units) or with members, (inputs, units, members).

    What was unseen has no weight. It gets none in training either, as it is 0 in all rows: so it
    stays unknown to the network.
    """
    if learned.unseen is None:
        return kernel
    return np.where(learned.unseen[:, None], np.float32(0), kernel)


def build_mean(
    weights: list[npt.NDArray[np.float32]], settings: Train, learned: Learned = NOTHING
) -> Any:
    """Return a keras.Sequential as `build_network` does, of the mean of many networks.

    weights: kernels (in, out, members) and biases (out, members), one after the other.
    """
    inputs, _, members = weights[0].shape
    activations = [*(settings.activation for _ in settings.hidden), "softmax"]
    dense = [
        keras.layers.EinsumDense("bmi,mio->bmo", bias.T.shape, activation, bias_axes="mo")
        for bias, activation in zip(weights[1::2], activations, strict=True)
    ]
    start = [keras.Input((inputs,), name="features"), *beginning(inputs, learned)]
    mean = keras.layers.GlobalAveragePooling1D(name="probabilities")
    network = keras.Sequential([*start, keras.layers.RepeatVector(members), *dense, mean])
    network.set_weights([np.moveaxis(each, -1, 0) for each in weights])
    return network


def dense_layers(network: Any) -> list[tuple[Any, Any, str]]:
    """Return kernel, bias and activation of each layer, as float32 and by name.

    Kernels are (in, out) and biases (out,); of the mean of many networks, (members, in, out) and
    (members, out).
    """
    kinds = (keras.layers.Dense, keras.layers.EinsumDense)
    dense = [layer for layer in network.layers if isinstance(layer, kinds)]
    return [(*layer.get_weights(), layer.activation.__name__) for layer in dense]


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


def make_optimizer(settings: Train) -> Any:
    """Return the keras.optimizers.Optimizer that the params name, at their learning rate."""
    return keras.optimizers.get(
        {"class_name": settings.optimizer, "config": {"learning_rate": settings.learning_rate}}
    )
