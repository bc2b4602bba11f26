from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ingestion.nuisance_statistics import (
    border_blackness,
    image_statistics,
    laplacian_variance,
    text_marker_score,
    thumbnail_statistics,
)


def flat(grey):
    return np.full((128, 128), grey, np.uint8)


def encode(image, kind="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_size_aspect_and_bytes_are_those_of_the_file():
    data = encode(Image.new("L", (300, 200), 50))
    statistics = image_statistics(data, height_px=200, width_px=300)
    assert statistics["native_width_px"] == 300
    assert statistics["native_height_px"] == 200
    assert statistics["aspect_ratio"] == 1.5
    assert statistics["file_size_bytes"] == len(data)
    assert statistics["mean_grey"] == 50


def test_a_flat_image_has_no_contrast_and_no_edges():
    statistics = thumbnail_statistics(flat(90))
    assert {name for name, value in statistics.items() if value == 0} == {
        "mean_absolute_gradient",
        "laplacian_variance",
        "contrast",
        "border_blackness",
        "text_marker_score",
    }
    assert {value for value in statistics.values() if value} == {90}


def test_grey_levels_are_those_of_numpy():
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    statistics = thumbnail_statistics(pixels)
    assert statistics["mean_grey"] == pytest.approx(pixels.mean())
    assert statistics["contrast"] == pytest.approx(pixels.std())
    for percent in (1, 5, 50, 95, 99):
        expected = np.percentile(pixels, percent, method="inverted_cdf")
        assert statistics[f"grey_percentile_{percent}"] == expected


def test_blur_lowers_gradient_and_laplacian():
    noise = np.random.default_rng(1).integers(0, 256, (200, 200), dtype=np.uint8)
    sharp = Image.fromarray(noise)
    blurred = sharp.filter(ImageFilter.GaussianBlur(3))
    of_sharp, of_blurred = (image_statistics(encode(i), 200, 200) for i in (sharp, blurred))
    for name in ("mean_absolute_gradient", "laplacian_variance"):
        assert of_blurred[name] < of_sharp[name] / 2


def test_laplacian_of_one_bright_pixel():
    pixels = np.zeros((12, 12), np.uint8)
    pixels[6, 6] = 100
    # Of 100 inner pixels one is -400 and four are 100: mean 0, mean square 2000.
    assert laplacian_variance(pixels) == 2000.0


def test_blackness_counts_the_frame_only():
    black_frame = flat(100)
    black_frame[:8] = black_frame[-8:] = black_frame[:, :8] = black_frame[:, -8:] = 15
    assert border_blackness(black_frame) == 1.0
    assert border_blackness(255 - black_frame) == 0.0
    black_inside = flat(16)
    black_inside[8:-8, 8:-8] = 0
    assert border_blackness(black_inside) == 0.0
    half = flat(100)
    half[:64] = 0
    assert border_blackness(half) == 0.5


def marked(left, top):
    image = Image.new("L", (128, 128), 20)
    ImageDraw.Draw(image).text((left, top), "R", fill=255, font_size=14)
    return np.asarray(image)


@pytest.mark.parametrize("left", [8, 110])
def test_a_letter_in_an_upper_corner_counts(left):
    assert text_marker_score(marked(left, 6)) > 0.005


@pytest.mark.parametrize(
    "pixels",
    [marked(60, 6), marked(8, 100), np.tile(np.arange(128, dtype=np.uint8) * 2, (128, 1))],
    ids=["middle", "bottom", "smooth"],
)
def test_letters_elsewhere_and_smooth_areas_do_not_count(pixels):
    assert text_marker_score(pixels) == 0.0


def test_a_wide_bright_area_is_no_letter():
    shoulder = flat(20)
    shoulder[10:40, :40] = 250
    assert text_marker_score(shoulder) == 0.0


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(ValueError, match="expected a complete JPEG or PNG"):
        image_statistics(b"text", 10, 10)
