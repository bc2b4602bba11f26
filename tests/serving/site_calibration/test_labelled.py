"""Thresholds from labelled images, and the gate's rules for them."""

from __future__ import annotations

import numpy as np
import pytest

from contract.settings import GateSettings, ReferralSettings, SiteCalibrationSettings
from evaluation.decision_band import choose_decision_band
from evaluation.intervals import wilson_interval
from evaluation.operating_point import choose_operating_point
from serving.site_calibration.labelled import (
    RECHOSEN,
    REFUSED,
    choose_for_site,
    measure,
    more_cases,
)
from serving.site_calibration.text import _referral
from tests.serving.site_calibration.simulation import draw_labels, draw_log_odds, train

SETTINGS = SiteCalibrationSettings(num_resamples=100)
GATE = GateSettings()


def site(number: int, prevalence: float = 0.6, offset: float = 2.0, separation: float = 8.0):
    rng = np.random.default_rng(5)
    model = train(np.random.default_rng(1))
    labels = draw_labels(rng, number, prevalence)
    return model, labels, model.probabilities(draw_log_odds(rng, labels, separation) + offset)


def choose(model, labels, scores, **changes):
    arguments = {"target_sensitivity": 0.955, "settings": SETTINGS, "gate": GATE, **changes}
    return choose_for_site(labels, scores, model.threshold, **arguments)


def test_the_threshold_is_chosen_as_on_validation():
    model, labels, scores = site(500)
    found = choose(model, labels, scores)
    point = choose_operating_point(labels, scores, 0.955)
    assert (found.verdict, found.threshold) == (RECHOSEN, point.threshold)
    assert found.reaches_target
    assert found.threshold_low < found.threshold < found.threshold_high
    assert found.rechosen.recall.value == point.sensitivity
    assert found.rechosen.specificity.value == point.specificity
    # The scores have risen: the frozen threshold calls too many.
    assert found.frozen.specificity.high < found.rechosen.specificity.value


def test_a_hundred_images_can_pass_the_gate_without_reaching_the_target():
    model, labels, scores = site(120, prevalence=0.5)
    found = choose(model, labels, scores)
    assert found.verdict == RECHOSEN
    assert not found.reaches_target
    assert found.rechosen.recall.low >= GATE.min_recall_lower_bound


def test_too_few_cases_are_refused_with_how_many_more_are_needed():
    model, labels, scores = site(130, prevalence=0.15)
    found = choose(model, labels, scores)
    assert found.verdict == REFUSED
    (reason,) = found.reasons
    assert "lower 95% bound of recall" in reason
    assert f"{found.more_cases_for_gate} more cases of pneumonia" in reason
    recall = found.rechosen.recall
    enough = recall.number + found.more_cases_for_gate
    assert wilson_interval(round(recall.value * enough), enough)[0] >= 0.9
    assert wilson_interval(round(recall.value * (enough - 1)), enough - 1)[0] < 0.9


@pytest.mark.parametrize(
    ("number", "prevalence", "reason"),
    [
        (99, 0.5, "too few labelled images: 99, expected at least 100"),
        (120, 0.0, "no image is labelled pneumonia"),
        (120, 1.0, "no image is labelled normal"),
    ],
)
def test_what_cannot_be_chosen_on_is_refused_and_still_measured(number, prevalence, reason):
    model, labels, scores = site(number, prevalence)
    found = choose(model, labels, scores)
    assert (found.verdict, found.threshold) == (REFUSED, None)
    assert reason in found.reasons[0]
    assert found.frozen == measure(labels, scores, model.threshold)


def test_the_gates_bounds_count():
    model, labels, scores = site(500)
    found = choose(model, labels, scores, gate=GateSettings(min_recall_lower_bound=0.99))
    assert found.verdict == REFUSED
    assert "gate.min_recall_lower_bound" in found.reasons[0]


@pytest.mark.parametrize(("recall", "number", "width"), [(0.96, 60, 0.05), (1.0, 50, 0.05)])
def test_more_cases_are_the_fewest_that_make_the_interval_narrow(recall, number, width):
    more = more_cases(recall, number, width)
    assert more > 0

    def width_with(cases: int) -> float:
        low, high = wilson_interval(round(recall * cases), cases)
        return high - low

    assert width_with(number + more) <= width < width_with(number + more - 1)


def test_enough_cases_need_no_more_and_impossible_widths_have_no_number():
    assert more_cases(0.96, 5000, 0.05) == 0
    assert more_cases(0.5, 50, 0.0001) is None


def test_figures_of_a_class_that_is_missing_are_none():
    figures = measure([1, 1, 1], [0.2, 0.6, 0.8], 0.5)
    assert figures.specificity is None
    assert (figures.recall.value, figures.recall.number) == (2 / 3, 3)
    assert figures.accuracy.value == 2 / 3


def test_the_band_is_chosen_as_on_validation():
    model, labels, scores = site(600)
    found = choose(model, labels, scores, referral=ReferralSettings())
    band = choose_decision_band(labels, scores, found.threshold, ReferralSettings())
    assert found.band == band
    outside = ~band.refers(scores)
    assert 0 < outside.sum() < outside.size
    assert found.decided == measure(labels[outside], scores[outside], found.threshold)
    assert found.decided.accuracy.value > found.rechosen.accuracy.value
    without = choose(model, labels, scores)
    assert (without.band, without.decided) == (None, None)
    assert without.threshold == found.threshold


def test_too_few_cases_to_state_the_error_refer_that_side_and_say_how_many_it_takes():
    model, labels, scores = site(200, prevalence=0.7)
    num_normal = int(np.sum(~labels))
    assert num_normal < 99 < labels.sum()
    found = choose(model, labels, scores, referral=ReferralSettings())
    assert found.band.low > 0.0
    assert found.band.refers(scores[scores >= found.threshold]).all()
    told = [
        "  No score is certain enough to be called pneumonia: an error of 0.01 takes 99 labelled "
        f"normal images, got {num_normal}"
    ]
    assert [line for line in _referral(found) if "certain enough" in line] == told
