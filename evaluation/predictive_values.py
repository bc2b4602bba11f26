"""What a call is worth where the disease is as frequent as stated."""

from __future__ import annotations

import math

from evaluation.intervals import CONFIDENCE_Z
from evaluation.slice_metrics import Estimate, SliceMetrics

_Z_SQUARED = CONFIDENCE_Z**2


def positive_predictive_value(metrics: SliceMetrics, prevalence: float) -> Estimate:
    """Return the share of true pneumonia among the images called pneumonia, by Bayes' rule.

    Sensitivity and specificity are the split's, the prevalence is given. The interval is the
    logit interval of N. D. Mercaldo, K. F. Lau and X. H. Zhou, "Confidence intervals for
    predictive values with an emphasis to case-control studies", Statistics in Medicine 26
    (2007), 2170-2183; where a cell of the confusion matrix is 0 it is their adjusted one.

    Args:
        metrics: Whose sensitivity and specificity.
        prevalence: Share of pneumonia among those examined, in (0, 1).

    Returns:
        The value with its 95% interval; undefined where a class is absent or nothing was called.

    Raises:
        ValueError: The prevalence is not in (0, 1).
    """
    return _predictive_value(metrics.tp, metrics.fn, metrics.fp, metrics.tn, prevalence)


def negative_predictive_value(metrics: SliceMetrics, prevalence: float) -> Estimate:
    """Return the share of truly normal images among those called normal.

    See `positive_predictive_value`: it is the same question with the classes changed over.
    """
    return _predictive_value(metrics.tn, metrics.fp, metrics.fn, metrics.tp, 1.0 - prevalence)


def _predictive_value(
    called: int, missed: int, falsely_called: int, rightly_left: int, share: float
) -> Estimate:
    """Return the predictive value of a call for a class that has this share of the images."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"expected a prevalence in (0, 1), got {share}")
    members, others = float(called + missed), float(falsely_called + rightly_left)
    if not members or not others or not called + falsely_called:
        return Estimate()
    true_calls = share * called / members
    value = true_calls / (true_calls + (1.0 - share) * falsely_called / others)
    hit_rate, alarm_rate = called / members, falsely_called / others
    if 0 in (called, missed, falsely_called, rightly_left):
        # Agresti and Coull's: half of z squared is added to successes and to failures.
        members, others = members + _Z_SQUARED, others + _Z_SQUARED
        hit_rate = (called + _Z_SQUARED / 2.0) / members
        alarm_rate = (falsely_called + _Z_SQUARED / 2.0) / others
    centre = math.log(share * hit_rate / ((1.0 - share) * alarm_rate))
    variance = (1.0 - hit_rate) / (hit_rate * members) + (1.0 - alarm_rate) / (alarm_rate * others)
    half_width = CONFIDENCE_Z * math.sqrt(variance)
    low, high = _sigmoid(centre - half_width), _sigmoid(centre + half_width)
    # The adjusted interval does not reach a value of exactly 0 or 1.
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
