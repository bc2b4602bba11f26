"""Curves and their bands, beside scikit-learn's and beside what is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_curve

from evaluation.curves import GRID, measure_curves
from evaluation.resampling import create_resampler


def _split(n=200, seed=3, decimals=None):
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < 0.6).astype(int)
    scores = 1.0 / (1.0 + np.exp(-generator.normal(1.6 * labels - 0.8, 1.0)))
    return labels, scores if decimals is None else scores.round(decimals)


def _measure(labels, scores, num_samples=300, patients=None, seed=1):
    patients = patients or [str(number) for number in range(len(labels))]
    return measure_curves(scores, create_resampler(labels, patients, num_samples, seed))


@pytest.mark.parametrize("decimals", [None, 1])  # with ties, too
def test_curves_are_scikit_learns(decimals):
    labels, scores = _split(decimals=decimals)
    curves = _measure(labels, scores)
    rates, recalls, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curves.roc.value, np.interp(GRID, rates, recalls))
    expected = average_precision_score(labels, scores)
    assert curves.average_precision.value == pytest.approx(expected)


def test_precision_is_that_of_the_highest_threshold_that_reaches_the_sensitivity():
    curves = _measure([1, 0, 1, 1, 0, 1], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    at = {round(x, 3): value for x, value in zip(GRID, curves.precision_recall.value, strict=True)}
    assert at[0.0] == at[0.25] == 1.0
    assert at[0.5] == pytest.approx(2 / 3)
    assert at[0.255] == pytest.approx(2 / 3)
    assert at[0.75] == pytest.approx(3 / 4)
    assert at[1.0] == pytest.approx(4 / 6)


def test_bands_hold_the_curve_and_have_a_width():
    curves = _measure(*_split())
    for band in (curves.roc, curves.precision_recall):
        inner = slice(20, 180)
        assert (band.low <= band.value + 1e-9)[inner].all()
        assert (band.value <= band.high + 1e-9)[inner].all()
        assert (band.high - band.low)[inner].mean() > 0.02
        assert band.low.min() >= 0.0
        assert band.high.max() <= 1.0
    area = curves.average_precision
    assert area.low < area.value < area.high


def test_bands_narrow_with_more_images():
    few, many = _measure(*_split(100)), _measure(*_split(1600))
    assert np.mean(many.roc.high - many.roc.low) < 0.5 * np.mean(few.roc.high - few.roc.low)


def test_bands_are_wider_where_patients_have_many_images():
    labels, scores = np.repeat(_split(100), 4, axis=1)
    of_one_each = _measure(labels, scores)
    of_four_each = _measure(labels, scores, patients=[str(number // 4) for number in range(400)])
    width = np.mean(of_one_each.roc.high - of_one_each.roc.low)
    assert np.mean(of_four_each.roc.high - of_four_each.roc.low) > 1.5 * width


def test_bands_follow_the_seed():
    first, again, other = (_measure(*_split(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.roc.low, again.roc.low)
    assert (first.roc.low != other.roc.low).any()


def test_separated_classes_have_a_perfect_curve():
    curves = _measure([1] * 20 + [0] * 20, [0.9] * 20 + [0.1] * 20)
    assert (curves.roc.value == 1.0).all()
    assert (curves.roc.low == 1.0).all()
    assert curves.average_precision.value == 1.0


def test_resamples_without_a_class_are_left_out():
    curves = _measure([1, 0], [0.8, 0.2], num_samples=400)
    # Half of the draws of two from two hold both.
    assert 150 < curves.num_samples < 250
    assert np.isfinite(curves.roc.low).all()


def test_chunks_do_not_change_what_is_drawn(monkeypatch):
    whole = list(create_resampler([0, 1, 1, 0], [*"abcd"], 50, 4).weights())
    monkeypatch.setattr("evaluation.resampling._CHUNK", 7)
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
