from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from contract import features
from ingestion.images import decode_grey, decode_image
from ingestion.sharpness import (
    THUMBNAIL_PX,
    make_thumbnail,
    mean_absolute_gradient,
)


def test_gradient_of_a_ramp_is_its_slope_in_one_of_two_directions():
    ramp = np.tile(np.arange(0, 2 * 16, 2, dtype=np.uint8), (16, 1))
    assert mean_absolute_gradient(ramp) == 1.0
    assert mean_absolute_gradient(ramp.T) == 1.0


def test_gradient_does_not_wrap_around_at_black_and_white():
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))
    assert mean_absolute_gradient(stripes) == 127.5
    assert mean_absolute_gradient(255 - stripes) == 127.5


def test_a_flat_image_has_no_gradient():
    assert mean_absolute_gradient(np.full((16, 16), 200, np.uint8)) == 0.0


@pytest.mark.parametrize("size", [(128, 128), (20, 300), (1500, 1100)])
def test_any_image_becomes_a_thumbnail(size):
    thumbnail = make_thumbnail(Image.new("L", size, 90))
    assert thumbnail.shape == (THUMBNAIL_PX, THUMBNAIL_PX)
    assert thumbnail.dtype == np.uint8
    assert np.all(thumbnail == 90)


@pytest.fixture
def large_picture():
    coarse = np.random.default_rng(3).integers(0, 256, (90, 120), dtype=np.uint8)
    return Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)


def encode(image, kind="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return buffer.getvalue()


def test_blur_lowers_what_a_decoded_image_says(large_picture):
    sharp = decode_image(encode(large_picture), 10**7).mean_gradient
    blurred = large_picture.filter(ImageFilter.GaussianBlur(20))
    assert decode_image(encode(blurred), 10**7).mean_gradient < sharp / 2


def test_kind_and_reduced_decoding_hardly_change_the_gradient(large_picture):
    whole = decode_image(encode(large_picture), 10**7).mean_gradient
    jpeg = encode(large_picture, "JPEG")
    # TensorFlow's fast inverse transform roughens a picture of noise a little.
    assert decode_image(jpeg, 10**7).mean_gradient == pytest.approx(whole, rel=0.02)
    reduced = decode_grey(jpeg, 2 * THUMBNAIL_PX)
    assert reduced.size == (400, 300)
    gradient = mean_absolute_gradient(make_thumbnail(reduced))
    assert gradient == pytest.approx(whole, rel=0.03)


def test_a_small_picture_is_not_reduced(large_picture):
    assert decode_grey(encode(large_picture.resize((400, 300)), "JPEG"), 256).size == (400, 300)


def test_the_high_byte_of_16_bits_counts():
    high = np.random.default_rng(5).integers(70, 256, (200, 200)).astype(np.uint16)
    eight, sixteen = (
        encode(Image.fromarray(pixels)) for pixels in (high.astype(np.uint8), high << 8)
    )
    assert decode_grey(sixteen, 1).tobytes() == decode_grey(eight, 1).tobytes()
    gradients = [decode_image(data, 10**6).mean_gradient for data in (eight, sixteen)]
    assert gradients[0] == gradients[1] > 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_that_are_no_image_are_refused(large_picture, kind):
    with pytest.raises(ValueError, match="expected a complete JPEG or PNG"):
        decode_grey(encode(large_picture, kind)[:2000], 1)
    with pytest.raises(ValueError, match="expected a complete JPEG or PNG"):
        decode_grey(b"text", 1)


@pytest.mark.parametrize(
    ("gradient", "group"),
    [
        (0.0, "soft"),
        (4.39, "soft"),
        (4.4, "medium"),
        (5.69, "medium"),
        (5.7, "sharp"),
        (255, "sharp"),
    ],
)
def test_groups_follow_the_cut_points(gradient, group):
    assert features.sharpness_group(gradient) == group
