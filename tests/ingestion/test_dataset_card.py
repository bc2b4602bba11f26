from __future__ import annotations

import pytest

from contract.facts import ImageFacts, Rejection
from contract.settings import DataSettings
from ingestion.dataset_card import make_card, read_card, render_markdown, write_card
from ingestion.duplicates import find_duplicates
from ingestion.records import Source, SourceImage


def _facts(image_id, split, subtype, patient_id, height, width, known=True):
    return ImageFacts(
        image_id=image_id,
        split=split,
        label=int(subtype != "normal"),
        subtype=subtype,
        patient_id=patient_id,
        patient_known=known,
        height=height,
        width=width,
        pixel_sha256="same" if image_id in ("a", "b") else image_id,
    )


@pytest.fixture
def card():
    images = [
        _facts("a", "train", "bacterial", "p1", 400, 600),
        _facts("b", "train", "viral", "p1", 800, 600),
        _facts("c", "validation", "normal", "p2", 1200, 1000),
        _facts("d", "test", "unknown", "d", 100, 300, known=False),
    ]
    source = Source(
        "manifest",
        "somewhere",
        tuple(SourceImage(i, i, 0, "normal", i, "validation") for i in "abcde"),
        ("mind the gap",),
        synthetic=True,
    )
    return make_card(
        source,
        DataSettings(),
        "f" * 64,
        images,
        [Rejection(image_id="e", reason="empty file (zero bytes)")],
        find_duplicates(images, "fail"),
        {"train/part": 12},
    )


def test_counts_are_complete(card):
    assert (card.num_source_images, card.num_images, card.num_patients) == (5, 4, 3)
    assert card.num_images_without_patient == 1
    train = card.splits["train"]
    assert (train.images, train.patients) == (2, 1)
    assert train.by_label == {"normal": 0, "pneumonia": 2}
    assert train.by_subtype == {"normal": 0, "bacterial": 1, "viral": 1, "unknown": 0}
    assert train.by_size_group == {
        "under_500_px": 1,
        "500_to_999_px": 1,
        "1000_px_and_over": 0,
    }
    assert card.splits["validation"].by_size_group["1000_px_and_over"] == 1
    assert (card.height.min_px, card.height.median_px, card.height.max_px) == (100, 600, 1200)
    assert (card.width.min_px, card.width.median_px, card.width.max_px) == (300, 600, 1000)


def test_warnings_come_from_every_stage(card):
    assert card.warnings[0] == "mind the gap"
    assert any("own validation split (5 images)" in warning for warning in card.warnings)
    assert len(card.warnings) == 3
    assert card.warnings[-1] == "1 images cannot be read and were left out"


def test_card_comes_back_from_its_folder(card, tmp_path):
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    assert (tmp_path / "dataset_card.md").read_text() == render_markdown(card)


def test_page_tells_what_a_reader_must_know(card):
    page = render_markdown(card)
    assert "**Synthetic images: results on them mean nothing clinically.**" in page
    assert "4 of 5 files, 3 patients (1 images without a known patient)" in page
    assert "| train | 2 | 1 | 0 | 2 | 1 | 1 | 0 | 1 | 1 | 0 |" in page
    assert "- `e`: empty file (zero bytes)" in page
    assert "2 images in 1 groups of equal pixels." in page
    assert "- mind the gap" in page


def test_page_of_real_images_does_not_call_them_synthetic(card):
    assert "Synthetic" not in render_markdown(card.model_copy(update={"synthetic": False}))
