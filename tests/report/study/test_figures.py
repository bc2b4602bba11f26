import base64
from xml.etree import ElementTree

from report.study.figures import draw_confusion_matrix, draw_roc_curves


def svg_of(picture):
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(data))


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


def test_the_same_figure_has_the_same_bytes(row_of):
    assert draw_roc_curves("mine", [row_of()]) == draw_roc_curves("mine", [row_of()])
