import base64
from xml.etree import ElementTree

import pytest

from report.candidates.learning_curves import draw_learning_curve

HISTORY = {
    "loss": [0.7, 0.5, 0.4],
    "val_loss": [0.6, 0.45, 0.55],
    "recall": [0.9, 0.8, 0.85],
    "val_recall": [0.95, 0.9, 0.9],
}


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_a_curve_tells_its_course():
    picture = draw_learning_curve("ann_deep", HISTORY, "loss", 3)
    assert picture.alt == (
        "Loss of ann_deep, epochs 1 to 3: on train from 0.700 to 0.400, on validation from 0.600 "
        "to 0.550, there lowest 0.450 and highest 0.600; the weights of epoch 3 were kept."
    )
    assert svg_of(picture).tag.endswith("svg")


def test_a_single_epoch_is_drawn():
    picture = draw_learning_curve("ann_deep", {"loss": [0.7], "val_loss": [0.6]}, "loss", 1)
    assert "epochs 1 to 1" in picture.alt
    svg_of(picture)


def test_a_metric_that_was_not_recorded_is_named():
    with pytest.raises(KeyError, match="accuracy"):
        draw_learning_curve("ann_deep", HISTORY, "accuracy", 1)


@pytest.mark.parametrize("metric", ["loss", "recall"])
def test_the_same_figure_has_the_same_bytes(metric):
    first, second = (draw_learning_curve("ann_deep", HISTORY, metric, 2) for _ in range(2))
    assert first == second
