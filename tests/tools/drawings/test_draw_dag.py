"""The picture of the DAG: it shows what the pipeline is now."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest

from tools.drawings import draw_dag

SVG = "{http://www.w3.org/2000/svg}"

SMALL_DAG = {
    "ImportExampleGen": frozenset(),
    "ImportSchemaGen": frozenset(),
    "StatisticsGen": frozenset({"ImportExampleGen", "ImportSchemaGen"}),
    "ExampleValidator": frozenset({"StatisticsGen", "ImportSchemaGen"}),
    "Transform": frozenset({"ImportExampleGen", "ExampleValidator"}),
    "Tuner-a": frozenset({"Transform"}),
    "Tuner-b": frozenset({"Transform"}),
    "Trainer-a": frozenset({"Transform", "Tuner-a"}),
    "Trainer-b": frozenset({"Transform", "Tuner-b"}),
    "Baseline": frozenset(),
    "Evaluator": frozenset({"ImportExampleGen", "Trainer-a", "Trainer-b", "Baseline"}),
    "Pusher": frozenset({"Evaluator", "Trainer-a"}),
}


@pytest.fixture(scope="module")
def drawing():
    return draw_dag


@pytest.fixture(scope="module")
def dag(drawing):
    return drawing.read_dag()


def test_the_committed_picture_shows_the_present_dag(drawing, dag):
    committed = drawing.PICTURE.read_text(encoding="utf-8")
    assert committed == drawing.draw(dag), "stale: run `python -m tools.drawings.draw_dag`"


def test_the_committed_picture_names_every_node(drawing, dag):
    texts = {text.text for text in ElementTree.parse(drawing.PICTURE).iter(f"{SVG}text")}
    assert len(dag) >= 12
    assert set(dag) <= texts


def test_the_picture_tells_a_screen_reader_what_it_shows(drawing):
    root = ElementTree.fromstring(drawing.draw(SMALL_DAG))
    told = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("role") == "img"
    assert root.get("aria-labelledby").split() == ["title", "desc"]
    assert told["title"] == drawing.TITLE
    assert all(node in told["desc"] for node in SMALL_DAG)


def test_boxes_stand_apart_and_inside_the_picture(drawing):
    root = ElementTree.fromstring(drawing.draw(SMALL_DAG))
    width, height = map(float, root.get("viewBox").split()[2:])
    boxes = [
        [float(group.find(f"{SVG}rect").get(name)) for name in ("x", "y", "width", "height")]
        for group in root.iter(f"{SVG}g")
    ]
    assert len(boxes) == len(SMALL_DAG) + 2  # ingestion and TF Serving
    assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1


def test_every_line_between_groups_is_drawn(drawing):
    root = ElementTree.fromstring(drawing.draw(SMALL_DAG))
    ends = [
        re.findall(r"[\d.]+,[\d.]+", path.get("d"))[-1]
        for path in root.iter(f"{SVG}path")
        if path.get("marker-end")
    ]
    outside = 3  # into the DAG, out of it, and to the next run
    data, model, judgement = 3, 4, 1
    between = sum(
        drawing.group_of(before) != drawing.group_of(node)
        for node, befores in SMALL_DAG.items()
        for before in befores
    )
    assert len(ends) == outside + data + model + judgement + between


def test_lines_that_others_imply_are_left_out(drawing):
    nodes = ["ImportExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator"]
    assert drawing.lines_within_group(nodes, SMALL_DAG) == [
        ("ImportExampleGen", "StatisticsGen"),
        ("ImportSchemaGen", "StatisticsGen"),
        ("StatisticsGen", "ExampleValidator"),
    ]


def test_a_node_without_a_meaning_is_named(drawing):
    with pytest.raises(KeyError, match=r"NewNode.*MEANINGS"):
        drawing.draw({"NewNode-a": frozenset()})
