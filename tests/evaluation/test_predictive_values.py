"""Predictive values at a stated prevalence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.predictive_values import (
    negative_predictive_value,
    positive_predictive_value,
)
from evaluation.slice_metrics import Estimate, slice_metrics_from_counts


def _metrics(tp, fp, tn, fn):
    return slice_metrics_from_counts(
        tp=tp, fp=fp, tn=tn, fn=fn, auc=None, mean_probability=None, brier=None, log_loss=None
    )


def test_values_are_bayes_rule():
    metrics = _metrics(tp=90, fp=20, tn=80, fn=10)
    # Of 1,000 children 100 are ill: 90 of them and 180 healthy ones are called.
    assert positive_predictive_value(metrics, 0.1).value == pytest.approx(90 / 270)
    assert negative_predictive_value(metrics, 0.1).value == pytest.approx(720 / 730)


def test_at_the_splits_own_prevalence_it_is_the_splits_precision():
    metrics = _metrics(tp=90, fp=20, tn=30, fn=10)
    assert positive_predictive_value(metrics, 100 / 150).value == pytest.approx(90 / 110)
    assert negative_predictive_value(metrics, 100 / 150).value == pytest.approx(30 / 40)


def test_interval_is_the_logit_interval():
    estimate = positive_predictive_value(_metrics(tp=90, fp=20, tn=80, fn=10), 0.1)
    logit = math.log(0.1 * 0.9 / (0.9 * 0.2))
    half_width = 1.959964 * math.sqrt(0.1 / (0.9 * 100) + 0.8 / (0.2 * 100))
    for bound, sign in ((estimate.low, -1), (estimate.high, 1)):
        assert math.log(bound / (1 - bound)) == pytest.approx(logit + sign * half_width, abs=1e-5)


@pytest.mark.parametrize("cells", [(50, 0, 40, 5), (50, 3, 40, 0), (0, 3, 40, 50), (50, 0, 40, 0)])
def test_an_empty_cell_leaves_an_interval_that_holds_the_value(cells):
    estimates = [
        predict(_metrics(*cells), 0.2)
        for predict in (positive_predictive_value, negative_predictive_value)
    ]
    for estimate in estimates:
        assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
        assert estimate.low < estimate.high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(5)
    truth = 0.05 * 0.95 / (0.05 * 0.95 + 0.95 * 0.2)
    hits, alarms = generator.binomial(400, 0.95, 2000), generator.binomial(200, 0.2, 2000)
    estimates = [
        positive_predictive_value(_metrics(int(tp), int(fp), 200 - int(fp), 400 - int(tp)), 0.05)
        for tp, fp in zip(hits, alarms, strict=True)
    ]
    covered = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
    assert 0.93 < covered < 0.97


def test_it_is_undefined_without_a_class_or_a_call():
    assert positive_predictive_value(_metrics(5, 0, 0, 1), 0.1) == Estimate()
    assert positive_predictive_value(_metrics(0, 0, 5, 5), 0.1) == Estimate()
    assert negative_predictive_value(_metrics(5, 5, 0, 0), 0.1) == Estimate()


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1])
def test_an_impossible_prevalence_is_refused(prevalence):
    with pytest.raises(ValueError, match=r"expected a prevalence in \(0, 1\)"):
        positive_predictive_value(_metrics(5, 5, 5, 5), prevalence)
