"""How a log-odds is written for people."""

from __future__ import annotations

from scipy.special import expit

_SMALLEST, _LARGEST = 0.0005, 0.9995  # what three decimals would round to certainty


def format_probability(log_odds: float) -> str:
    """Write the probability of a log-odds with three decimals, never as 0.000 or 1.000."""
    probability = float(expit(log_odds))
    if probability < _SMALLEST:
        return "below 0.001"
    if probability >= _LARGEST:
        return "above 0.999"
    return f"{probability:.3f}"


def format_answer(log_odds: float) -> str:
    """Write a log-odds as a probability of pneumonia, with the log-odds itself."""
    return f"{format_probability(log_odds)} (log-odds {log_odds:+.1f})"
