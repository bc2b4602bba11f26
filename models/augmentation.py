"""Random changes of training images, fresh for every image of every epoch.

Geometry: rotation, shift, shear and zoom as one affine map about the image's centre, in the sense
of Keras' `ImageDataGenerator`, sampled bilinearly, with the nearest pixel repeated outside.

Bands: black ones round the picture, as an export that keeps proportions puts them there; the
picture is squeezed along one axis. A network that has never seen that takes the bands for something
about the lungs.

Grey values: what a scanner, an export or a browser changes without changing the finding:
brightness, contrast, gamma, sharpness, resolution, noise. A network that has seen all of them
cannot lean on any. On this data it would: normal X-rays are sharper than those of pneumonia.

What is done to each pixel is compiled by XLA: one pass over the image in place of some sixty
operations with a pass each. What is drawn for each image is not: the draws of a seed
are TensorFlow's own. docs/scale.md has the figures.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import tensorflow as tf
from scipy.special import ndtri

from contract.settings import AugmentationSettings

_LARGEST_BAND = 0.15  # of the side, on each of the two sides
# The blur that sharpness is varied with, as a part of the side: 1.3 px at 128 px. It takes the
# finest detail, which differs most between scanners, and leaves what a consolidation looks like.
_BLUR_SIGMA_FRACTION = 0.01
_LARGEST_ERASED_FRACTION = 0.3  # of the height and of the width, each
_REACH_SIGMAS = 3.0  # a Gaussian's tail beyond it is under 0.3 %
_DARKEST = 1e-20  # of full scale; a power of it is 0 to within rounding, and its logarithm exists
_NOISE_BITS = 16  # of each pixel's noise: steps finer than a grey level, up to 4.2 sigmas


def move(images: tf.Tensor, seed: tf.Tensor, settings: AugmentationSettings) -> tf.Tensor:
    """Apply one random affine map to each image.

    Args:
        images: uint8 or float32 [n, height, width, 1], any range.
        seed: int64 [2]; the same seed gives the same maps.
        settings: How far each kind of change may go.

    Returns:
        float32 of the shape of `images`.
    """
    shape = tf.shape(images)
    return _resample_affine(images, affine_maps(shape[0], shape[1], shape[2], seed, settings))


@tf.function(jit_compile=True, autograph=False)
def _resample_affine(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Sample bilinearly, with the nearest pixel repeated outside.

    As `ImageProjectiveTransformV3` does, in a third of its time.

    Args:
        images: uint8 or float32 [n, height, width, 1].
        maps: float32 [n, 8], from output to input coordinates, see `affine_maps`.

    Returns:
        float32 of the shape of `images`.
    """
    shape = tf.shape(images)
    height, width = shape[1], shape[2]
    last_y, last_x = tf.cast(height - 1, tf.float32), tf.cast(width - 1, tf.float32)
    columns = tf.range(width, dtype=tf.float32)[tf.newaxis, tf.newaxis, :]
    rows = tf.range(height, dtype=tf.float32)[tf.newaxis, :, tf.newaxis]
    xx, xy, offset_x, yx, yy, offset_y, _, _ = tf.unstack(
        maps[:, :, tf.newaxis, tf.newaxis], axis=1
    )
    from_x = tf.clip_by_value(xx * columns + xy * rows + offset_x, 0.0, last_x)
    from_y = tf.clip_by_value(yx * columns + yy * rows + offset_y, 0.0, last_y)
    left, top = tf.floor(from_x), tf.floor(from_y)
    beyond_left, beyond_top = from_x - left, from_y - top
    step_x = tf.cast(left < last_x, tf.int32)
    step_y = tf.cast(top < last_y, tf.int32) * width
    corner = _starts(shape) + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    pixels = tf.reshape(images, [-1])

    def sampled(index: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, index), tf.float32)

    upper_left, lower_left = sampled(corner), sampled(corner + step_y)
    upper = upper_left + beyond_left * (sampled(corner + step_x) - upper_left)
    lower = lower_left + beyond_left * (sampled(corner + step_x + step_y) - lower_left)
    return tf.ensure_shape((upper + beyond_top * (lower - upper))[..., tf.newaxis], images.shape)


def _starts(shape: tf.Tensor) -> tf.Tensor:
    """Return where each image begins among the pixels of all: int32 [n, 1, 1]."""
    return (tf.range(shape[0]) * shape[1] * shape[2])[:, tf.newaxis, tf.newaxis]


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
    draws = tf.random.stateless_uniform([3, tf.shape(images)[0]], seed)
    band = tf.where(draws[0] < probability, draws[1] * _LARGEST_BAND, 0.0)
    return _squeeze(images, band, draws[2] < 0.5)


