"""Which scores are referred: the stated errors hold, and the band holds the threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.settings import ReferralSettings
from evaluation.decision_band import choose_decision_band

SETTINGS = ReferralSettings(max_missed_fraction=0.01, max_false_alarm_fraction=0.05)


def _draw(seed: int, num_each: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = np.concatenate([random.normal(-2, 2, num_each), random.normal(2, 2, num_each)])
    return np.repeat([0, 1], num_each), 1.0 / (1.0 + np.exp(-logits))


def test_the_stated_errors_hold_for_new_cases_on_average() -> None:
    missed, false_alarms = [], []
    for seed in range(200):
        labels, scores = _draw(seed, 300)
        band = choose_decision_band(labels, scores, 0.5, SETTINGS)
        truth, fresh = _draw(1000 + seed, 300)
        missed.append(np.mean(fresh[truth == 1] < band.low))
        false_alarms.append(np.mean(fresh[truth == 0] >= band.high))
    assert 0.005 < np.mean(missed) <= 0.0105
    assert 0.04 < np.mean(false_alarms) <= 0.0515


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    num_each=st.integers(1, 150),
    threshold=st.floats(0.0, 1.0, width=32),
    missed=st.sampled_from([0.0, 0.01, 0.2]),
    false_alarms=st.sampled_from([0.0, 0.01, 0.2]),
)
def test_the_band_holds_the_threshold(
    seed: int, num_each: int, threshold: float, missed: float, false_alarms: float
) -> None:
    labels, scores = _draw(seed, num_each)
    bounds = ReferralSettings(max_missed_fraction=missed, max_false_alarm_fraction=false_alarms)
    band = choose_decision_band(labels, scores, threshold, bounds)
    assert band.low <= threshold <= band.high
    decided = ~band.refers(scores)
    called = scores.astype(np.float32) >= np.float32(threshold)
    if missed:
        assert np.mean(decided & ~called & (labels == 1)) * 2 <= missed
    else:
        assert band.low == threshold
    if false_alarms:
        assert np.mean(decided & called & (labels == 0)) * 2 <= false_alarms
    else:
        assert band.high == threshold


def test_too_few_cases_to_state_an_error_decide_nothing_on_that_side() -> None:
    labels, scores = _draw(3, 98)  # 1 in 99 is more than .01
    band = choose_decision_band(labels, scores, 0.5, SETTINGS)
    assert band.low == 0.0
    assert band.high < 1.0
    strict = SETTINGS.model_copy(update={"max_false_alarm_fraction": 0.01})
    band = choose_decision_band(labels, scores, 0.5, strict)
    assert band.refers(np.array([0.0, 0.5, 1.0])).all()


def test_scores_of_one_value_are_referred_together() -> None:
    labels = np.repeat([0, 1], 200)
    band = choose_decision_band(labels, np.full(400, 0.5), 0.5, SETTINGS)
    assert (band.low, band.high) == (0.5, pytest.approx(0.5, abs=1e-6))
    assert band.refers([0.5]).all()
