from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_curve

from evaluation.calibration import NUM_BINS, expected_calibration_error
from evaluation.curves import GRID, measure_curves, measure_reliability, measure_threshold_curves
from evaluation.intervals import wilson_interval
from evaluation.resampling import create_resampler
from evaluation.slice_metrics import OVERALL, slice_metrics_from_predictions


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


def test_rates_are_those_of_the_decision_at_each_threshold():
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    scores = generator.random(80).astype(np.float32).round(2)
    curves = measure_threshold_curves(labels, scores)
    for number, threshold in enumerate(curves.sensitivity.x):
        metrics = slice_metrics_from_predictions(labels, scores, threshold)[OVERALL]
        for curve, estimate in (
            (curves.sensitivity, metrics.recall),
            (curves.specificity, metrics.specificity),
        ):
            assert curve.value[number] == estimate.value
            assert (curve.low[number], curve.high[number]) == (estimate.low, estimate.high)


def test_curves_go_from_everything_called_to_what_is_certain():
    curves = measure_threshold_curves([1, 1, 0, 0], [0.9, 1.0, 0.2, 0.4])
    assert curves.sensitivity.x.tolist() == [0.0, 0.2, 0.4, 0.9, 1.0]
    assert curves.sensitivity.value.tolist() == [1.0, 1.0, 1.0, 1.0, 0.5]
    assert curves.specificity.value.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert curves.specificity.low[-1] == wilson_interval(2, 2)[0]


def _measure_reliability(labels, probabilities, seed=1):
    patients = [str(number) for number in range(len(labels))]
    return measure_reliability(probabilities, create_resampler(labels, patients, 500, seed))


def _calibrated(n, seed=2):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(n)
    return (generator.random(n) < probabilities).astype(int), probabilities


def test_bins_are_those_of_the_error():
    labels, probabilities = _calibrated(400)
    reliability = _measure_reliability(labels, probabilities)
    gaps = [
        entry.n * abs(entry.mean_probability - entry.observed.value) for entry in reliability.bins
    ]
    expected = expected_calibration_error(labels, probabilities)
    assert sum(gaps) / 400 == pytest.approx(expected)
    assert reliability.error.value == expected
    assert sum(entry.n for entry in reliability.bins) == 400


def test_a_bin_tells_its_images():
    reliability = _measure_reliability([1, 1, 0, 0], [0.99, 1.0, 0.95, 0.01])
    first, last = reliability.bins
    assert (first.low, first.n, first.observed.value) == (0.0, 1, 0.0)
    assert (last.high, last.n, last.mean_probability) == (1.0, 3, pytest.approx(0.98))
    assert last.low == pytest.approx(1 - 1 / NUM_BINS)
    assert (last.observed.low, last.observed.high) == wilson_interval(2, 3)


def test_a_calibrated_model_lies_in_the_range_of_calibrated_models():
    reliability = _measure_reliability(*_calibrated(600))
    assert reliability.calibrated_low < reliability.error.value < reliability.calibrated_high


def test_a_model_that_is_too_sure_lies_above_it():
    labels, probabilities = _calibrated(600)
    reliability = _measure_reliability(labels, np.where(probabilities > 0.5, 0.97, 0.03))
    assert reliability.error.value > reliability.calibrated_high
    assert reliability.error.low > reliability.calibrated_high


def test_interval_holds_the_error():
    for seed in range(5):
        error = _measure_reliability(*_calibrated(150, seed)).error
        assert 0.0 <= error.low <= error.value <= error.high <= 1.0


def test_interval_follows_the_seed():
    split = _calibrated(150)
    assert _measure_reliability(*split) == _measure_reliability(*split)
    assert _measure_reliability(*split) != _measure_reliability(*split, seed=2)
