"""What an image looks like from afar, in numbers: where it is bright, and how much detail it has.

They need no trained network, so that they tell what no network saw: noise, pages of text, images
that lie on their side, negatives.
"""

from __future__ import annotations

import tensorflow as tf

_THUMBNAIL_PX = 8
_QUANTILE_THUMBNAIL_PX = 32
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_NUM_DETAIL_LEVELS = 4
# Grey levels that are added before a logarithm or a division, against flat images.
_GREY_OFFSET = 0.1
_CONTRAST_OFFSET = 5.0

NUM_STATISTICS = _THUMBNAIL_PX**2 + len(_QUANTILES) + _NUM_DETAIL_LEVELS + 2


def describe_images(pixels: tf.Tensor) -> tf.Tensor:
    """Measure images.

    Args:
        pixels: uint8 [n, side, side, 1], of a static side of at least 32 px.

    Returns:
        float32 [n, `NUM_STATISTICS`]: an 8x8 thumbnail with mean 0 and standard deviation about 1,
        quantiles of the grey levels, and the logarithms of the mean difference between neighbours,
        along rows and columns, and of the detail that each halving of the side removes.
    """
    images = tf.cast(pixels, tf.float32)
    quantiles = tf.sort(
        tf.reshape(_shrink(images, _QUANTILE_THUMBNAIL_PX), [-1, _QUANTILE_THUMBNAIL_PX**2])
    )
    places = [round(part * (_QUANTILE_THUMBNAIL_PX**2 - 1)) for part in _QUANTILES]
    thumbnails = tf.reshape(_shrink(images, _THUMBNAIL_PX), [-1, _THUMBNAIL_PX**2])
    deviation = tf.math.reduce_std(thumbnails, axis=1, keepdims=True)
    centred = thumbnails - tf.reduce_mean(thumbnails, axis=1, keepdims=True)
    return tf.concat(
        [
            centred / (deviation + _CONTRAST_OFFSET),
            tf.gather(quantiles, places, axis=1) / 255.0,
            _log(tf.reduce_mean(tf.abs(images[:, :, 1:] - images[:, :, :-1]), axis=[1, 2])),
            _log(tf.reduce_mean(tf.abs(images[:, 1:] - images[:, :-1]), axis=[1, 2])),
            *_detail(images),
        ],
        axis=1,
    )


def _detail(images: tf.Tensor) -> list[tf.Tensor]:
    """Return the logarithm of the standard deviation that each halving of the side removes."""
    levels = []
    for _ in range(_NUM_DETAIL_LEVELS):
        side_px = images.shape[1]
        smaller = _shrink(images, max(1, side_px // 2))
        removed = images - tf.image.resize(smaller, [side_px, side_px], "bilinear")
        levels.append(_log(tf.math.reduce_std(removed, axis=[1, 2])))
        images = smaller
    return levels


def _shrink(images: tf.Tensor, side_px: int) -> tf.Tensor:
    return tf.image.resize(images, [side_px, side_px], "area")


def _log(values: tf.Tensor) -> tf.Tensor:
    return tf.math.log(values + _GREY_OFFSET)
