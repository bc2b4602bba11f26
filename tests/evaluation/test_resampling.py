"""The bootstrap over patients, and what is measured on its draws."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.resampling import create_resampler, weighted_areas


def test_chunks_do_not_change_what_is_drawn(monkeypatch):
    whole = list(create_resampler([0, 1, 1, 0], [*"abcd"], 50, 4).weights())
    monkeypatch.setattr("evaluation.resampling._MAX_WEIGHTS", 4 * 7)
    parts = list(create_resampler([0, 1, 1, 0], [*"abcd"], 50, 4).weights())
    assert len(parts) == 8
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(whole))


def test_a_patients_images_are_drawn_together():
    resampler = create_resampler([0, 1, 1, 0], ["p", "q", "q", "r"], 40, 4)
    (weights,) = resampler.weights()
    np.testing.assert_array_equal(weights[:, 1], weights[:, 2])
    assert (weights[:, 0] != weights[:, 1]).any()


def test_a_missing_class_is_refused():
    with pytest.raises(ValueError, match=r"got only labels \[1\]: curves are undefined"):
        create_resampler([1, 1], ["p", "q"], 10, 1)


def test_a_missing_patient_is_refused():
    with pytest.raises(ValueError, match="expected a patient for each"):
        create_resampler([1, 0], ["p"], 10, 1)


def test_weighted_areas_are_those_of_repeated_images():
    rng = np.random.default_rng(5)
    truth = np.array([True, False] * 20)
    scores = rng.integers(0, 10, 40) / 10.0  # with ties
    weights = rng.integers(0, 4, (6, 40)).astype(float)
    weights[:, :2] = 1.0  # both classes
    expected = [
        roc_auc_score(np.repeat(truth, row.astype(int)), np.repeat(scores, row.astype(int)))
        for row in weights
    ]
    np.testing.assert_allclose(weighted_areas(truth, scores, weights), expected)
