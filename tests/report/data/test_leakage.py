from report.data.leakage import patient_overlaps, pixel_overlaps
from tests.report.made_records import make_facts


def test_every_pair_of_splits_is_looked_at():
    splits = {"train": [make_facts("a")], "validation": [make_facts("b")], "test": []}
    for find in (patient_overlaps, pixel_overlaps):
        overlaps = find(splits)
        assert [(each.first, each.second) for each in overlaps] == [
            ("train", "validation"),
            ("train", "test"),
            ("validation", "test"),
        ]
        assert all(not each.shared and not each.images for each in overlaps)


def test_a_shared_patient_is_found():
    splits = {
        "train": [make_facts("a", patient_id="p"), make_facts("b", patient_id="q")],
        "test": [make_facts("c", patient_id="p"), make_facts("d", patient_id="r")],
    }
    (overlap,) = patient_overlaps(splits)
    assert overlap.shared == ("p",)
    assert pixel_overlaps(splits)[0].shared == ()


def test_equal_pixels_name_their_images_of_both_splits():
    splits = {
        "train": [make_facts("b", pixel_sha256="x"), make_facts("a", pixel_sha256="x")],
        "test": [make_facts("c", pixel_sha256="x"), make_facts("d", pixel_sha256="y")],
    }
    (overlap,) = pixel_overlaps(splits)
    assert overlap.images == {"x": ("b", "a", "c")}


def test_copies_within_one_split_are_no_leak():
    splits = {
        "train": [make_facts("a", pixel_sha256="x"), make_facts("b", pixel_sha256="x")],
        "test": [make_facts("c")],
    }
    assert pixel_overlaps(splits)[0].shared == ()
