"""How the report writes figures and their intervals."""

from __future__ import annotations

from components.report.parts import Cell
from models.slice_metrics import Estimate

UNDEFINED = "–"


def format_figure(value: float | None) -> str:
    """Write a figure with three decimals; a dash where it is undefined."""
    return UNDEFINED if value is None else f"{value:.3f}"


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
