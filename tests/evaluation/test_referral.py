"""What is referred on validation, and the figures of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from contract.settings import ReferralSettings
from evaluation.referral import judge_referral


def test_unfamiliar_and_uncertain_images_are_counted_once_and_left_out_of_the_figures() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    scores = 1.0 / (1.0 + np.exp(-np.where(labels, 2.0, -2.0) - random.normal(0, 2, 600)))
    distances = random.normal(size=600)
    referral = judge_referral(labels, scores, distances, 0.5, ReferralSettings())
    assert referral.num_unfamiliar == 5  # fewer than 1 in 100 are as far
    assert referral.num_uncertain > 50
    assert referral.decided.n == 600 - referral.num_unfamiliar - referral.num_uncertain
    assert referral.coverage == pytest.approx(referral.decided.n / 600)
    assert referral.decided.fn <= 3
    assert referral.decided.fp <= 3


def test_nothing_is_unfamiliar_where_distances_are_not_known_or_the_bound_is_zero() -> None:
    labels, scores = np.repeat([0, 1], 50), np.repeat([0.1, 0.9], 50)
    nothing = ReferralSettings(
        max_missed_fraction=0.0, max_false_alarm_fraction=0.0, max_unfamiliar_fraction=0.0
    )
    for distances, settings in ((None, ReferralSettings()), (np.arange(100.0), nothing)):
        assert judge_referral(labels, scores, distances, 0.5, settings).num_unfamiliar == 0
    assert judge_referral(labels, scores, None, 0.5, nothing).coverage == 1.0
