from __future__ import annotations

import pytest

from contract.errors import InputError
from contract.facts import ImageFacts
from ingestion.duplicates import duplicate_warnings, find_duplicates


def _facts(image_id, pixels, split="train", label=0):
    return ImageFacts(
        image_id=image_id,
        split=split,
        label=label,
        subtype="normal" if label == 0 else "viral",
        patient_id=image_id,
        patient_known=True,
        height=10,
        width=20,
        pixel_sha256=pixels,
    )


def test_different_pixels_are_no_duplicates():
    report = find_duplicates([_facts("a", "1"), _facts("b", "2", "test")], "fail")
    assert (report.num_groups, report.num_images, report.dropped) == (0, 0, ())
    assert duplicate_warnings(report) == []


def test_equal_images_in_one_split_are_counted_and_kept():
    report = find_duplicates([_facts("b", "1"), _facts("a", "1"), _facts("c", "1")], "fail")
    assert (report.num_groups, report.num_images) == (1, 3)
    assert report.across_splits == report.different_labels == report.dropped == ()


def test_different_labels_are_reported():
    report = find_duplicates([_facts("b", "1", label=1), _facts("a", "1")], "fail")
    assert report.different_labels == (("a", "b"),)
    (warning,) = duplicate_warnings(report)
    assert "1 groups of images have equal pixels but different labels" in warning
    assert "a = b" in warning


def test_across_splits_fails_and_names_the_images():
    images = [_facts("a", "1"), _facts("b", "1", "test"), _facts("c", "2", "validation")]
    with pytest.raises(
        InputError, match=r"got 1 groups: a \(train\) = b \(test\); .*cross_split_duplicates=drop"
    ):
        find_duplicates(images, "fail")


@pytest.mark.parametrize(
    ("splits", "dropped"),
    [
        (("train", "test"), {"0"}),
        (("test", "train"), {"1"}),
        (("train", "validation"), {"0"}),
        (("validation", "test"), {"0"}),
        (("train", "validation", "test"), {"0", "1"}),
        (("train", "train", "validation", "validation"), {"0", "1"}),
    ],
)
def test_the_earlier_split_gives_way(splits, dropped):
    images = [_facts(str(number), "1", split) for number, split in enumerate(splits)]
    report = find_duplicates([*images, _facts("x", "2")], "drop_from_train")
    assert set(report.dropped) == dropped
    assert len(report.across_splits) == 1
    (warning,) = duplicate_warnings(report)
    assert warning.startswith(f"{len(dropped)} images were left out")
