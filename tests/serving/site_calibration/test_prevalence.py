"""The prevalence at a site, by expectation-maximisation."""

from __future__ import annotations

import numpy as np
import pytest

from serving.site_calibration.prevalence import estimate_prevalence
from serving.site_calibration.shift import to_log_odds
from tests.serving.site_calibration.simulation import draw_labels, draw_log_odds, train


def by_iteration(probabilities: np.ndarray, reference_prevalence: float) -> float:
    """The published iteration, step by step."""
    p = probabilities.astype(float)
    prevalence = reference_prevalence
    for _ in range(20_000):
        case = p * prevalence / reference_prevalence
        normal = (1.0 - p) * (1.0 - prevalence) / (1.0 - reference_prevalence)
        prevalence = float(np.mean(case / (case + normal)))
    return prevalence


@pytest.mark.parametrize("prevalence", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("separation", [1.0, 8.0])
def test_it_is_where_the_published_iteration_converges(prevalence, separation):
    rng = np.random.default_rng(2)
    model = train(rng, separation=separation)
    labels = draw_labels(rng, 400, prevalence)
    scores = model.probabilities(draw_log_odds(rng, labels, separation))
    reference = model.reference.prevalence
    expected = by_iteration(scores, reference)
    found = estimate_prevalence(to_log_odds(scores), reference)
    assert found == pytest.approx(expected, abs=2e-4)


def test_it_follows_the_true_prevalence():
    rng = np.random.default_rng(3)
    model = train(rng, number=3000)
    for prevalence in (0.05, 0.3, 0.95):
        labels = draw_labels(rng, 3000, prevalence)
        scores = model.probabilities(draw_log_odds(rng, labels))
        found = estimate_prevalence(to_log_odds(scores), model.reference.prevalence)
        assert found == pytest.approx(labels.mean(), abs=0.02)


def test_scores_of_one_class_put_it_at_the_border():
    assert estimate_prevalence(np.full(50, 9.0), 0.7) == 1.0
    assert estimate_prevalence(np.full(50, -9.0), 0.7) == 0.0