@tf.function(jit_compile=True, autograph=False)
def _squeeze(images: tf.Tensor, band: tf.Tensor, is_upright: tf.Tensor) -> tf.Tensor:
    """Shrink images along one axis about their centres, linearly, with black beside them.

    Args:
        images: float32 [n, height, width, 1].
        band: float32 [n], the part of the side that is black at either end.
        is_upright: bool [n]; whether the bands are above and below.

    Returns:
        float32 of the shape of `images`.
    """
    shape = tf.shape(images)
    band, is_upright = (values[:, tf.newaxis, tf.newaxis] for values in (band, is_upright))
    rows = tf.range(shape[1])[tf.newaxis, :, tf.newaxis]
    columns = tf.range(shape[2])[tf.newaxis, tf.newaxis, :]
    # From output to input coordinates, about the centre: the picture shrinks by this factor.
    factor = 1.0 / (1.0 - 2.0 * band)
    side_px = tf.where(is_upright, shape[1], shape[2])
    centre = (tf.cast(side_px, tf.float32) - 1.0) / 2.0
    along = tf.where(is_upright, rows, columns)
    source = factor * tf.cast(along, tf.float32) + centre * (1.0 - factor)
    lower = tf.floor(source)
    part = source - lower
    pixels = tf.reshape(images, [-1])
    line = _starts(shape) + tf.where(is_upright, columns, rows * shape[2])
    step = tf.where(is_upright, shape[2], 1)

    def sampled(position: tf.Tensor) -> tf.Tensor:
        inside = tf.clip_by_value(position, 0, side_px - 1)
        found = tf.gather(pixels, line + inside * step)
        return tf.where(position == inside, found, 0.0)

    first = tf.cast(lower, tf.int32)
    mixed = (1.0 - part) * sampled(first) + part * sampled(first + 1)
    return tf.ensure_shape(mixed[..., tf.newaxis], images.shape)


def vary_photometry(
    images: tf.Tensor, seed: tf.Tensor, settings: AugmentationSettings
) -> tf.Tensor:
    """Apply random grey-value changes to each image.

    Args:
        images: float32 [n, height, width, 1], in [0, 255], of static height and width.
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
    blur = exponent = noise = noise_bits = erased = None
    if settings.blur > 0.0 or settings.sharpen > 0.0:
        (amount,) = draws(1, 1)
        # 1 is the blurred image, 0 the image, -1 as far on the other side: an unsharp mask.
        blur = amount * strength * tf.where(amount > 0.0, settings.blur, settings.sharpen)
    brightness, contrast, gamma = draws(2, 3)
    if settings.gamma > 0.0:
        exponent = tf.pow(1.0 + settings.gamma * strength, gamma)
    if settings.noise > 0.0:
        (amount,) = draws(3, 1)
        noise = tf.abs(amount) * settings.noise * strength
        num_words = tf.math.floordiv(tf.size(images) + 1, 2)
        noise_bits = tf.random.stateless_uniform([num_words], seeds[4], None, None, tf.int32)
    if settings.erasing > 0.0:
        erased = _rectangles(shape, seeds[5], settings.erasing)
    return _change_greys(
        images,
        factor=1.0 + contrast * settings.contrast * strength,
        offset=brightness * settings.brightness * strength,
        blur=blur,
        exponent=exponent,
        noise=noise,
        noise_bits=noise_bits,
        erased=erased,
    )


@tf.function(jit_compile=True, autograph=False)
def _change_greys(
    images: tf.Tensor,
    *,
    factor: tf.Tensor,
    offset: tf.Tensor,
    blur: tf.Tensor | None,
    exponent: tf.Tensor | None,
    noise: tf.Tensor | None,
    noise_bits: tf.Tensor | None,
    erased: tf.Tensor | None,
) -> tf.Tensor:
    """Apply what was drawn for each image.

    Args:
        images: float32 [n, height, width, 1], in [0, 255].
        factor: float32 [n, 1, 1, 1], of the distance from the mean.
        offset: float32 [n, 1, 1, 1], added, as part of full scale.
        blur: float32 [n, 1, 1, 1], part of the way to the blurred image; None: unchanged.
        exponent: float32 [n, 1, 1, 1], of the grey values as parts of full scale; None: 1.
        noise: float32 [n, 1, 1, 1], its standard deviation as part of full scale; None: none.
        noise_bits: int32 [at least half the number of pixels], uniform.
        erased: bool [n, height, width, 1], pixels that get the image's mean; None: none.

    Returns:
        float32 of the shape of `images`, in [0, 255].
    """
    if blur is not None:
        blurred = _compiled_blur(images, _BLUR_SIGMA_FRACTION * images.shape[1])
        images = images + blur * (blurred - images)
    scaled = tf.clip_by_value(images / 255.0, 0.0, 1.0)
    if exponent is not None:
        # XLA vectorises these, but no power.
        scaled = tf.exp(exponent * tf.math.log(tf.maximum(scaled, _DARKEST)))
    mean = tf.reduce_mean(scaled, axis=[1, 2, 3], keepdims=True)
    scaled = mean + factor * (scaled - mean) + offset
    if noise is not None:
        scaled += noise * tf.reshape(_normal(noise_bits)[: tf.size(images)], tf.shape(images))
    if erased is not None:
        scaled = tf.where(erased, mean, scaled)
    return tf.clip_by_value(scaled * 255.0, 0.0, 255.0)


def _normal(words: tf.Tensor) -> tf.Tensor:
    """Turn uniform bits into standard normal numbers: int32 [k] -> float32 [2 k].

    By a table of the quantiles. TensorFlow's own op takes three times as long, and XLA's fifty
    times.
    """
    halves = [words, tf.bitwise.right_shift(words, _NOISE_BITS)]
    index = tf.bitwise.bitwise_and(tf.concat(halves, 0), 2**_NOISE_BITS - 1)
    return tf.gather(tf.constant(_normal_quantiles()), index)


@functools.cache
def _normal_quantiles() -> np.ndarray:
    """Return float32 [2**16]: the middle of each of as many equally likely parts."""
    num_levels = 2**_NOISE_BITS
    return ndtri((np.arange(num_levels) + 0.5) / num_levels).astype(np.float32)


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
    # Both resizes are linear and separable: what they do to the unit matrix's columns they do to
    # every column and row of an image. Two products of matrices take a third of their time.
    unit = tf.eye(side_px)[tf.newaxis, ..., tf.newaxis]
    small = tf.image.resize(unit, tf.stack([small_px, side_px]), antialias=True)
    restoring = tf.image.resize(small, [side_px, side_px])[0, ..., 0]
    is_chosen = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seeds[1]) < 0.5
    chosen = tf.where(is_chosen[:, 0, 0, 0])
    pixels = tf.gather_nd(images, chosen)[..., 0]
    across = tf.matmul(tf.reshape(pixels, [-1, side_px]), restoring, transpose_b=True)
    restored = tf.matmul(restoring, tf.reshape(across, tf.shape(pixels)))
    return tf.tensor_scatter_nd_update(images, chosen, restored[..., tf.newaxis])


def _rectangles(shape: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Draw the rectangles that are blanked (Zhong et al. 2020, "Random Erasing").

    Returns:
        bool [n, height, width, 1]; true inside an image's rectangle.
    """
    draws = tf.random.stateless_uniform([5, shape[0], 1], seed)
    size = draws[:2] * _LARGEST_ERASED_FRACTION
    start = draws[2:4] * (1.0 - size)

    def inside(index: int, side_px: tf.Tensor) -> tf.Tensor:
        positions = (tf.range(side_px, dtype=tf.float32) + 0.5) / tf.cast(side_px, tf.float32)
        return (positions >= start[index]) & (positions < start[index] + size[index])

    rectangle = inside(0, shape[1])[:, :, tf.newaxis] & inside(1, shape[2])[:, tf.newaxis, :]
    return (rectangle & (draws[4] < probability)[:, tf.newaxis])[..., tf.newaxis]


