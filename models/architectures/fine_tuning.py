"""Which part of a backbone is trained, and when."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import keras

from models.architectures.pretrained import BACKBONE


def unfreeze_upper_layers(network: keras.Model, num_layers: int) -> int:
    """Make the last layers of a network's backbone trainable, and freeze the others.

    Batch normalisation stays frozen, and with it in inference mode: a few thousand X-rays
    would spoil its statistics. Compile the network anew afterwards; Keras decides then what
    is trained.

    Args:
        network: Of the pretrained family.
        num_layers: How many of `backbone.layers` are trained, counted from the output. All
            count, with and without weights; more than there are means all.

    Returns:
        The number of trainable parameters of the whole network.

    Raises:
        ValueError: When the network has no backbone, or `num_layers` is negative.
    """
    if num_layers < 0:
        raise ValueError(f"Expected num_layers of at least 0, got {num_layers}.")
    backbone = next((layer for layer in network.layers if layer.name == BACKBONE), None)
    if backbone is None:
        raise ValueError(
            f"Expected a network of the pretrained family, got {network.name!r}, which has no "
            "backbone to fine-tune: set fine_tuning.num_layers to 0."
        )
    first_trained = max(len(backbone.layers) - num_layers, 0)
    # Through False: TensorFlow drops an assignment of the value that is there already, and the
    # layers below would not hear of it.
    backbone.trainable = False
    backbone.trainable = num_layers > 0
    for index, layer in enumerate(backbone.layers):
        if index < first_trained or isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


@contextlib.contextmanager
def frozen_backbone(network: keras.Model) -> Iterator[None]:
    """Freeze all of a backbone for a while: it computes as in inference, dropout included.

    Compile the network anew after both changes; Keras decides then what is trained.

    Args:
        network: Of the pretrained family, its backbone trained as a whole.
    """
    backbone = network.get_layer(BACKBONE)
    rates = {
        layer: layer.rate for layer in backbone.layers if isinstance(layer, keras.layers.Dropout)
    }
    backbone.trainable = False
    for layer in rates:
        layer.rate = 0.0
    try:
        yield
    finally:
        backbone.trainable = True
        for layer, rate in rates.items():
            layer.rate = rate
