"""The performance section's figures: curves, confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from evaluation.curves import Band, Curves, Reliability, ThresholdCurves
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


def draw_roc(curves: Curves, metrics: SliceMetrics) -> Picture:
    """Draw sensitivity over the false-alarm rate, with the chance line."""

    def draw(axes: Axes) -> None:
        _add_band(axes, curves.roc, COLOURS[0], "-", "ROC curve, 95% band")
        axes.plot((0, 1), (0, 1), color="#767676", linewidth=0.8, linestyle=":", label="chance")
        if metrics.recall.value is not None and metrics.specificity.value is not None:
            point = (1.0 - metrics.specificity.value, metrics.recall.value)
            _add_operating_point(axes, *point)
        axes.set(xlabel="1 - specificity", ylabel="sensitivity")
        axes.legend(loc="lower right", frameon=False, fontsize=8)

    return Picture(
        _drawn(draw, "ROC curve"),
        f"ROC curve of {metrics.n} images with a 95% band. Area under it "
        f"{describe_estimate(metrics.auc)}. At the operating point sensitivity is "
        f"{describe_estimate(metrics.recall)} and specificity "
        f"{describe_estimate(metrics.specificity)}.",
        f"Area {describe_estimate(metrics.auc)}, n = {metrics.n:,}.",
    )


def draw_precision_recall(curves: Curves, metrics: SliceMetrics) -> Picture:
    """Draw precision over sensitivity, with the share of pneumonia as the chance line."""

    def draw(axes: Axes) -> None:
        _add_band(axes, curves.precision_recall, COLOURS[0], "-", "precision, 95% band")
        if metrics.prevalence is not None:
            axes.axhline(
                metrics.prevalence, color="#767676", linewidth=0.8, linestyle=":", label="chance"
            )
        if metrics.recall.value is not None and metrics.precision.value is not None:
            point = (metrics.recall.value, metrics.precision.value)
            _add_operating_point(axes, *point)
        axes.set(xlabel="sensitivity (recall)", ylabel="precision")
        axes.legend(loc="lower left", frameon=False, fontsize=8)

    area = describe_estimate(curves.average_precision)
    return Picture(
        _drawn(draw, "Precision and recall"),
        f"Precision over sensitivity of {metrics.n} images, {metrics.positives} of them with "
        f"pneumonia, with a 95% band. Average precision {area}. At the operating point precision "
        f"is {describe_estimate(metrics.precision)} at a sensitivity of "
        f"{describe_estimate(metrics.recall)}.",
        f"Average precision {area}, n = {metrics.n:,}.",
    )


def draw_threshold_curves(
    curves: ThresholdCurves, threshold: float, metrics: SliceMetrics
) -> Picture:
    """Draw sensitivity and specificity over the threshold, the shipped one marked."""

    def draw(axes: Axes) -> None:
        _add_steps(axes, curves.sensitivity, COLOURS[0], "-", "sensitivity")
        _add_steps(axes, curves.specificity, COLOURS[2], "--", "specificity")
        axes.axvline(threshold, color=COLOURS[1], linestyle="-.", label=f"shipped, {threshold:.3f}")
        axes.set(xlabel="threshold of the probability", ylabel="rate")
        axes.legend(loc="lower center", frameon=False, fontsize=8)

    negatives = metrics.n - metrics.positives
    return Picture(
        _drawn(draw, "Rates by threshold"),
        f"Sensitivity and specificity over the threshold with 95% bands. At the shipped threshold "
        f"of {threshold:.3f} sensitivity is {describe_estimate(metrics.recall)} and specificity "
        f"{describe_estimate(metrics.specificity)}.",
        f"Pneumonia n = {metrics.positives:,}, normal n = {negatives:,}.",
    )


def _drawn(draw: Callable[[Axes], None], title: str) -> str:
    with style():
        figure, axes = create_figure()
        draw(axes)
        axes.set(title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        return svg_uri(figure)


def _add_operating_point(axes: Axes, x: float, y: float) -> None:
    axes.plot(x, y, "o", color=COLOURS[1], label="operating point", zorder=3)


def _add_band(axes: Axes, band: Band, colour: str, dashes: str, label: str) -> None:
    axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(band.x, band.value, color=colour, linestyle=dashes, label=label)


def _add_steps(axes: Axes, band: Band, colour: str, dashes: str, label: str) -> None:
    # A rate at a threshold holds down to the next lower probability.
    axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.2, linewidth=0, step="pre")
    axes.step(band.x, band.value, where="pre", color=colour, linestyle=dashes, label=label)


_LEGEND_INCHES = 0.2


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
