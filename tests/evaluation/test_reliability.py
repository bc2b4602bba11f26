"""The calibration curve and its error."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.calibration import NUM_BINS, expected_calibration_error
from evaluation.intervals import wilson_interval
from evaluation.reliability import measure_reliability
from evaluation.resampling import create_resampler


def _measure(labels, probabilities, seed=1):
    patients = [str(number) for number in range(len(labels))]
    return measure_reliability(probabilities, create_resampler(labels, patients, 500, seed))


def _calibrated(n, seed=2):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(n)
    return (generator.random(n) < probabilities).astype(int), probabilities


def test_bins_are_those_of_the_error():
    labels, probabilities = _calibrated(400)
    reliability = _measure(labels, probabilities)
    gaps = [
        entry.n * abs(entry.mean_probability - entry.observed.value) for entry in reliability.bins
    ]
    expected = expected_calibration_error(labels, probabilities)
    assert sum(gaps) / 400 == pytest.approx(expected)
    assert reliability.error.value == expected
    assert sum(entry.n for entry in reliability.bins) == 400


def test_a_bin_tells_its_images():
    reliability = _measure([1, 1, 0, 0], [0.99, 1.0, 0.95, 0.01])
    first, last = reliability.bins
    assert (first.low, first.n, first.observed.value) == (0.0, 1, 0.0)
    assert (last.high, last.n, last.mean_probability) == (1.0, 3, pytest.approx(0.98))
    assert last.low == pytest.approx(1 - 1 / NUM_BINS)
    assert (last.observed.low, last.observed.high) == wilson_interval(2, 3)


def test_a_calibrated_model_lies_in_the_range_of_calibrated_models():
    reliability = _measure(*_calibrated(600))
    assert reliability.calibrated_low < reliability.error.value < reliability.calibrated_high


def test_a_model_that_is_too_sure_lies_above_it():
    labels, probabilities = _calibrated(600)
    reliability = _measure(labels, np.where(probabilities > 0.5, 0.97, 0.03))
    assert reliability.error.value > reliability.calibrated_high
    assert reliability.error.low > reliability.calibrated_high


def test_interval_holds_the_error():
    for seed in range(5):
        error = _measure(*_calibrated(150, seed)).error
        assert 0.0 <= error.low <= error.value <= error.high <= 1.0


def test_interval_follows_the_seed():
    split = _calibrated(150)
    assert _measure(*split) == _measure(*split)
    assert _measure(*split) != _measure(*split, seed=2)
