"""The figures of the study's page, each as an SVG with a text that says what it shows."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from evaluation.slice_metrics import SliceMetrics
from report.page.drawing import COLOURS, DASHES, create_figure, style, svg_uri
from report.page.parts import Picture
from report.study.table import RocCurve, StudyRow

_ROC_WIDTH_INCHES, _LEGEND_LINE_INCHES = 4.2, 0.22


def draw_confusion_matrix(name: str, metrics: SliceMetrics) -> Picture:
    """Draw truth against prediction, each cell with its count and its share of the truth."""
    counts = ((metrics.tn, metrics.fp), (metrics.fn, metrics.tp))
    classes = ("normal", "pneumonia")
    with style():
        figure, axes = create_figure()
        shares = [[count / max(1, sum(line)) for count in line] for line in counts]
        axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
        for down, line in enumerate(counts):
            for across, count in enumerate(line):
                share = shares[down][across]
                colour = "white" if share > 0.5 else "black"
                text = f"{count}\n{share:.1%}"
                axes.text(across, down, text, ha="center", va="center", color=colour)
        axes.set_xticks((0, 1), classes)
        axes.set_yticks((0, 1), classes, rotation=90, va="center")
        axes.set(title="Confusion matrix on test", xlabel="called", ylabel="truth")
        axes.tick_params(length=0)
        source = svg_uri(figure)
    return Picture(
        source,
        f"Confusion matrix of {name} on test: of {metrics.positives} images with pneumonia "
        f"{metrics.tp} were called pneumonia and {metrics.fn} normal; of "
        f"{metrics.n - metrics.positives} normal images {metrics.tn} were called normal and "
        f"{metrics.fp} pneumonia.",
    )


def draw_roc_curves(title: str, rows: Sequence[StudyRow]) -> Picture:
    """Draw the ROC curves of several candidates into one figure."""
    areas = {row.name: _format_area(row) for row in rows}
    with style():
        figure, axes = create_figure(
            _ROC_WIDTH_INCHES, _ROC_WIDTH_INCHES * 0.75 + _LEGEND_LINE_INCHES * len(rows)
        )
        for number, row in enumerate(rows):
            _add_roc_curve(axes, row.roc, number, f"{row.name}, AUC {areas[row.name]}")
        axes.plot((0, 1), (0, 1), color="#b0b0b0", linewidth=0.8)
        axes.set(title=title, xlabel="1 - specificity", ylabel="recall")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        figure.legend(loc="outside lower center", frameon=False, fontsize=8)
        source = svg_uri(figure)
    told = ", ".join(f"{name} {area}" for name, area in areas.items())
    return Picture(source, f"ROC curves on test, {title}. Area under each curve: {told}.")


def _add_roc_curve(axes: Axes, roc: RocCurve, number: int, label: str) -> None:
    axes.plot(
        roc.false_alarm_rates,
        roc.recalls,
        color=COLOURS[number % len(COLOURS)],
        linestyle=DASHES[number % len(DASHES)],
        label=label,
    )


def _format_area(row: StudyRow) -> str:
    area = row.as_study.auc.value
    return "undefined" if area is None else f"{area:.3f}"
