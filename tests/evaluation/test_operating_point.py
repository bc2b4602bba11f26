import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.intervals import wilson_interval
from evaluation.operating_point import choose_operating_point


def test_highest_specificity_at_the_target():
    labels = [1] * 10 + [0] * 5
    scores = [0.1, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.91, 0.92, 0.93, 0.05, 0.2, 0.3, 0.35, 0.45]
    point = choose_operating_point(labels, scores, 0.9)
    assert point.sensitivity == pytest.approx(0.9)
    assert point.specificity == pytest.approx(0.8)
    assert point.threshold == pytest.approx((0.4 + 0.35) / 2)
    assert (point.num_positives, point.num_negatives) == (10, 5)


def test_a_target_that_allows_no_miss_takes_the_lowest_positive():
    point = choose_operating_point([1, 1, 0, 0], [0.2, 0.9, 0.1, 0.5], 0.97)
    assert point.sensitivity == 1.0
    assert point.threshold == pytest.approx(0.15)


def test_equal_scores_stay_on_one_side():
    point = choose_operating_point([1, 1, 0, 0], [0.5, 0.5, 0.5, 0.1], 0.5)
    assert point.sensitivity == 1.0
    assert point.specificity == 0.5


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
)
def test_no_threshold_reaches_the_target_with_more_specificity(cases, target):
    labels = np.array([True, False] + [label for label, _ in cases])
    scores = np.array([0.5, 0.5] + [score for _, score in cases], np.float32)
    point = choose_operating_point(labels, scores, target)
    assert np.mean(scores[labels] >= np.float32(point.threshold)) >= target - 1e-9
    assert point.threshold == np.float32(point.threshold)
    for threshold in np.unique(scores):
        called = scores >= threshold
        # What the interval asks for may be more hits than the target's share.
        if np.mean(called[labels]) >= point.sensitivity:
            assert np.mean(~called[~labels]) <= point.specificity + 1e-12


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], "both classes"),
        ([0, 1], [0.1, float("nan")], "diverged"),
        ([0, 1, 1], [0.1, 0.2], "one common shape"),
    ],
)
def test_what_cannot_be_judged_is_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        choose_operating_point(labels, scores, 0.9)


def test_the_interval_has_to_reach_the_target_where_the_cases_allow_it():
    scores = np.concatenate([np.linspace(0.2, 1.0, 500), np.linspace(0.0, 0.6, 100)])
    point = choose_operating_point([1] * 500 + [0] * 100, scores, 0.95)
    assert point.reaches_target
    assert point.sensitivity_low >= 0.95
    # One hit fewer would not do.
    assert wilson_interval(round(point.sensitivity * 500) - 1, 500)[0] < 0.95
    few = choose_operating_point([1] * 10 + [0] * 10, [0.9] * 10 + [0.1] * 10, 0.95)
    assert (few.reaches_target, few.sensitivity) == (False, 1.0)


def test_the_target_has_to_hold_under_stress_too():
    labels = np.array([1] * 300 + [0] * 100)
    scores = np.concatenate([np.linspace(0.5, 1.0, 300), np.linspace(0.0, 0.4, 100)])
    plain = choose_operating_point(labels, scores, 0.9)
    stressed = choose_operating_point(labels, scores, 0.9, {"blur": scores - 0.3, "noise": scores})
    assert stressed.threshold < plain.threshold
    pooled = np.concatenate([scores[:300] - 0.3, scores[:300]])
    assert np.mean(pooled >= stressed.threshold) >= 0.9
    same = choose_operating_point(labels, scores, 0.9, {"none": scores})
    assert same.threshold == plain.threshold


def test_every_large_enough_site_has_to_reach_its_sensitivity():
    labels = np.array([1] * 300 + [0] * 100)
    scores = np.concatenate([np.linspace(0.5, 1.0, 300), np.linspace(0.0, 0.6, 100)])
    # The lowest scores of pneumonia are all of one site.
    machines = ["old"] * 40 + ["new"] * 260 + ["old", "new"] * 50
    plain = choose_operating_point(labels, scores, 0.9)
    assert np.mean(scores[:40] >= plain.threshold) < 0.9
    by_site = choose_operating_point(labels, scores, 0.9, None, {"machine": machines}, 0.9)
    assert by_site.threshold < plain.threshold
    assert np.mean(scores[:40] >= by_site.threshold) == pytest.approx(0.9)
    assert by_site.sensitivity > plain.sensitivity
    unasked = choose_operating_point(labels, scores, 0.9, None, {"machine": machines})
    assert unasked == plain


def test_sites_too_small_or_alone_do_not_move_the_threshold():
    labels = np.array([1] * 300 + [0] * 100)
    scores = np.concatenate([np.linspace(0.5, 1.0, 300), np.linspace(0.0, 0.4, 100)])
    plain = choose_operating_point(labels, scores, 0.9)
    few = ["old"] * 29 + ["new"] * 371
    whole = ["all"] * 400
    assert choose_operating_point(labels, scores, 0.9, None, {"few": few}, 0.9) == plain
    assert choose_operating_point(labels, scores, 0.9, None, {"whole": whole}, 0.9999) == plain
