"""From encoded X-rays to the network's input, as one TensorFlow graph.

Transform runs `preprocessing_fn` over the training records and saves its graph;
the exported model runs that saved graph on what a client sends. So a served
image is treated exactly as a trained one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from contract import features
from contract.settings import CUSTOM_CONFIG_KEY, TransformSettings

# The lung centre is sought on a thumbnail: position needs no detail.
_THUMBNAIL_PX = 32
_THUMBNAIL_BORDER_PX = 4  # outside the body, dark as a lung but none

# What libjpeg can divide both sides by while it decodes: it leaves out the high frequencies of
# each block of 8 x 8 pixels.
_JPEG_RATIOS = (2, 4, 8)
# A JPEG is never decoded to less than so many times the size that is wanted, so that the
# antialiased resize still decides what the network sees. At twice the size, single pixels were up
# to 14 grey levels off, at three times up to 8 (docs/adr/0008).
_DECODED_PER_WANTED_PX = 3
# TensorFlow decodes whole JPEGs with libjpeg's fast transform, which cuts off fractions of grey
# levels where the transforms of reduced sizes round: measured at qualities of 90 and more.
_FAST_TRANSFORM_LOSS = 0.48


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Transform a batch of raw features; TFX Transform calls this.

    Args:
        inputs: Raw features by the keys of `contract.features`, each of shape [n].
        custom_config: Holds `TransformSettings` as JSON under `CUSTOM_CONFIG_KEY`.

    Returns:
        `TRANSFORMED_IMAGE`, string [n]: pixels of the configured size, as
        `decode_transformed` reads them; `TRANSFORMED_LABEL`, int64 [n]; and the
        features of `features.TRANSFORMED_TEXTS`, string [n], unchanged.
    """
    settings = TransformSettings.model_validate_json(custom_config[CUSTOM_CONFIG_KEY])
    return {
        features.TRANSFORMED_IMAGE: tf.map_fn(
            _transform_one(settings), inputs[features.IMAGE_BYTES], fn_output_signature=tf.string
        ),
        features.TRANSFORMED_LABEL: tf.identity(inputs[features.LABEL]),
        **{name: tf.identity(inputs[name]) for name in features.TRANSFORMED_TEXTS},
    }