def gaussian_blur(images: tf.Tensor, sigma_px: float) -> tf.Tensor:
    """Blur with a Gaussian, edges mirrored.

    Args:
        images: float32 [n, height, width, 1], of static height and width.
        sigma_px: Standard deviation, px, more than 0.

    Returns:
        float32 of the shape of `images`.
    """
    weights = tf.constant(_gaussian_weights(sigma_px), tf.float32)
    padded = _mirrored(images, weights.shape[0] // 2)
    # A Gaussian is separable: two thin filters instead of a square one.
    along_y = tf.nn.conv2d(padded, tf.reshape(weights, [-1, 1, 1, 1]), 1, "VALID")
    return tf.nn.conv2d(along_y, tf.reshape(weights, [1, -1, 1, 1]), 1, "VALID")


def _compiled_blur(images: tf.Tensor, sigma_px: float) -> tf.Tensor:
    """Do what `gaussian_blur` does in a form that XLA fuses: it does not fuse convolutions."""
    weights = _gaussian_weights(sigma_px)
    padded = _mirrored(images, len(weights) // 2)
    _, height, width, _ = images.shape
    along_y = tf.add_n([w * padded[:, i : i + height] for i, w in enumerate(weights)])
    return tf.add_n([w * along_y[:, :, i : i + width] for i, w in enumerate(weights)])


def _gaussian_weights(sigma_px: float) -> list[float]:
    reach_px = max(1, round(_REACH_SIGMAS * sigma_px))
    weights = np.exp(-0.5 * np.square(np.arange(-reach_px, reach_px + 1) / sigma_px))
    return list(map(float, weights / weights.sum()))


def _mirrored(images: tf.Tensor, reach_px: int) -> tf.Tensor:
    pad = [reach_px, reach_px]
    return tf.pad(images, [[0, 0], pad, pad, [0, 0]], "REFLECT")
