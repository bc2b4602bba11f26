"""Controlled degradation of images: how a model fares where the scanner or the export differs.

Validation images of the same source look like the training images; those of the next hospital
do not. Each stress changes one thing that says nothing about the finding, by a fixed amount, so
that figures of different models and days compare. Lengths refer to the side of the network's
input, for a size that is configured.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from models.augmentation import gaussian_blur
from models.input_data import as_written

_NOISE_SEED = (20180222, 5)  # the same noise on every call
_JPEG_QUALITY = 25
_BATCH_SIZE = 256


def stressed_images(images: np.ndarray, name: str) -> np.ndarray:
    """Degrade images.

    Args:
        images: uint8 [n, side, side, 1].
        name: One of `STRESSES`.

    Returns:
        uint8 of the shape of `images`.

    Raises:
        ValueError: There is no such stress.
    """
    if name not in _DEGRADATIONS:
        raise ValueError(f"Expected a stress of {list(STRESSES)}, got {name!r}.")
    degrade = _DEGRADATIONS[name]
    batches = []
    for start in range(0, len(images), _BATCH_SIZE):
        degraded = degrade(tf.cast(images[start : start + _BATCH_SIZE], tf.float32))
        pixels = tf.clip_by_value(tf.round(degraded), 0.0, 255.0)
        batches.append(tf.cast(pixels, tf.uint8).numpy())
    return np.concatenate(batches)


def _low_resolution(divisor: float) -> Callable[[tf.Tensor], tf.Tensor]:
    def degrade(images: tf.Tensor) -> tf.Tensor:
        side_px = images.shape[1]
        small_px = max(1, round(side_px / divisor))
        small = tf.image.resize(images, [small_px, small_px], antialias=True)
        return tf.image.resize(small, [side_px, side_px], "bicubic")

    return degrade


def _blur(sigma_fraction: float) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda images: gaussian_blur(images, sigma_fraction * images.shape[1])


def _sharpen(images: tf.Tensor) -> tf.Tensor:
    return images + 1.5 * (images - gaussian_blur(images, 0.01 * images.shape[1]))


def _noise(images: tf.Tensor) -> tf.Tensor:
    # One pattern for all images: the result does not depend on how they are batched.
    pattern = tf.random.stateless_normal(images.shape[1:], _NOISE_SEED)
    return images + 0.04 * 255.0 * pattern


def _brightness(offset: float) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda images: images + offset * 255.0


def _contrast(factor: float) -> Callable[[tf.Tensor], tf.Tensor]:
    def degrade(images: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
        return mean + factor * (images - mean)

    return degrade


def _gamma(exponent: float) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda images: 255.0 * tf.pow(images / 255.0, exponent)


def _jpeg(images: tf.Tensor) -> tf.Tensor:
    @as_written
    def compress(image: tf.Tensor) -> tf.Tensor:
        grey = tf.cast(image, tf.uint8)
        encoded = tf.io.encode_jpeg(grey, format="grayscale", quality=_JPEG_QUALITY)
        return tf.cast(
            tf.ensure_shape(tf.io.decode_jpeg(encoded, channels=1), grey.shape), tf.float32
        )

    return tf.map_fn(compress, images)


def _borders(images: tf.Tensor) -> tf.Tensor:
    """Shrink the picture and put it between black bands, as an export that keeps proportions."""
    side_px = images.shape[1]
    band_px = round(0.08 * side_px)
    inner = tf.image.resize(images, [side_px - 2 * band_px, side_px], antialias=True)
    return tf.pad(inner, [[0, 0], [band_px, band_px], [0, 0], [0, 0]])


_DEGRADATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "low_resolution_2x": _low_resolution(2.0),
    "low_resolution_3x": _low_resolution(3.0),
    "blur": _blur(0.012),
    "sharpen": _sharpen,
    "noise": _noise,
    "brighter": _brightness(0.15),
    "darker": _brightness(-0.15),
    "less_contrast": _contrast(0.65),
    "more_contrast": _contrast(1.35),
    "gamma_lighter": _gamma(0.7),
    "gamma_darker": _gamma(1.4),
    "jpeg": _jpeg,
    "borders": _borders,
}
STRESSES = tuple(_DEGRADATIONS)
