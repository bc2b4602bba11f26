"""From encoded X-rays to the network's input, as one TensorFlow graph.

Transform runs `preprocessing_fn` over the training records and saves its graph;
the exported model runs that saved graph on what a client sends. So a served
image is treated exactly as a trained one.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from models import features
from pipeline.config import CUSTOM_CONFIG_KEY, TransformSettings

# The lung centre is sought on a thumbnail: position needs no detail.
_THUMBNAIL_PX = 32
_THUMBNAIL_BORDER_PX = 4  # outside the body, dark as a lung but none


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Transform a batch of raw features; TFX Transform calls this.

    Args:
        inputs: Raw features by the keys of `models.features`, each of shape [n].
        custom_config: Holds `TransformSettings` as JSON under `CUSTOM_CONFIG_KEY`.

    Returns:
        `TRANSFORMED_IMAGE`, string [n]: 8-bit grey PNGs of the configured size,
        lossless and some ten times smaller than float pixels; `TRANSFORMED_LABEL`,
        int64 [n]; and the slicing features, string [n], unchanged.
    """
    settings = TransformSettings.model_validate_json(custom_config[CUSTOM_CONFIG_KEY])

    def encode(image_bytes: tf.Tensor) -> tf.Tensor:
        # Compression level 1: a third of the default's time for a tenth more bytes.
        return tf.io.encode_png(decode_and_resize(image_bytes, settings), compression=1)

    return {
        features.TRANSFORMED_IMAGE: tf.map_fn(
            encode, inputs[features.IMAGE_BYTES], fn_output_signature=tf.string
        ),
        features.TRANSFORMED_LABEL: tf.identity(inputs[features.LABEL]),
        features.SUBTYPE: tf.identity(inputs[features.SUBTYPE]),
        features.SIZE_GROUP: tf.identity(inputs[features.SIZE_GROUP]),
        features.SHARPNESS_GROUP: tf.identity(inputs[features.SHARPNESS_GROUP]),
    }


def decode_and_resize(image_bytes: tf.Tensor, settings: TransformSettings) -> tf.Tensor:
    """Decode one X-ray to grey and bring it to the network's input size.

    Args:
        image_bytes: Scalar string, a JPEG or PNG of any size, grey or colour.
        settings: The target size and how it is reached.

    Returns:
        uint8 [image_size_px, image_size_px, 1], in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: When the bytes are no image.
    """
    size = settings.image_size_px
    image = tf.io.decode_image(image_bytes, channels=1, expand_animations=False)
    image.set_shape([None, None, 1])
    # Antialias: originals are up to twenty times larger than the input, and
    # plain bilinear sampling would keep one pixel in four hundred.
    if settings.resize == "letterbox":
        resized = tf.image.resize_with_pad(image, size, size, antialias=True)
    else:
        if settings.resize == "lung_crop":
            image = crop_around_lungs(image, settings.lung_crop_fraction)
        resized = tf.image.resize(image, [size, size], antialias=True)
    pixels = tf.clip_by_value(tf.round(resized), 0.0, 255.0)
    return tf.ensure_shape(tf.cast(pixels, tf.uint8), [size, size, 1])


def crop_around_lungs(image: tf.Tensor, fraction: float) -> tf.Tensor:
    """Cut a window centred on the lung fields.

    Lungs are the dark part of the body: the window's centre is the centroid of
    what is darker than the mean, the frame's border left out. The window keeps
    the image's aspect ratio and stays inside the image.

    Args:
        image: uint8 [height, width, 1].
        fraction: Part of the height and of the width that is kept, in (0, 1].

    Returns:
        uint8 [about height * fraction, about width * fraction, 1].
    """
    thumbnail = tf.image.resize(image, [_THUMBNAIL_PX, _THUMBNAIL_PX], antialias=True)[..., 0]
    inner = thumbnail[
        _THUMBNAIL_BORDER_PX:-_THUMBNAIL_BORDER_PX, _THUMBNAIL_BORDER_PX:-_THUMBNAIL_BORDER_PX
    ]
    # The small constant keeps a flat image's centroid at its centre.
    darkness = tf.nn.relu(tf.reduce_mean(inner) - inner) + 1e-3
    positions = (
        tf.range(_THUMBNAIL_PX - 2 * _THUMBNAIL_BORDER_PX, dtype=tf.float32)
        + _THUMBNAIL_BORDER_PX
        + 0.5
    ) / _THUMBNAIL_PX
    total = tf.reduce_sum(darkness)
    centre_y = tf.reduce_sum(darkness * positions[:, tf.newaxis]) / total
    centre_x = tf.reduce_sum(darkness * positions[tf.newaxis, :]) / total

    def window(centre: tf.Tensor, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        kept = tf.maximum(tf.cast(tf.round(tf.cast(side, tf.float32) * fraction), tf.int32), 1)
        start = tf.cast(tf.round(centre * tf.cast(side, tf.float32)), tf.int32) - kept // 2
        return tf.clip_by_value(start, 0, side - kept), kept

    shape = tf.shape(image)
    top, height = window(centre_y, shape[0])
    left, width = window(centre_x, shape[1])
    return tf.slice(image, [top, left, 0], [height, width, 1])


def decode_transformed(image_png: tf.Tensor, image_size_px: int) -> tf.Tensor:
    """Decode one transformed image.

    Args:
        image_png: Scalar string, as `preprocessing_fn` encodes it.
        image_size_px: The side that Transform was set to.

    Returns:
        uint8 [image_size_px, image_size_px, 1].
    """
    image = tf.io.decode_png(image_png, channels=1)
    return tf.ensure_shape(image, [image_size_px, image_size_px, 1])
