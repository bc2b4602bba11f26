from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from contract.errors import InputError
from contract.progress import LOGGER_NAME
from evaluation.shortcut_separation import find_shortcuts
from ingestion.measurement import (
    border_blackness,
    image_statistics,
    laplacian_variance,
    measure_mean_greys,
    measure_records,
    text_marker_score,
    thumbnail_statistics,
)
from ingestion.tfrecord_file import encode_example, write_gzip_records
from tests.report.made_records import make_facts, write_split

NUM_IMAGES = 12  # of each split


def draw(label, seed, blurred_label):
    """Noise around one mean; the images of one class are blurred."""
    pixels = np.random.default_rng(seed).integers(80, 180, (150, 170), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if label == blurred_label:
        image = image.filter(ImageFilter.GaussianBlur(1.5))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if seed % 3 else "PNG")
    return buffer.getvalue()


def record(encoded, label, number):
    return encode_example(
        {
            "image_bytes": encoded,
            "image_id": f"{number}.jpeg".encode(),
            "height": 150,
            "width": 170,
            "label": label,
            "patient_id": f"patient-{number}".encode(),
        }
    )


@pytest.fixture
def write_splits(tmp_path):
    def write(blurred_label):
        folders = {}
        for start, split in enumerate(("train", "validation")):
            folders[split] = tmp_path / str(blurred_label) / split
            folders[split].mkdir(parents=True)
            numbers = range(start * NUM_IMAGES, (start + 1) * NUM_IMAGES)
            records = [record(draw(n % 2, n, blurred_label), n % 2, n) for n in numbers]
            write_gzip_records(folders[split] / "data-0.gz", records[:5])
            write_gzip_records(folders[split] / "data-1.gz", records[5:])
        return folders

    return write


COUNTS = {"train": NUM_IMAGES, "validation": NUM_IMAGES}


@pytest.mark.parametrize(
    ("blurred_label", "direction"), [(1, "lower_in_pneumonia"), (0, "higher_in_pneumonia")]
)
def test_sharpness_that_follows_the_class_is_found(write_splits, blurred_label, direction):
    measured = measure_records(write_splits(blurred_label), COUNTS).values()
    statistics = [image for split in measured for image in split.statistics]
    report = find_shortcuts(statistics, np.concatenate([s.labels for s in measured]), 0.75)
    found = {shortcut.name: shortcut for shortcut in report.shortcuts}
    for name in ("mean_absolute_gradient", "laplacian_variance", "contrast"):
        assert (found[name].auc, found[name].direction) == (1.0, direction)
        assert found[name].strong
    for name in ("native_width_px", "native_height_px", "aspect_ratio", "border_blackness"):
        assert (found[name].auc, found[name].direction) == (0.5, "none")
        assert not found[name].strong


def test_each_split_is_measured_by_itself(write_splits):
    measured = measure_records(write_splits(1), COUNTS)
    assert list(measured) == ["train", "validation"]
    for start, split in enumerate(measured.values()):
        numbers = range(start * NUM_IMAGES, (start + 1) * NUM_IMAGES)
        assert split.labels.tolist() == [number % 2 for number in numbers]
        assert split.patient_ids == [f"patient-{number}" for number in numbers]
        assert len(split.statistics) == NUM_IMAGES


def test_progress_counts_the_measured_splits(write_splits, caplog):
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        measure_records(write_splits(1), COUNTS)
    last = caplog.records[-1].progress
    assert (last.stage, last.done, last.total) == ("Looking for shortcuts", 24, 24)


def test_an_image_that_cannot_be_decoded_is_named(write_splits):
    folders = write_splits(1)
    write_gzip_records(folders["train"] / "data-2.gz", [record(b"text", 1, 77)])
    with pytest.raises(InputError, match=r"77\.jpeg.*expected a complete JPEG or PNG"):
        measure_records(folders, COUNTS)


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


def test_every_image_is_measured_by_its_id(tmp_path):
    greys = {"dark": 20, "medium": 90, "bright": 200}
    facts = [make_facts(name) for name in greys]
    write_split(
        tmp_path / "test",
        facts,
        **{name: encode(Image.new("L", (300, 200), grey)) for name, grey in greys.items()},
    )
    assert measure_mean_greys(tmp_path / "test") == pytest.approx(greys)


def test_half_black_is_half_as_bright(tmp_path):
    pixels = np.zeros((256, 256), np.uint8)
    pixels[:, 128:] = 200
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_split(tmp_path / "test", [make_facts("half")], num_files=1, half=buffer.getvalue())
    assert measure_mean_greys(tmp_path / "test")["half"] == pytest.approx(100.0, abs=1.0)


def test_a_damaged_file_is_the_inputs_fault(tmp_path):
    (tmp_path / "part.gz").write_bytes(b"no records")
    with pytest.raises(InputError):
        measure_mean_greys(tmp_path)
