"""The study's fully connected networks."""

from __future__ import annotations

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class DenseStack:
    """What distinguishes one fully connected network from another.

    Attributes:
        hidden_units: Units of each hidden layer, from the input on.
        dropout: Rate on the input and after every hidden layer, in [0, 1).
        l2: Factor of the penalty on hidden kernels, at least 0.
    """

    hidden_units: tuple[int, ...]
    dropout: float = 0.0
    l2: float = 0.0


NETWORKS: dict[str, DenseStack] = {
    "ann_baseline": DenseStack((10,)),
    "ann_deep": DenseStack((256, 128, 64, 32, 10)),
    "ann_small": DenseStack((128, 64, 32, 10)),
    "ann_dropout": DenseStack((256, 128, 64, 32, 10), dropout=0.3),
    "ann_l2": DenseStack((256, 128, 64, 32, 10), l2=0.005),
}


def build_dense(
    architecture: str, input_shape: tuple[int, int, int], dropout: float | None, l2: float | None
) -> keras.Model:
    """Build one of `NETWORKS`.

    Args:
        architecture: A name of `NETWORKS`.
        input_shape: Height, width, channels.
        dropout: Rate in [0, 1) on the input and after every hidden layer; None for the
            network's own.
        l2: Factor of the penalty on hidden kernels; None for the network's own.

    Returns:
        float32 [n, *input_shape] in [0, 1] -> probability float32 [n, 1].
    """
    stack = NETWORKS[architecture]
    rate = stack.dropout if dropout is None else dropout
    factor = stack.l2 if l2 is None else l2
    network = keras.Sequential(
        [keras.Input(input_shape), keras.layers.Flatten()], name=architecture
    )
    if rate:
        network.add(keras.layers.Dropout(rate))
    for units in stack.hidden_units:
        network.add(
            keras.layers.Dense(
                units,
                activation="relu",
                kernel_regularizer=keras.regularizers.L2(factor) if factor else None,
            )
        )
        if rate:
            network.add(keras.layers.Dropout(rate))
    network.add(keras.layers.Dense(1, activation="sigmoid", dtype="float32"))
    return network
