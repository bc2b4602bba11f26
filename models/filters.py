"""Image filters as TensorFlow graphs, shared by training's augmentation and the stress test."""

from __future__ import annotations

import tensorflow as tf

_REACH_SIGMAS = 3.0  # a Gaussian's tail beyond it is under 0.3 %


def gaussian_blur(images: tf.Tensor, sigma_px: float) -> tf.Tensor:
    """Blur with a Gaussian, edges mirrored.

    Args:
        images: float32 [n, height, width, 1], of static height and width.
        sigma_px: Standard deviation, px, more than 0.

    Returns:
        float32 of the shape of `images`.
    """
    reach_px = max(1, round(_REACH_SIGMAS * sigma_px))
    offsets = tf.range(-reach_px, reach_px + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * tf.square(offsets / sigma_px))
    weights /= tf.reduce_sum(weights)
    pad = [reach_px, reach_px]
    padded = tf.pad(images, [[0, 0], pad, pad, [0, 0]], "REFLECT")
    # A Gaussian is separable: two thin filters instead of a square one.
    along_y = tf.nn.conv2d(padded, tf.reshape(weights, [-1, 1, 1, 1]), 1, "VALID")
    return tf.nn.conv2d(along_y, tf.reshape(weights, [1, -1, 1, 1]), 1, "VALID")
