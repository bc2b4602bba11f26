import base64
from xml.etree import ElementTree

import pytest

from evaluation.slice_metrics import slice_metrics_from_counts
from report.confusion_matrix import draw_confusion_matrix


@pytest.mark.parametrize(("of", "whose"), [("", ""), ("ann_deep", " of ann_deep on test")])
def test_the_picture_gives_its_counts_in_words_too(of, whose):
    unknown = dict.fromkeys(["auc", "mean_probability", "brier", "log_loss"])
    counts = slice_metrics_from_counts(tp=5, fn=1, tn=3, fp=1, **unknown)
    picture = draw_confusion_matrix(counts, of)
    assert picture.alt == (
        f"Confusion matrix{whose}: of 6 images with pneumonia 5 were called pneumonia and 1 "
        "normal; of 4 normal images 3 were called normal and 1 pneumonia."
    )
    prefix, _, data = picture.source.partition(",")
    assert prefix == "data:image/svg+xml;base64"
    ElementTree.fromstring(base64.b64decode(data))
