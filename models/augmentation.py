"""Random changes of training images, fresh for every image of every epoch.

Geometry: rotation, shift, shear and zoom as one affine map about the image's centre, in the sense
of Keras' `ImageDataGenerator`, sampled bilinearly, with the nearest pixel repeated outside.

Bands: black ones round the picture, as an export that keeps proportions puts them there; the
picture is squeezed along one axis. A network that has never seen that takes the bands for something
about the lungs.

Grey values: what a scanner, an export or a browser changes without changing the finding:
brightness, contrast, gamma, sharpness, resolution, noise. A network that has seen all of them
cannot lean on any. On this data it would: normal X-rays are sharper than those of pneumonia.
"""

from __future__ import annotations

import math

import tensorflow as tf

from contract.settings import AugmentationSettings

_LARGEST_BAND = 0.15  # of the side, on each of the two sides
# The blur that sharpness is varied with, as a part of the side: 1.3 px at 128 px. It takes the
# finest detail, which differs most between scanners, and leaves what a consolidation looks like.
_BLUR_SIGMA_FRACTION = 0.01
_LARGEST_ERASED_FRACTION = 0.3  # of the height and of the width, each
_REACH_SIGMAS = 3.0  # a Gaussian's tail beyond it is under 0.3 %


def move(images: tf.Tensor, seed: tf.Tensor, settings: AugmentationSettings) -> tf.Tensor:
    """Apply one random affine map to each image.

    Args:
        images: float32 [n, height, width, channels], any range.
        seed: int64 [2]; the same seed gives the same maps.
        settings: How far each kind of change may go.

    Returns:
        float32 of the shape of `images`.
    """
    shape = tf.shape(images)
    maps = affine_maps(shape[0], shape[1], shape[2], seed, settings)
    augmented = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=maps,
        output_shape=shape[1:3],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )
    return tf.ensure_shape(augmented, images.shape)


def affine_maps(
    num_images: tf.Tensor,
    height: tf.Tensor,
    width: tf.Tensor,
    seed: tf.Tensor,
    settings: AugmentationSettings,
) -> tf.Tensor:
    """Draw maps from output to input coordinates, about the image centre.

    With rotation a, shear s (both angles), zooms (zx, zy) and shifts (tx, ty) in
    px, an output point o maps to R(a) T(t) S(s) Z(z) (o - c) + c, which is the order
    of Keras' `apply_affine_transform`, where shear is [[1, -sin s], [0, cos s]] on
    (x, y). Unlike there, the width shift is along the width and the height shift
    along the height: Keras swaps the axes after it has placed them.

    Args:
        num_images: Scalar int32.
        height: Scalar int32, px.
        width: Scalar int32, px.
        seed: int64 [2].
        settings: Ranges; every quantity is uniform within its own, times `strength`.

    Returns:
        float32 [num_images, 8], rows of `ImageProjectiveTransformV3`: x' = r0 x +
        r1 y + r2, y' = r3 x + r4 y + r5, r6 = r7 = 0.
    """
    strength = settings.strength
    draws = strength * tf.random.stateless_uniform([6, num_images], seed, minval=-1.0, maxval=1.0)
    angle = draws[0] * math.radians(settings.rotation_degrees)
    shear = draws[1] * math.radians(settings.shear_degrees)
    shift_y = draws[2] * settings.height_shift * tf.cast(height, tf.float32)
    shift_x = draws[3] * settings.width_shift * tf.cast(width, tf.float32)
    zoom_y = 1.0 + draws[4] * settings.zoom
    zoom_x = 1.0 + draws[5] * settings.zoom

    cos_angle, sin_angle = tf.cos(angle), tf.sin(angle)
    cos_shear, sin_shear = tf.cos(shear), tf.sin(shear)
    # R(a) S(s) Z(z), multiplied out.
    xx = cos_angle * zoom_x
    xy = (-cos_angle * sin_shear - sin_angle * cos_shear) * zoom_y
    yx = sin_angle * zoom_x
    yy = (-sin_angle * sin_shear + cos_angle * cos_shear) * zoom_y
    moved_x = cos_angle * shift_x - sin_angle * shift_y
    moved_y = sin_angle * shift_x + cos_angle * shift_y

    centre_y = (tf.cast(height, tf.float32) - 1.0) / 2.0
    centre_x = (tf.cast(width, tf.float32) - 1.0) / 2.0
    offset_y = moved_y + centre_y - yy * centre_y - yx * centre_x
    offset_x = moved_x + centre_x - xy * centre_y - xx * centre_x
    zeros = tf.zeros_like(angle)
    return tf.stack([xx, xy, offset_x, yx, yy, offset_y, zeros, zeros], axis=1)


def add_bands(images: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Squeeze a part of the images between two black bands.

    Args:
        images: float32 [n, height, width, 1], in [0, 255].
        seed: int64 [2]; the same seed gives the same bands.
        probability: That an image gets bands, in [0, 1]; half of these images get them above and
            below, the others left and right.

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
