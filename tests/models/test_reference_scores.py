"""The validation scores that an exported model carries."""

from __future__ import annotations

import json

import numpy as np
import pytest

from contract.errors import InputError
from models.reference_scores import REFERENCE_FILE, ReferenceScores


def test_scores_are_kept_by_class_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(4)
    labels = np.array([0, 1, 1, 0, 1, 1, 1])
    scores = rng.random(7).astype(np.float32)
    ReferenceScores.from_predictions(labels, scores).write(tmp_path)
    read = ReferenceScores.read(tmp_path)
    np.testing.assert_array_equal(np.float32(read.normal), np.sort(scores[labels == 0]))
    np.testing.assert_array_equal(np.float32(read.pneumonia), np.sort(scores[labels == 1]))
    assert read.prevalence == pytest.approx(5 / 7)


def test_the_file_holds_scores_and_nothing_else(tmp_path):
    ReferenceScores.from_predictions([0, 1], [0.25, 0.1]).write(tmp_path)
    content = json.loads((tmp_path / "assets.extra" / REFERENCE_FILE).read_text())
    assert content == {"normal": [0.25], "pneumonia": [0.1]}


@pytest.mark.parametrize(
    "content",
    [None, "{}", '{"normal": [], "pneumonia": [0.5]}', '{"normal": [1.5], "pneumonia": [0.5]}'],
)
def test_a_model_without_usable_scores_says_how_to_fix_it(tmp_path, content):
    path = tmp_path / "assets.extra" / REFERENCE_FILE
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(InputError, match=r"(?s)expected the model.s validation scores.* again"):
        ReferenceScores.read(tmp_path)
