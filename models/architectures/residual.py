"""Our own network: residual, small, and quick on two CPU cores."""

from __future__ import annotations

from typing import Any

import keras

from models.architectures.fused_normalisation import FusedBatchNormalization

# Few maps where they are large: the first stages cost as much as the last ones together.
_STAGE_FILTERS = (8, 24, 64, 128)
_DROPOUT = 0.2
# Keras' .99 averages over more steps than an epoch of a few thousand images has.
_NORM_MOMENTUM = 0.9


def build_compact_resnet(
    input_shape: tuple[int, int, int], dropout: float | None, l2: float | None
) -> keras.Model:
    """Build the compact residual network (He et al. 2016): 292,745 parameters at any size.

    Args:
        input_shape: Height, width, channels; the channels are equal, and the first is read.
        dropout: Rate in [0, 1) before the output; None for .2.
        l2: Factor of the penalty on all kernels but the output's; None for none.

    Returns:
        float32 [n, *input_shape] in [0, 1] -> probability float32 [n, 1].
    """
    penalty = keras.regularizers.L2(l2) if l2 else None
    rate = _DROPOUT if dropout is None else dropout
    inputs = keras.Input(input_shape)
    maps = _normalised_convolution(inputs[..., :1], _STAGE_FILTERS[0], 3, 2, penalty)
    maps = keras.layers.ReLU()(maps)
    for stage, filters in enumerate(_STAGE_FILTERS):
        maps = _residual_block(maps, filters, 2 if stage else 1, penalty)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    if rate:
        pooled = keras.layers.Dropout(rate)(pooled)
    outputs = keras.layers.Dense(1, activation="sigmoid", dtype="float32")(pooled)
    return keras.Model(inputs, outputs, name="compact_resnet")


def _residual_block(
    inputs: Any, filters: int, stride: int, penalty: keras.regularizers.Regularizer | None
) -> Any:
    """Add two convolutions to a shortcut, which is projected where the shape changes."""
    maps = _normalised_convolution(inputs, filters, 3, stride, penalty)
    maps = keras.layers.ReLU()(maps)
    maps = _normalised_convolution(maps, filters, 3, 1, penalty)
    shortcut = inputs
    if stride != 1:
        # All pixels count, not one in four (He et al. 2019, "Bag of Tricks").
        shortcut = keras.layers.AveragePooling2D(stride, padding="same")(shortcut)
    if inputs.shape[-1] != filters:
        shortcut = _normalised_convolution(shortcut, filters, 1, 1, penalty)
    return keras.layers.ReLU()(keras.layers.Add()([maps, shortcut]))


def _normalised_convolution(
    inputs: Any,
    filters: int,
    kernel_px: int,
    stride: int,
    penalty: keras.regularizers.Regularizer | None,
) -> Any:
    convolution = keras.layers.Conv2D(
        filters,
        kernel_px,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_regularizer=penalty,
    )
    return FusedBatchNormalization(momentum=_NORM_MOMENTUM)(convolution(inputs))
