"""The maps inside a convolutional network, and what follows them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from models.architectures.pretrained import BACKBONE, HEAD, PREPROCESSING

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)

_MIDDLE_DIVISOR = 16  # of the input's side


@dataclasses.dataclass(frozen=True)
class TappedNetwork:
    """A network that also gives the maps of some of its layers.

    Attributes:
        body: float32 [n, s, s, 3] in [0, 1] -> the maps, and at the end what `tail` receives.
        tail: The remaining layers in order; the last is the output.
    """

    body: keras.Model
    tail: tuple[keras.layers.Layer, ...]

    def maps_and_logits(self, inputs: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Return the maps, float32 [n, h, w, c] each, and the output's logits, float32 [n].

        Logits, since a saturated probability has no gradient, and says of all images the same.
        """
        *maps, values = keras.tree.flatten(self.body(inputs, training=False))
        for layer in self.tail[:-1]:
            values = layer(values, training=False)
        output = self.tail[-1]
        logits = tf.linalg.matmul(tf.cast(values, tf.float32), tf.cast(output.kernel, tf.float32))
        return maps, logits[:, 0] + tf.cast(output.bias, tf.float32)[0]


def convolutions(network: keras.Model) -> list[keras.layers.Layer]:
    """Return a network's convolutions in order; of a nested backbone where it has one."""
    return [layer for layer in _trunk(network).layers if isinstance(layer, _CONVOLUTIONS)]


def last_maps(network: keras.Model) -> keras.layers.Layer | None:
    """Return the layer with the last maps, or None where the network has no convolution.

    They are those of the last convolution, after what normalises, adds up or pools them.
    """
    if not convolutions(network):
        return None
    return [layer for layer in _trunk(network).layers if len(layer.output.shape) == 4][-1]


def middle_maps(network: keras.Model) -> keras.layers.Layer | None:
    """Return the last layer whose maps have a sixteenth of the input's side, or more.

    Such maps know where things are and what they look like, and not yet only the finding. None
    where the network has no convolution.
    """
    if not convolutions(network):
        return None
    trunk = _trunk(network)
    smallest_px = math.ceil(trunk.input_shape[1] / _MIDDLE_DIVISOR)
    maps = [layer for layer in trunk.layers if len(layer.output.shape) == 4]
    return [layer for layer in maps if layer.output.shape[1] >= smallest_px][-1]


def tap(network: keras.Model, layers: Sequence[keras.layers.Layer]) -> TappedNetwork:
    """Open a network at some layers.

    Args:
        network: Of any of `models.architectures`; its weights are shared, not copied.
        layers: As `convolutions` or `last_maps` gave them.

    Raises:
        ValueError: The network does not end in one dense unit with a sigmoid.
    """
    if isinstance(network, keras.Sequential):
        tail = (network.layers[-1],)
        body = _chain(network, layers)
    elif not _is_nested(network):
        tail = (network.layers[-1],)
        body = keras.Model(
            network.inputs, [*(layer.output for layer in layers), network.layers[-1].input]
        )
    else:
        trunk, preprocessing = network.get_layer(BACKBONE), network.get_layer(PREPROCESSING)
        tail = tuple(network.get_layer(HEAD).layers)
        inner = keras.Model(trunk.inputs, [*(layer.output for layer in layers), trunk.outputs[0]])
        inputs = keras.Input(preprocessing.input_shape[1:])
        body = keras.Model(inputs, inner(preprocessing(inputs), training=False))
    _check_output(network.name, tail[-1])
    return TappedNetwork(body, tail)


def _chain(network: keras.Sequential, layers: Sequence[keras.layers.Layer]) -> keras.Model:
    """Connect a sequential network anew.

    Its layers' `output` is of the graph that was there when each was added, through which the
    later ones cannot be reached.
    """
    inputs = keras.Input(network.input_shape[1:])
    values, outputs = inputs, {}
    for layer in network.layers[:-1]:
        values = layer(values)
        outputs[layer.name] = values
    return keras.Model(inputs, [*(outputs[layer.name] for layer in layers), values])


def _check_output(name: str, output: Any) -> None:
    is_dense = isinstance(output, keras.layers.Dense) and output.units == 1
    # What the unit computes before it is the logit only where its activation is the sigmoid.
    if not is_dense or output.activation is not keras.activations.sigmoid:
        raise ValueError(
            f"Expected a network that ends in one dense unit with a sigmoid, got {name!r}, which "
            f"ends in {output!r}: only those of models.architectures can be explained."
        )


def _trunk(network: keras.Model) -> keras.Model:
    return network.get_layer(BACKBONE) if _is_nested(network) else network


def _is_nested(network: keras.Model) -> bool:
    """Return whether a network is of the pretrained family, whose maps are in its backbone."""
    return {layer.name for layer in network.layers} >= {PREPROCESSING, BACKBONE, HEAD}
