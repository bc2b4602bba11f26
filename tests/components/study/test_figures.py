import base64
from xml.etree import ElementTree

import pytest

from components.study.figures import draw_confusion_matrix, draw_curve, draw_roc_curves


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


def test_a_curve_tells_its_course(row_of):
    picture = draw_curve(row_of(), "loss")
    assert picture.alt == (
        "Loss of ann_deep, epochs 1 to 3: on train from 0.700 to 0.400, on validation from 0.600 "
        "to 0.550, there lowest 0.450 and highest 0.600; the weights of epoch 3 were kept."
    )
    assert svg_of(picture).tag.endswith("svg")


def test_a_single_epoch_is_drawn(row_of):
    history = {"loss": [0.7], "val_loss": [0.6]}
    picture = draw_curve(row_of(history=history, num_epochs=1, best_epoch=1), "loss")
    assert "epochs 1 to 1" in picture.alt
    svg_of(picture)


def test_a_confusion_matrix_tells_its_counts(row_of):
    picture = draw_confusion_matrix("ann_deep", row_of().as_study)
    assert picture.alt == (
        "Confusion matrix of ann_deep on test: of 6 images with pneumonia 5 were called pneumonia "
        "and 1 normal; of 4 normal images 3 were called normal and 1 pneumonia."
    )
    svg_of(picture)


def test_roc_curves_tell_their_areas(row_of):
    rows = [row_of(f"network_{number}") for number in range(9)]  # more than there are colours
    picture = draw_roc_curves("dense networks", rows)
    assert picture.alt.startswith("ROC curves on test, dense networks.")
    assert picture.alt.count("0.917") == 9
    svg_of(picture)


@pytest.mark.parametrize("metric", ["loss", "recall"])
def test_the_same_figure_has_the_same_bytes(row_of, metric):
    assert draw_curve(row_of(), metric) == draw_curve(row_of(), metric)
