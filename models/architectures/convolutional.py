"""The study's plain convolutional networks."""

from __future__ import annotations

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class ConvolutionalStack:
    """What distinguishes one convolutional network from another.

    Attributes:
        filters: Of each 3x3 convolution; a 2x2 max-pool follows every one.
        hidden_units: Units of each dense layer before the output.
        pool_dropout: Rate after every max-pool, in [0, 1).
        dense_dropout: Rate after every hidden dense layer, in [0, 1).
    """

    filters: tuple[int, ...]
    hidden_units: tuple[int, ...]
    pool_dropout: float = 0.0
    dense_dropout: float = 0.0


NETWORKS: dict[str, ConvolutionalStack] = {
    "cnn_baseline": ConvolutionalStack((8,), (8,)),
    "cnn_deep": ConvolutionalStack((32, 64, 128), (128, 64)),
    "cnn_dropout": ConvolutionalStack(
        (32, 64, 128), (128, 64), pool_dropout=0.3, dense_dropout=0.1
    ),
}


def build_convolutional(
    architecture: str, input_shape: tuple[int, int, int], dropout: float | None, l2: float | None
) -> keras.Model:
    """Build one of `NETWORKS`.

    Args:
        architecture: A name of `NETWORKS`.
        input_shape: Height, width, channels.
        dropout: Rate in [0, 1) after every max-pool and hidden dense layer alike; None for
            the network's own rates.
        l2: Factor of the penalty on all kernels but the output's; None for none.

    Returns:
        float32 [n, *input_shape] in [0, 1] -> probability float32 [n, 1].
    """
    stack = NETWORKS[architecture]
    pool_dropout = stack.pool_dropout if dropout is None else dropout
    dense_dropout = stack.dense_dropout if dropout is None else dropout
    penalty = keras.regularizers.L2(l2) if l2 else None
    layers = keras.layers
    network = keras.Sequential([keras.Input(input_shape)], name=architecture)
    for filters in stack.filters:
        # No padding: the study's parameter counts come out only so.
        network.add(layers.Conv2D(filters, 3, activation="relu", kernel_regularizer=penalty))
        network.add(layers.MaxPooling2D())
        if pool_dropout:
            network.add(layers.Dropout(pool_dropout))
    network.add(layers.Flatten())
    for units in stack.hidden_units:
        network.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        if dense_dropout:
            network.add(layers.Dropout(dense_dropout))
    network.add(layers.Dense(1, activation="sigmoid", dtype="float32"))
    return network
