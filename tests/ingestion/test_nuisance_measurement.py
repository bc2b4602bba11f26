from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from PIL import Image, ImageFilter

from contract.errors import InputError
from contract.progress import LOGGER_NAME
from evaluation.shortcut_separation import find_shortcuts
from ingestion.nuisance_measurement import measure_records
from ingestion.tfrecord_file import encode_example, write_gzip_records

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
