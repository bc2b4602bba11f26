"""Sensitivity and specificity over the threshold."""

from __future__ import annotations

import numpy as np

from evaluation.intervals import wilson_interval
from evaluation.slice_metrics import OVERALL, slice_metrics_from_predictions
from evaluation.threshold_curves import measure_threshold_curves


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
