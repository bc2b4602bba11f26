"""How the report writes figures and their intervals."""

from __future__ import annotations

from scipy.special import expit

from evaluation.slice_metrics import Estimate
from report.page.parts import Cell

UNDEFINED = "–"
_SMALLEST, _LARGEST = 0.0005, 0.9995  # probabilities that three decimals would round to certainty


def format_figure(value: float | None) -> str:
    """Write a figure with three decimals; a dash where it is undefined."""
    return UNDEFINED if value is None else f"{value:.3f}"


def format_probability(probability: float) -> str:
    """Write a probability of one image with three decimals, never as 0.000 or 1.000."""
    if probability < _SMALLEST:
        return "below 0.001"
    if probability >= _LARGEST:
        return "above 0.999"
    return f"{probability:.3f}"


def format_log_odds(log_odds: float) -> str:
    """Write log-odds as a probability, with the log-odds themselves behind it."""
    return f"{format_probability(float(expit(log_odds)))} (log-odds {log_odds:+.1f})"


def format_interval(low: float | None, high: float | None) -> str:
    """Write an interval; "" where there is none."""
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def estimate_cell(estimate: Estimate, n: int | None = None) -> Cell:
    """Return a figure with its 95% interval, and the n that it rests on where given."""
    details = [format_interval(estimate.low, estimate.high)] if estimate.low is not None else []
    if n is not None:
        details.append(f"n = {n:,}")
    return Cell(format_figure(estimate.value), ", ".join(details))


def describe_estimate(estimate: Estimate) -> str:
    """Return a figure and its 95% interval in words, for an image's alternative text."""
    if estimate.value is None:
        return "undefined"
    return f"{estimate.value:.3f} ({format_interval(estimate.low, estimate.high)})"
