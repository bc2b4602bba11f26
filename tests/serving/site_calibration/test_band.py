"""The band of referred scores, carried to simulated sites of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from contract.settings import ReferralSettings, SiteCalibrationSettings
from evaluation.decision_band import NO_SCORE, DecisionBand, choose_decision_band
from serving.site_calibration.alignment import ALIGNED, Alignment, align_scores
from serving.site_calibration.band import Explained, carry_band
from serving.site_calibration.shift import Reference
from tests.serving.site_calibration.simulation import (
    Model,
    draw_labels,
    draw_log_odds,
    train,
)

pytestmark = pytest.mark.slow

SETTINGS = SiteCalibrationSettings(num_resamples=100)
REFERRAL = ReferralSettings()


@pytest.fixture(scope="module")
def model() -> Model:
    return train(np.random.default_rng(1), number=3000)


@pytest.fixture(scope="module")
def frozen(model) -> DecisionBand:
    normal, pneumonia = model.reference.normal, model.reference.pneumonia
    labels = np.repeat([0, 1], [len(normal), len(pneumonia)])
    return choose_decision_band(labels, normal + pneumonia, model.threshold, REFERRAL)


def site(model: Model, offset: float, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = draw_labels(rng, 1500, 0.6)
    return labels, model.probabilities(draw_log_odds(rng, labels) + offset)


def align(model: Model, scores: np.ndarray, band: DecisionBand | None) -> Alignment:
    return align_scores(
        scores,
        model.reference,
        model.threshold,
        SETTINGS,
        min_recall_lower_bound=0.9,
        frozen_band=band,
    )


def decided_errors(labels, scores, band: DecisionBand) -> tuple[float, float]:
    """Share of pneumonias that are called normal, and of normals that are called pneumonia."""
    missed = np.mean(scores[labels] < np.float32(band.low))
    return float(missed), float(np.mean(scores[~labels] >= np.float32(band.high)))


@pytest.mark.parametrize("offset", [-1.5, 1.5])
def test_the_carried_band_keeps_the_stated_errors_where_the_frozen_one_does_not(
    model, frozen, offset
):
    labels, scores = site(model, offset)
    found = align(model, scores, frozen)
    assert found.verdict == ALIGNED
    assert found.band.low <= found.threshold <= found.band.high
    before = decided_errors(labels, scores, frozen)
    after = decided_errors(labels, scores, found.band)
    assert max(before) > 0.02
    assert max(after) < 0.015  # stated: .01
    assert found.share_uncertain == pytest.approx(np.mean(found.band.refers(scores)))
    assert found.share_uncertain_frozen == pytest.approx(np.mean(frozen.refers(scores)))


def test_the_threshold_is_aligned_alike_with_and_without_a_band(model, frozen):
    scores = site(model, 1.5)[1]
    without = align(model, scores, None)
    assert (without.band, without.share_uncertain, without.share_uncertain_frozen) == (None,) * 3
    assert without.threshold == align(model, scores, frozen).threshold


@pytest.fixture(scope="module")
def explained(model) -> Explained:
    reference = Reference.from_probabilities(model.reference.normal, model.reference.pneumonia)
    return Explained(site(model, 1.5)[1], reference, 0.6)


def test_an_end_at_the_threshold_stays_at_it(model, explained):
    band = DecisionBand(low=model.threshold, high=model.threshold)
    carried = carry_band(band, model.threshold, 0.75, explained, [explained])
    assert (carried.low, carried.high) == (0.75, 0.75)


def test_an_end_that_refers_everything_still_does(model, explained):
    band = DecisionBand(low=0.0, high=NO_SCORE)
    carried = carry_band(band, model.threshold, 0.75, explained, [explained])
    assert (carried.low, carried.high) == (0.0, pytest.approx(NO_SCORE))
    assert carried.refers([0.0, 1.0]).all()


def test_the_band_narrows_only_as_far_as_the_interval_is_sure_of(model, frozen, explained):
    """One resample in ten has other scores: the mean of all moves little, the interval does."""
    unlike = Explained(site(model, 0.0)[1], explained.reference, 0.6)
    sure = carry_band(frozen, model.threshold, 0.99, explained, [explained] * 10)
    unsure = carry_band(frozen, model.threshold, 0.99, explained, [explained] * 9 + [unlike])
    assert frozen.low < unsure.low < sure.low
    assert unsure.high == sure.high > frozen.high


def test_the_band_holds_a_threshold_that_was_held_back(model, frozen, explained):
    carried = carry_band(frozen, model.threshold, frozen.low / 2, explained, [explained])
    assert carried.low == pytest.approx(frozen.low / 2)
    assert carried.high > frozen.high
