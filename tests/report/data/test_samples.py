import io

import numpy as np
import pytest
from PIL import Image

from report.data.samples import (
    MAX_SIDE_PX,
    choose_samples,
    make_thumbnail,
    share_out,
)
from tests.report.made_records import encode_picture, make_facts

RECORDS = [
    make_facts(f"{subtype} {number}", subtype)
    for subtype in ("normal", "bacterial", "viral")
    for number in range(9)
]


def test_each_class_has_the_wanted_number_its_subtypes_in_turn():
    chosen = choose_samples(RECORDS, 5, seed=1)
    assert {subtype: len(group) for subtype, group in chosen.items()} == {
        "normal": 5,
        "bacterial": 3,
        "viral": 2,
    }
    for subtype, group in chosen.items():
        assert {record.subtype for record in group} == {subtype}
        assert len({record.image_id for record in group}) == len(group)


def test_the_seed_decides_and_the_order_does_not():
    first = choose_samples(RECORDS, 4, seed=1)
    assert choose_samples(RECORDS[::-1], 4, seed=1) == first
    assert choose_samples(RECORDS, 4, seed=2) != first


def test_a_class_with_too_few_images_shows_all_of_them():
    chosen = choose_samples([make_facts("a"), make_facts("b", "unknown")], 6, seed=0)
    assert {subtype: len(group) for subtype, group in chosen.items()} == {
        "normal": 1,
        "unknown": 1,
    }


def test_none_may_be_asked_for():
    assert choose_samples(RECORDS, 0, seed=0) == {}


@pytest.mark.parametrize(
    ("available", "wanted", "given"),
    [
        ([5, 5], 4, [2, 2]),
        ([5, 5], 3, [2, 1]),
        ([1, 5], 4, [1, 3]),
        ([0, 0, 2], 9, [0, 0, 2]),
        ([3], 0, [0]),
    ],
)
def test_a_number_is_shared_out_in_turn(available, wanted, given):
    assert share_out(available, wanted) == given


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(400, 200, (96, 192)), (100, 300, (192, 64)), (50, 20, (20, 50))],
)
def test_a_thumbnail_keeps_its_proportions_and_is_never_enlarged(width, height, shape):
    thumbnail = make_thumbnail(encode_picture(width, height))
    assert thumbnail.shape == shape
    assert thumbnail.dtype == np.uint8
    assert max(thumbnail.shape) <= MAX_SIDE_PX


def test_a_thumbnail_shows_the_image():
    left_white = np.zeros((400, 400), np.uint8)
    left_white[:, :200] = 255
    buffer = io.BytesIO()
    Image.fromarray(left_white).save(buffer, "PNG")
    thumbnail = make_thumbnail(buffer.getvalue())
    assert thumbnail[:, :90].min() > 250
    assert thumbnail[:, 102:].max() < 5


def test_broken_bytes_are_an_error():
    with pytest.raises(ValueError, match="complete JPEG or PNG"):
        make_thumbnail(encode_picture(40, 30)[:200])
