"""Confidence intervals: known values, properties, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, rankdata

from evaluation.intervals import CONFIDENCE_Z, auc_interval, wilson_interval

counts = st.integers(min_value=1, max_value=5_000)
areas = st.floats(min_value=0.0, max_value=1.0)


def test_z_is_the_two_sided_95_percent_quantile() -> None:
    assert pytest.approx(norm.ppf(0.975), abs=1e-12) == CONFIDENCE_Z


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_matches_published_values(
    successes: int, trials: int, expected: tuple[float, float]
) -> None:
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("trials", [1, 2, 7, 54, 809])
def test_wilson_is_scipys(trials: int) -> None:
    # SciPy's own takes 1.7 ms, for the p-value that comes with it: a search for the number of
    # cases that a bound needs asks 100,000 times.
    for successes in {0, 1, trials // 2, trials - 1, trials}:
        expected = binomtest(successes, trials).proportion_ci(method="wilson")
        assert wilson_interval(successes, trials) == pytest.approx(tuple(expected), abs=1e-15)


def test_wilson_without_trials_is_undefined() -> None:
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, -1)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= successes <= trials"):
        wilson_interval(successes, trials)


@given(counts, st.data())
def test_wilson_is_ordered_bounded_and_symmetric(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(min_value=0, max_value=trials))
    low, high = _defined(wilson_interval(successes, trials))
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert low < high
    mirrored_low, mirrored_high = _defined(wilson_interval(trials - successes, trials))
    assert (mirrored_low, mirrored_high) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(counts, st.data())
def test_wilson_narrows_with_more_trials(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(min_value=0, max_value=trials))
    low, high = _defined(wilson_interval(successes, trials))
    finer_low, finer_high = _defined(wilson_interval(4 * successes, 4 * trials))
    assert finer_high - finer_low < high - low


@pytest.mark.parametrize(("proportion", "trials"), [(0.5, 30), (0.9, 60), (0.97, 400)])
def test_wilson_covers_the_truth_about_95_times_of_100(proportion: float, trials: int) -> None:
    draws = np.random.default_rng(1).binomial(trials, proportion, size=20_000)
    intervals = [_defined(wilson_interval(k, trials)) for k in range(trials + 1)]
    covered = np.array([low <= proportion <= high for low, high in intervals])
    assert 0.93 <= covered[draws].mean() <= 0.98


def test_auc_bounds_solve_the_defining_equation() -> None:
    area, num_positives, num_negatives = 0.9, 120, 80
    for bound in _defined(auc_interval(area, num_positives, num_negatives)):
        others = (num_positives + num_negatives) / 2 - 1
        variance = (
            bound * (1 - bound) * (1 + others * (1 - bound) / (2 - bound)
            + others * bound / (1 + bound)) / (num_positives * num_negatives)
        )  # fmt: skip
        assert abs(bound - area) == pytest.approx(CONFIDENCE_Z * variance**0.5, rel=1e-6)


def test_auc_of_one_half_gives_a_symmetric_interval() -> None:
    low, high = _defined(auc_interval(0.5, 40, 25))
    assert low + high == pytest.approx(1.0, abs=1e-9)
    assert 0.3 < low < 0.5


def test_perfect_auc_still_has_a_width_that_shrinks_with_the_sample() -> None:
    low, high = _defined(auc_interval(1.0, 20, 20))
    assert high == 1.0
    assert 0.8 < low < 0.95
    finer_low, _ = _defined(auc_interval(1.0, 2_000, 2_000))
    assert low < finer_low < 1.0


@pytest.mark.parametrize(("num_positives", "num_negatives"), [(0, 5), (5, 0), (0, 0)])
def test_auc_with_one_class_is_undefined(num_positives: int, num_negatives: int) -> None:
    assert auc_interval(0.7, num_positives, num_negatives) is None


@pytest.mark.parametrize(
    ("area", "num_positives"), [(float("nan"), 5), (-0.1, 5), (1.1, 5), (0.5, -1)]
)
def test_auc_refuses_impossible_values(area: float, num_positives: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        auc_interval(area, num_positives, 5)


@given(areas, counts, counts)
def test_auc_interval_is_ordered_bounded_and_symmetric(
    area: float, num_positives: int, num_negatives: int
) -> None:
    low, high = _defined(auc_interval(area, num_positives, num_negatives))
    assert 0.0 <= low <= area <= high <= 1.0
    mirrored_low, mirrored_high = _defined(auc_interval(1 - area, num_positives, num_negatives))
    assert (mirrored_low, mirrored_high) == pytest.approx((1 - high, 1 - low), abs=1e-6)


@pytest.mark.parametrize(
    ("area", "num_positives", "num_negatives"), [(0.75, 30, 30), (0.9, 60, 40), (0.97, 150, 60)]
)
def test_auc_interval_covers_the_truth_about_95_times_of_100(
    area: float, num_positives: int, num_negatives: int
) -> None:
    generator = np.random.default_rng(2)
    shift = np.sqrt(2.0) * norm.ppf(area)  # two unit normals, this far apart, have this area
    num_covered, num_repeats = 0, 2_000
    for _ in range(num_repeats):
        scores = generator.standard_normal(num_positives + num_negatives)
        scores[:num_positives] += shift
        rank_sum = rankdata(scores)[:num_positives].sum()
        wins = rank_sum - num_positives * (num_positives + 1) / 2
        estimate = wins / (num_positives * num_negatives)
        low, high = _defined(auc_interval(estimate, num_positives, num_negatives))
        num_covered += low <= area <= high
    # The variance is that of exponential scores; for normal ones it is a little too wide.
    assert 0.93 <= num_covered / num_repeats <= 0.99


def _defined(interval: tuple[float, float] | None) -> tuple[float, float]:
    assert interval is not None
    return interval
