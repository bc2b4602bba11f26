"""Random geometry for training images, fresh for every image of every epoch.

It works in the sense of Keras' `ImageDataGenerator`: rotation, shift, shear and zoom as one
affine map about the image's centre, sampled bilinearly, with the nearest pixel repeated outside.
"""

from __future__ import annotations

import math

import tensorflow as tf

from contract.settings import AugmentationSettings


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