@functools.cache
def _transform_one(settings: TransformSettings) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the graph function from one image's bytes to its pixels' bytes.

    Kept, and apart from the rest: Transform traces `preprocessing_fn` six times, and this is
    nearly all of it.
    """
    return tf.function(
        lambda image_bytes: _pixel_bytes(decode_and_resize(image_bytes, settings)),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def decode_and_resize(image_bytes: tf.Tensor, settings: TransformSettings) -> tf.Tensor:
    """Decode one X-ray to grey and bring it to the network's input size.

    Args:
        image_bytes: Scalar string, a JPEG or PNG of any size, grey or colour.
        settings: The target size and how it is reached.

    Returns:
        uint8 [image_size_px, image_size_px, 1], in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: When the bytes are not an image.
    """
    size = settings.image_size_px
    kept = settings.lung_crop_fraction if settings.resize == "lung_crop" else 1.0
    decoded = decode_grey(image_bytes, math.ceil(size / kept))
    if settings.resize == "letterbox":
        resized = _fit_and_pad(decoded.image, decoded.sides_px, size)
    elif settings.resize == "lung_crop":
        cropped = crop_around_lungs(decoded.image, settings.lung_crop_fraction)
        resized = _resize(cropped, _sides(cropped), [size, size])
    else:
        resized = _resize(decoded.image, decoded.sides_px, [size, size])
    pixels = tf.clip_by_value(tf.round(resized - decoded.excess), 0.0, 255.0)
    return tf.ensure_shape(tf.cast(pixels, tf.uint8), [size, size, 1])


class DecodedImage(NamedTuple):
    """An X-ray whose pixels may each stand for several of the original.

    Attributes:
        image: uint8 [height, width, 1].
        sides_px: float32 [2]: height and width of the original in pixels of `image`, whose last
            row and column it need not fill.
        excess: Scalar float32: how many grey levels brighter it is than the whole original.
    """

    image: tf.Tensor
    sides_px: tf.Tensor
    excess: tf.Tensor


def decode_grey(image_bytes: tf.Tensor, wanted_px: int) -> DecodedImage:
    """Decode one X-ray to grey, a large JPEG at a half, a quarter or an eighth of its size.

    Args:
        image_bytes: Scalar string, a JPEG or PNG of any size, grey or colour.
        wanted_px: The side that the image will be resized to.

    Returns:
        All pixels, or of a JPEG as few as leave its shorter side at least three times as long as
        `wanted_px`.

    Raises:
        tf.errors.InvalidArgumentError: When the bytes are not an image.
    """
    jpeg_sides_px = tf.cond(
        tf.io.is_jpeg(image_bytes),
        lambda: tf.image.extract_jpeg_shape(image_bytes)[:2],
        lambda: tf.constant([0, 0]),
    )
    least_px = [ratio * _DECODED_PER_WANTED_PX * wanted_px for ratio in _JPEG_RATIOS]
    is_enough = tf.reduce_min(jpeg_sides_px) >= tf.constant(least_px)
    num_halvings = tf.reduce_sum(tf.cast(is_enough, tf.int32))

    def decode_jpeg(ratio: int) -> Callable[[], tuple[tf.Tensor, tf.Tensor]]:
        return lambda: (
            tf.io.decode_jpeg(image_bytes, channels=1, ratio=ratio),
            tf.constant(float(ratio)),
        )

    def reduced() -> DecodedImage:
        # What follows the decoder is outside its branches: a graph with it in each loads slowly.
        image, ratio = tf.switch_case(num_halvings - 1, list(map(decode_jpeg, _JPEG_RATIOS)))
        sides_px = tf.cast(jpeg_sides_px, tf.float32) / ratio
        return DecodedImage(
            image=_weigh_last(image, sides_px),
            sides_px=sides_px,
            excess=tf.constant(_FAST_TRANSFORM_LOSS),
        )

    def whole() -> DecodedImage:
        image = tf.io.decode_image(image_bytes, channels=1, expand_animations=False)
        image = tf.ensure_shape(image, [None, None, 1])
        return DecodedImage(image=image, sides_px=_sides(image), excess=tf.constant(0.0))

    return DecodedImage(*tf.cond(num_halvings > 0, reduced, whole))


def _weigh_last(image: tf.Tensor, sides_px: tf.Tensor) -> tf.Tensor:
    """Mix the last row and column with those before by how much the original fills of them.

    What is beyond the original repeats its edge, so that a border that is a pixel thin would count
    up to eight times.
    """
    shares = tf.unstack(sides_px - (_sides(image) - 1.0))
    for axis, share in enumerate(shares):
        others, last_but_one, last = tf.split(image, [-1, 1, 1], axis)
        mixed = share * tf.cast(last, tf.float32) + (1.0 - share) * tf.cast(
            last_but_one, tf.float32
        )
        image = tf.concat([others, last_but_one, tf.cast(tf.round(mixed), tf.uint8)], axis)
    return image


def _sides(image: tf.Tensor) -> tf.Tensor:
    """Return height and width, float32 [2]."""
    return tf.cast(tf.shape(image)[:2], tf.float32)


def _resize(image: tf.Tensor, sides_px: tf.Tensor, size: Any) -> tf.Tensor:
    """Resize as `tf.image.resize` does, but by the sides that the image really has.

    Args:
        image: uint8 [height, width, 1].
        sides_px: float32 [2], see `DecodedImage`.
        size: int32 [2], the height and width to reach.

    Returns:
        float32, in [0, 255].
    """
    (resized,) = tf.unstack(
        tf.raw_ops.ScaleAndTranslate(
            images=image[tf.newaxis],
            size=size,
            scale=tf.cast(size, tf.float32) / sides_px,
            translation=tf.zeros([2]),
            kernel_type="triangle",
            # Originals are up to twenty times larger than the input, and plain bilinear sampling
            # would keep one pixel in four hundred.
            antialias=True,
        )
    )
    return resized


def _fit_and_pad(image: tf.Tensor, sides_px: tf.Tensor, side_px: int) -> tf.Tensor:
    """Resize to fit a square, with black beside it, as `tf.image.resize_with_pad` does."""
    fitted_px = sides_px / (tf.reduce_max(sides_px) / side_px)
    resized = _resize(image, sides_px, tf.cast(fitted_px, tf.int32))
    top, left = tf.unstack(tf.cast((side_px - fitted_px) / 2.0, tf.int32))
    return tf.image.pad_to_bounding_box(resized, top, left, side_px, side_px)


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


def _pixel_bytes(image: tf.Tensor) -> tf.Tensor:
    """Return the pixels of one image of static shape, uint8, as a scalar string, row by row."""
    # No op writes bare bytes. A serialized tensor ends with them: their field has the highest
    # number of those that are set (`tensor_content` in tensorflow/core/framework/tensor.proto).
    num_bytes = image.shape.num_elements()
    return tf.strings.substr(tf.io.serialize_tensor(image), -num_bytes, num_bytes)


def decode_transformed(image_pixels: tf.Tensor, image_size_px: int) -> tf.Tensor:
    """Read transformed images.

    Args:
        image_pixels: string [n], as `preprocessing_fn` leaves them.
        image_size_px: The side that Transform was set to.

    Returns:
        uint8 [n, image_size_px, image_size_px, 1].

    Raises:
        tf.errors.InvalidArgumentError: When the strings are not of `image_size_px`**2 bytes.
    """
    pixels = tf.io.decode_raw(image_pixels, tf.uint8)
    return tf.reshape(pixels, [tf.size(image_pixels), image_size_px, image_size_px, 1])
