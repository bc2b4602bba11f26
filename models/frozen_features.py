"""Training the head of a frozen network on features that are computed once.

Where nothing changes the images from epoch to epoch, a frozen backbone gives
the same features every time, and it is nearly all of the work.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from models.architectures.pretrained import BACKBONE, HEAD, PREPROCESSING

_PARTS = {PREPROCESSING, BACKBONE, HEAD}


def has_frozen_backbone(network: keras.Model) -> bool:
    """Return whether a network has a backbone, none of whose variables are trained."""
    if not _has_parts(network):
        return False
    return not network.get_layer(BACKBONE).trainable_variables


def backbone_features(network: keras.Model, images: tf.data.Dataset) -> np.ndarray:
    """Compute what the backbone sees in each image, in one pass.

    Args:
        network: Of the pretrained family.
        images: Batches of float32 [b, s, s, 3] in [0, 1], or tuples that begin with them,
            as of `models.input_data.evaluation_batches`; in a fixed order.

    Returns:
        float32 [n, d], in the order of `images`.

    Raises:
        ValueError: When the network has no backbone.
    """
    _require_parts(network)
    preprocessing, backbone = network.get_layer(PREPROCESSING), network.get_layer(BACKBONE)
    with network.distribute_strategy.scope():
        inputs = keras.Input(preprocessing.input_shape[1:])
        extractor = keras.Model(inputs, backbone(preprocessing(inputs), training=False))
    extractor.jit_compile = False  # as in training, see `compile_for_training`
    # Under mixed precision features are half floats.
    return np.asarray(extractor.predict(images, verbose=0), np.float32)


def head_of(network: keras.Model) -> keras.Model:
    """Return the network's own head: what it learns, the network knows.

    Args:
        network: Of the pretrained family.

    Returns:
        Features float32 [n, d] -> probability float32 [n, 1], uncompiled.

    Raises:
        ValueError: When the network has no backbone.
    """
    _require_parts(network)
    return network.get_layer(HEAD)


def _has_parts(network: keras.Model) -> bool:
    return {layer.name for layer in network.layers} >= _PARTS


def _require_parts(network: keras.Model) -> None:
    if not _has_parts(network):
        raise ValueError(
            f"Expected a network of the pretrained family, got {network.name!r}, which has no "
            "frozen backbone: train it on images."
        )
