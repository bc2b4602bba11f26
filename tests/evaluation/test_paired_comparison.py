"""McNemar's test and the interval of a paired difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from evaluation.paired_comparison import PairedComparison, compare_decisions


def test_decisions_are_counted_by_who_is_right():
    comparison = compare_decisions([1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 0])
    assert comparison == PairedComparison(both=2, only_new=1, only_old=2, neither=1)
    assert comparison.n == 6
    assert comparison.difference == pytest.approx(-1 / 6)


def test_p_value_is_the_exact_binomial_tail():
    comparison = PairedComparison(both=80, only_new=2, only_old=9, neither=5)
    assert comparison.p_value == pytest.approx(2 * binom.cdf(2, 11, 0.5))
    assert comparison.p_value == pytest.approx(134 / 2048)  # by hand: 2 * (1 + 11 + 55) / 2^11


def test_p_value_does_not_depend_on_images_where_both_agree():
    few = PairedComparison(both=1, only_new=3, only_old=10, neither=0)
    many = PairedComparison(both=900, only_new=3, only_old=10, neither=50)
    assert few.p_value == many.p_value


def test_models_that_never_differ_are_not_told_apart():
    comparison = PairedComparison(both=20, only_new=0, only_old=0, neither=3)
    assert comparison.p_value == 1.0
    low, high = comparison.interval
    assert low < 0.0 < high


def test_interval_of_newcombes_example():
    # 50 pairs as in the paper's comparison of the methods; 0.96 - 0.76 by Wilson's bounds.
    low, high = PairedComparison(both=36, only_new=12, only_old=2, neither=0).interval
    assert (low, high) == (pytest.approx(0.0569, abs=1e-4), pytest.approx(0.3404, abs=1e-4))


def test_interval_mirrors_where_the_models_change_places():
    low, high = PairedComparison(both=70, only_new=4, only_old=12, neither=9).interval
    mirrored = PairedComparison(both=70, only_new=12, only_old=4, neither=9).interval
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


@pytest.mark.parametrize("cells", [(0, 5, 0, 0), (0, 0, 5, 0), (5, 0, 0, 0), (0, 0, 0, 1)])
def test_interval_stays_within_its_range_and_has_a_width(cells):
    comparison = PairedComparison(*cells)
    low, high = comparison.interval
    assert -1.0 <= low <= comparison.difference <= high <= 1.0
    assert low < high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(8)
    shares = (0.80, 0.04, 0.09, 0.07)
    draws = generator.multinomial(120, shares, size=2000)
    intervals = [PairedComparison(*map(int, draw)).interval for draw in draws]
    covered = np.mean([low <= shares[1] - shares[2] <= high for low, high in intervals])
    assert 0.93 < covered < 0.985


def test_nothing_is_said_without_images():
    comparison = compare_decisions([], [])
    assert (comparison.difference, comparison.p_value, comparison.interval) == (None, None, None)


def test_unequal_numbers_of_decisions_are_refused():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(3,\)"):
        compare_decisions([1, 0], [1, 0, 1])
