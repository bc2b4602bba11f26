"""Confusion matrix and calibration of the test split as pictures."""

from __future__ import annotations

import numpy as np

from contract import features
from evaluation.intervals import wilson_interval
from evaluation.reliability import Reliability
from evaluation.slice_metrics import SliceMetrics
from report.page.drawing import (
    COLOURS,
    HEIGHT_INCHES,
    WIDTH_INCHES,
    create_figure,
    style,
    svg_uri,
)
from report.page.estimate_cells import describe_estimate, format_interval
from report.page.parts import Picture

_LEGEND_INCHES = 0.2


def draw_confusion_matrix(metrics: SliceMetrics) -> Picture:
    """Draw truth against call, each cell with its count and its share of the truth."""
    counts = ((metrics.tn, metrics.fp), (metrics.fn, metrics.tp))
    with style():
        figure, axes = create_figure()
        shares = [[count / max(1, sum(line)) for count in line] for line in counts]
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        for down, line in enumerate(counts):
            for across, count in enumerate(line):
                share = shares[down][across]
                axes.text(
                    across,
                    down,
                    f"{count:,}\n{share:.1%}\n{_interval(count, sum(line))}",
                    ha="center",
                    va="center",
                    color="white" if share > 0.5 else "black",
                    fontsize=9,
                )
        axes.set_xticks((0, 1), features.LABELS)
        axes.set_yticks((0, 1), features.LABELS, rotation=90, va="center")
        axes.set(title="Confusion matrix", xlabel="called", ylabel="truth")
        axes.tick_params(length=0)
        source = svg_uri(figure)
    negatives = metrics.n - metrics.positives
    return Picture(
        source,
        f"Confusion matrix: of {metrics.positives} images with pneumonia {metrics.tp} were called "
        f"pneumonia and {metrics.fn} normal; of {negatives} normal images {metrics.tn} were called "
        f"normal and {metrics.fp} pneumonia.",
        f"Share of each row with its 95% interval; normal n = {negatives:,}, pneumonia "
        f"n = {metrics.positives:,}.",
    )


def draw_calibration(reliability: Reliability, num_images: int) -> Picture:
    """Draw the observed share of pneumonia over the probability, and the bins' images below."""
    bins = reliability.bins
    means = np.array([entry.mean_probability for entry in bins])
    observed = np.array([entry.observed.value for entry in bins], dtype=float)
    lows = np.array([entry.observed.low for entry in bins], dtype=float)
    highs = np.array([entry.observed.high for entry in bins], dtype=float)
    with style():
        figure, axes = create_figure(WIDTH_INCHES, HEIGHT_INCHES + _LEGEND_INCHES)
        axes.plot((0, 1), (0, 1), color="#767676", linewidth=0.8, linestyle=":", label="ideal")
        axes.errorbar(
            means,
            observed,
            yerr=(observed - lows, highs - observed),
            color=COLOURS[0],
            linewidth=0.6,
            elinewidth=1.2,
            label="bins, 95% intervals",
        )
        # So that a bin of two images does not look like one of two hundred.
        areas = [6.0 + 120.0 * entry.n / num_images for entry in bins]
        axes.scatter(means, observed, s=areas, color=COLOURS[0], zorder=3)
        axes.set(title="Calibration", ylabel="share of pneumonia")
        axes.set(xlabel="probability of pneumonia", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        source = svg_uri(figure)
    told = "; ".join(
        f"{entry.mean_probability:.2f} means {entry.observed.value:.2f} of {entry.n}"
        for entry in bins
    )
    error = describe_estimate(reliability.error)
    return Picture(
        source,
        f"Calibration curve in {len(bins)} bins, mean probability against the observed share of "
        f"pneumonia: {told}. Expected calibration error {error}.",
        f"Expected calibration error {error}, n = {num_images:,}. A perfectly calibrated model "
        "would show "
        f"{format_interval(reliability.calibrated_low, reliability.calibrated_high)} on as many. "
        "The larger a dot, the more images.",
    )


def _interval(successes: int, trials: int) -> str:
    interval = wilson_interval(successes, trials)
    return "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}"
