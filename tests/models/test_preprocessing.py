"""Every image operation is tried eagerly and inside a graph."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import features
from models.preprocessing import (
    crop_around_lungs,
    decode_and_resize,
    decode_transformed,
    preprocessing_fn,
)
from pipeline.config import CUSTOM_CONFIG_KEY, TransformSettings


def encode(pixels: np.ndarray, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format)
    return buffer.getvalue()


def in_both_modes(function, *arguments):
    eager = function(*arguments).numpy()
    graph = tf.function(function)(*arguments).numpy()
    np.testing.assert_array_equal(eager, graph)
    return eager


@pytest.mark.parametrize("resize", ["squash", "letterbox", "lung_crop"])
@pytest.mark.parametrize("shape", [(37, 90), (90, 37, 3), (700, 500), (16, 16)])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_any_image_becomes_the_input_size(resize, shape, image_format):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    settings = TransformSettings(image_size_px=32, resize=resize)
    image = in_both_modes(
        lambda data: decode_and_resize(data, settings), tf.constant(encode(pixels, image_format))
    )
    assert image.shape == (32, 32, 1)
    assert image.dtype == np.uint8


def test_grey_and_rgb_of_equal_channels_are_the_same_image():
    grey = np.random.default_rng(1).integers(0, 256, (50, 60), dtype=np.uint8)
    settings = TransformSettings(image_size_px=32)
    from_grey = decode_and_resize(tf.constant(encode(grey)), settings).numpy()
    from_rgb = decode_and_resize(
        tf.constant(encode(np.repeat(grey[..., np.newaxis], 3, -1))), settings
    ).numpy()
    np.testing.assert_allclose(from_grey.astype(int), from_rgb.astype(int), atol=1)


def test_squash_keeps_the_corners_and_letterbox_the_aspect_ratio():
    wide = np.full((50, 200), 200, np.uint8)
    data = tf.constant(encode(wide))
    squashed = decode_and_resize(data, TransformSettings(image_size_px=64, resize="squash"))
    boxed = decode_and_resize(data, TransformSettings(image_size_px=64, resize="letterbox"))
    assert np.all(squashed.numpy() == 200)
    assert np.all(boxed.numpy()[24:40] == 200)  # 64 * 50 / 200 = 16 rows in the middle
    assert np.all(boxed.numpy()[:24] == 0)
    assert np.all(boxed.numpy()[40:] == 0)


def test_large_images_are_averaged_not_sampled():
    checkers = np.indices((640, 640)).sum(0) % 2 * 255
    image = decode_and_resize(
        tf.constant(encode(checkers.astype(np.uint8))), TransformSettings(image_size_px=32)
    ).numpy()
    assert np.all(np.abs(image.astype(int) - 127) <= 3)


def test_lung_crop_follows_dark_lungs():
    image = np.full((100, 100, 1), 200, np.uint8)
    image[40:80, 50:85] = 20  # lungs low and to the right
    cropped = in_both_modes(lambda data: crop_around_lungs(data, 0.6), tf.constant(image))
    assert cropped.shape == (60, 60, 1)
    assert np.sum(cropped == 20) == 40 * 35  # nothing of the lungs is cut


@pytest.mark.parametrize("fraction", [0.3, 0.85, 1.0])
def test_lung_crop_of_a_flat_image_is_central(fraction):
    image = np.tile(np.arange(100, dtype=np.uint8)[:, np.newaxis, np.newaxis], (1, 100, 1))
    flat = np.full((100, 100, 1), 7, np.uint8)
    kept = round(100 * fraction)
    assert crop_around_lungs(tf.constant(flat), fraction).shape == (kept, kept, 1)
    assert crop_around_lungs(tf.constant(image), fraction).shape == (kept, kept, 1)


def test_bytes_that_are_no_image_raise():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_and_resize(tf.constant(b"no image"), TransformSettings())


def test_preprocessing_fn_stores_pixels_losslessly_and_small():
    pixels = np.random.default_rng(2).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    inputs = {
        features.IMAGE_BYTES: tf.constant([encode(image) for image in pixels]),
        features.LABEL: tf.constant([0, 1], tf.int64),
        features.SUBTYPE: tf.constant(["normal", "viral"]),
        features.SIZE_GROUP: tf.constant(["under_500_px"] * 2),
        features.SHARPNESS_GROUP: tf.constant(["soft", "sharp"]),
    }
    settings = TransformSettings(image_size_px=64)
    outputs = preprocessing_fn(inputs, {CUSTOM_CONFIG_KEY: settings.model_dump_json()})
    assert all(tensor.dtype in (tf.string, tf.int64) for tensor in outputs.values())
    for stored, original in zip(outputs[features.TRANSFORMED_IMAGE].numpy(), pixels, strict=True):
        np.testing.assert_array_equal(decode_transformed(stored, 64).numpy()[..., 0], original)
        assert len(stored) < 64 * 64 * 1.1  # not above a byte a pixel, even for noise
    assert outputs[features.TRANSFORMED_LABEL].numpy().tolist() == [0, 1]
