"""The curves of the test split as pictures, the operating point marked."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes

from evaluation.curve_band import Band
from evaluation.curves import Curves
from evaluation.slice_metrics import SliceMetrics
from evaluation.threshold_curves import ThresholdCurves
from report.page.drawing import COLOURS, create_figure, style, svg_uri
from report.page.estimate_cells import describe_estimate
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
