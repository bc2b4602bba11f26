"""Black bands round training images, as an export that keeps proportions puts them there.

The picture is squeezed along one axis, and what is left free above and below it, or beside it, is
black. A network that has never seen that takes the bands for something about the lungs.
"""

from __future__ import annotations

import tensorflow as tf

_LARGEST_BAND = 0.15  # of the side, on each of the two sides


def add_bands(images: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Squeeze a part of the images between two black bands.

    Args:
        images: float32 [n, height, width, 1], in [0, 255].
        seed: int64 [2]; the same seed gives the same bands.
        probability: That an image gets bands, in [0, 1]; half of them lie above and below it.

    Returns:
        float32 of the shape of `images`, in the same range.
    """
    if probability <= 0.0:
        return images
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform([3, shape[0]], seed)
    band = tf.where(draws[0] < probability, draws[1] * _LARGEST_BAND, 0.0)
    # From output to input coordinates, about the centre: the picture shrinks by this factor.
    squeeze = 1.0 / (1.0 - 2.0 * band)
    is_upright = draws[2] < 0.5
    factor_y, factor_x = tf.where(is_upright, squeeze, 1.0), tf.where(is_upright, 1.0, squeeze)
    centre_y = (tf.cast(shape[1], tf.float32) - 1.0) / 2.0
    centre_x = (tf.cast(shape[2], tf.float32) - 1.0) / 2.0
    zeros = tf.zeros_like(band)
    maps = tf.stack(
        [
            factor_x,
            zeros,
            centre_x * (1.0 - factor_x),
            zeros,
            factor_y,
            centre_y * (1.0 - factor_y),
            zeros,
            zeros,
        ],
        axis=1,
    )
    banded = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=maps,
        output_shape=shape[1:3],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return tf.ensure_shape(banded, images.shape)
