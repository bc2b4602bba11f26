import base64
from xml.etree import ElementTree

import pytest

from report.data.figures import draw_class_balance, draw_sizes
from tests.report.made_records import make_facts

SPLITS = {
    "train": [make_facts("a"), make_facts("b", "viral"), make_facts("c", "viral", height=90)],
    "validation": [make_facts("d", "bacterial", height=10, width=1200)],
    "test": [],
}


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_the_balance_tells_every_count():
    picture = draw_class_balance(SPLITS)
    assert "train: 1 normal, 0 bacterial, 2 viral, 0 unknown" in picture.alt
    assert "validation: 0 normal, 1 bacterial, 0 viral, 0 unknown" in picture.alt
    assert "test: 0 normal, 0 bacterial, 0 viral, 0 unknown" in picture.alt
    svg_of(picture)


def test_sizes_are_told_for_each_split_that_has_images():
    picture = draw_sizes(SPLITS, "height")
    assert picture.alt == (
        "Native height of the images. train: from 30 to 90 px, median 30 px; validation: from 10 "
        "to 10 px, median 10 px."
    )
    assert "from 1,200 to 1,200 px" in draw_sizes(SPLITS, "width").alt
    svg_of(picture)


def test_images_of_one_size_are_drawn():
    svg_of(draw_sizes({"train": [make_facts("a")]}, "width"))


@pytest.mark.parametrize("draw", [draw_class_balance, lambda splits: draw_sizes(splits, "width")])
def test_the_same_figure_has_the_same_bytes(draw):
    assert draw(SPLITS) == draw(SPLITS)
