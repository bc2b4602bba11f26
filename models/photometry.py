"""Random changes of grey values for training images, fresh for every image of every epoch.

What a scanner, an export or a browser changes without changing the finding: brightness,
contrast, gamma, sharpness, resolution, noise. A network that has seen all of them cannot lean
on any. On this data it would: normal X-rays are sharper than those of pneumonia.
"""

from __future__ import annotations

import tensorflow as tf

from contract.settings import AugmentationSettings
from models.filters import gaussian_blur

# The blur that sharpness is varied with, as a part of the side: 1.3 px at 128 px. It takes the
# finest detail, which differs most between scanners, and leaves what a consolidation looks like.
_BLUR_SIGMA_FRACTION = 0.01
_LARGEST_ERASED_FRACTION = 0.3  # of the height and of the width, each


def vary_photometry(
    images: tf.Tensor, seed: tf.Tensor, settings: AugmentationSettings
) -> tf.Tensor:
    """Apply random grey-value changes to each image.

    Args:
        images: float32 [n, height, width, 1], in [0, 255].
        seed: int64 [2]; the same seed gives the same changes.
        settings: How far each kind may go; 0 leaves it out.

    Returns:
        float32 of the shape of `images`, in [0, 255].
    """
    shape = tf.shape(images)
    seeds = tf.unstack(tf.random.split(seed, 6))
    strength = settings.strength

    def draws(index: int, count: int) -> list[tf.Tensor]:
        """Draw `count` numbers in [-1, 1] for each image, to be broadcast over its pixels."""
        drawn = tf.random.stateless_uniform([count, shape[0], 1, 1, 1], seeds[index], -1.0, 1.0)
        return tf.unstack(drawn, num=count)

    if settings.resample > 0.0:
        images = _resample(images, seeds[0], settings.resample * strength)
    if settings.blur > 0.0 or settings.sharpen > 0.0:
        (amount,) = draws(1, 1)
        # 1 is the blurred image, 0 the image, -1 as far on the other side: an unsharp mask.
        weight = amount * strength * tf.where(amount > 0.0, settings.blur, settings.sharpen)
        blurred = gaussian_blur(images, _BLUR_SIGMA_FRACTION * images.shape[1])
        images = images + weight * (blurred - images)
    brightness, contrast, gamma = draws(2, 3)
    scaled = tf.clip_by_value(images / 255.0, 0.0, 1.0)
    if settings.gamma > 0.0:
        scaled = tf.pow(scaled, tf.pow(1.0 + settings.gamma * strength, gamma))
    mean = tf.reduce_mean(scaled, axis=[1, 2, 3], keepdims=True)
    factor = 1.0 + contrast * settings.contrast * strength
    scaled = mean + factor * (scaled - mean) + brightness * settings.brightness * strength
    if settings.noise > 0.0:
        (amount,) = draws(3, 1)
        noise = tf.random.stateless_normal(shape, seeds[4])
        scaled += tf.abs(amount) * settings.noise * strength * noise
    if settings.erasing > 0.0:
        scaled = _erase(scaled, mean, seeds[5], settings.erasing)
    return tf.clip_by_value(scaled * 255.0, 0.0, 255.0)


def mix_pairs(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each image and its label with another of the batch (Zhang et al. 2018, "mixup").

    Args:
        images: float32 [n, height, width, channels].
        labels: float32 [n, 1], in [0, 1].
        seed: int64 [2].
        alpha: Both parameters of the Beta distribution that the weights are drawn from; 0
            mixes nothing.

    Returns:
        Mixed images and labels, of the same shapes.
    """
    if alpha <= 0.0:
        return images, labels
    num_images = tf.shape(images)[0]
    seeds = tf.random.split(seed, 2)
    # The ratio of two Gamma draws is a Beta draw.
    gammas = tf.random.stateless_gamma([2, num_images], seeds[0], alpha)
    weight = tf.math.divide_no_nan(gammas[0], gammas[0] + gammas[1])
    weight = tf.maximum(weight, 1.0 - weight)  # the image itself stays the larger part
    partners = tf.random.experimental.stateless_shuffle(tf.range(num_images), seeds[1])

    def mix(values: tf.Tensor) -> tf.Tensor:
        weights = tf.reshape(weight, [-1] + [1] * (values.shape.rank - 1))
        return weights * values + (1.0 - weights) * tf.gather(values, partners)

    return mix(images), mix(labels)


def _resample(images: tf.Tensor, seed: tf.Tensor, largest_loss: float) -> tf.Tensor:
    """Lower the resolution of half of the images, to one side drawn for the batch, and restore."""
    seeds = tf.random.split(seed, 2)
    side_px = images.shape[1]
    loss = tf.random.stateless_uniform([], seeds[0], 0.0, min(largest_loss, 0.9))
    small_px = tf.cast(tf.round(side_px * (1.0 - loss)), tf.int32)
    small = tf.image.resize(images, tf.stack([small_px, small_px]), antialias=True)
    restored = tf.image.resize(small, [side_px, side_px])
    chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seeds[1]) < 0.5
    return tf.where(chosen, restored, images)


def _erase(images: tf.Tensor, fill: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Blank a random rectangle with the image's mean (Zhong et al. 2020, "Random Erasing")."""
    shape = tf.shape(images)
    draws = tf.random.stateless_uniform([5, shape[0], 1], seed)
    size = draws[:2] * _LARGEST_ERASED_FRACTION
    start = draws[2:4] * (1.0 - size)

    def inside(index: int, side_px: tf.Tensor) -> tf.Tensor:
        positions = (tf.range(side_px, dtype=tf.float32) + 0.5) / tf.cast(side_px, tf.float32)
        return (positions >= start[index]) & (positions < start[index] + size[index])

    rectangle = inside(0, shape[1])[:, :, tf.newaxis] & inside(1, shape[2])[:, tf.newaxis, :]
    erased = rectangle & (draws[4] < probability)[:, tf.newaxis]
    return tf.where(erased[..., tf.newaxis], fill, images)
