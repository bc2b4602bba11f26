from __future__ import annotations

from pathlib import Path

import pytest

from contract.facts import ShardReport
from ingestion.images import DecodedImage
from ingestion.records import SourceImage
from ingestion.shards import (
    ShardPlan,
    image_to_example,
    load_plan,
    plan_shards,
    save_plan,
    without,
    write_shard,
)
from ingestion.tfrecord_file import decode_example, read_records


def _image(image_id, path="x", label=1):
    return SourceImage(
        str(path), image_id, label, "viral", f"patient of {image_id}", "train", False
    )


def test_each_image_is_in_one_shard_of_its_split():
    images = [_image(f"{number}") for number in range(20)]
    splits = ["train", "test"] * 10
    plans = plan_shards(images, splits, 3)

    assert [plan.name for plan in plans] == [
        *(f"train/part-{index:05d}-of-00003.tfrecord.gz" for index in range(3)),
        *(f"test/part-{index:05d}-of-00003.tfrecord.gz" for index in range(3)),
    ]
    placed = [(image, plan.split) for plan in plans for image in plan.images]
    assert sorted(placed, key=str) == sorted(zip(images, splits, strict=True), key=str)
    assert {len(plan.images) for plan in plans} == {3, 4}


def test_plan_does_not_depend_on_the_order_of_images():
    images = [_image(f"{number}") for number in range(20)]
    assert plan_shards(images, ["train"] * 20, 3) == plan_shards(images[::-1], ["train"] * 20, 3)


def test_classes_are_mixed_within_a_shard():
    images = [_image(f"{number:03d}", label=int(number >= 100)) for number in range(200)]
    (plan,) = plan_shards(images, ["train"] * 200, 1)
    first_half = sum(image.label for image in plan.images[:100])
    assert 30 < first_half < 70


def test_no_shard_is_planned_empty():
    plans = plan_shards([_image("a"), _image("b")], ["train", "train"], 4)
    assert [(plan.num_shards, len(plan.images)) for plan in plans] == [(2, 1), (2, 1)]


def test_plans_without_images_keep_their_names():
    plans = plan_shards([_image(f"{number}") for number in range(9)], ["train"] * 9, 3)
    gone = plans[1].images[0].image_id
    reduced, changed = without(plans, {gone})
    assert [plan.name for plan in reduced] == [plan.name for plan in plans]
    assert changed == [reduced[1]]
    assert reduced[1].images == plans[1].images[1:]


def test_kept_plan_comes_back(tmp_path):
    plan = ShardPlan("test", 2, 5, (_image("a", "/x"), _image("ä/b", "/somewhere/b c")))
    (tmp_path / "plans").mkdir()
    save_plan(plan, tmp_path)
    assert load_plan(tmp_path, plan.plan_name) == plan


def test_a_worker_in_another_folder_finds_the_images(tmp_path, monkeypatch):
    plan = ShardPlan("test", 2, 5, (_image("a", "scans/a.png"),))
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path)
    save_plan(plan, Path())
    monkeypatch.chdir("/")
    (image,) = load_plan(tmp_path, plan.plan_name).images
    assert image.path == tmp_path / "scans/a.png"


def test_example_follows_the_feature_contract():
    example = image_to_example(_image("a/b.png"), DecodedImage(b"bytes", 600, 700, "f" * 64, 5.0))
    assert decode_example(example) == {
        "image_bytes": [b"bytes"],
        "image_id": [b"a/b.png"],
        "height": [600],
        "width": [700],
        "size_group": [b"500_to_999_px"],
        "sharpness_group": [b"medium"],
        "label": [1],
        "subtype": [b"viral"],
        "patient_id": [b"patient of a/b.png"],
        "source_split": [b"train"],
        "pixel_sha256": [b"f" * 64],
    }


@pytest.fixture
def plan(tmp_path, write_pictures):
    write_pictures(tmp_path / "in", ["a", "b"])
    (tmp_path / "in/bad").write_bytes(b"text")
    names = ["b", "bad", "a"]
    return ShardPlan("train", 0, 1, tuple(_image(name, tmp_path / "in" / name) for name in names))


def test_shard_holds_readable_images_in_order_and_reports_the_rest(tmp_path, plan):
    for folder in ("train", "reports"):
        (tmp_path / folder).mkdir()
    counted = []

    write_shard(plan, tmp_path, 10**6, lambda: counted.append(1))

    examples = [decode_example(record) for record in read_records(tmp_path / plan.name)]
    assert [example["image_id"] for example in examples] == [[b"b"], [b"a"]]
    assert [example["image_bytes"] for example in examples] == [
        [(tmp_path / "in" / name).read_bytes()] for name in ("b", "a")
    ]
    report = ShardReport.model_validate_json((tmp_path / plan.report_name).read_bytes())
    assert [image.image_id for image in report.images] == ["b", "a"]
    assert (report.images[0].height, report.images[0].width) == (30, 40)
    assert [rejection.image_id for rejection in report.rejected] == ["bad"]
    assert report.rejected[0].reason.startswith("not a JPEG, PNG or DICOM file")
    assert len(counted) == 3
    assert [path.name for path in (tmp_path / "train").iterdir()] == [Path(plan.name).name]
