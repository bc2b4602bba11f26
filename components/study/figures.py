"""The figures of the study's page, each as an SVG with a text that says what it shows."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from components.study.table import RocCurve, StudyRow
from models.slice_metrics import SliceMetrics

_WIDTH_INCHES, _HEIGHT_INCHES = 3.4, 2.7
_ROC_WIDTH_INCHES, _LEGEND_LINE_INCHES = 4.2, 0.22
# Okabe and Ito's palette, which people with any colour vision tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
_DASHES = ("-", "--", "-.", ":")


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure as a page embeds it.

    Attributes:
        source: A data URI; nothing is fetched.
        alt: What it shows, in words, for who does not see it.
    """

    source: str
    alt: str


def draw_curve(row: StudyRow, metric: str) -> Picture:
    """Draw a metric of train and validation by epoch.

    Args:
        row: The candidate.
        metric: A key of its history that has a `val_` twin, such as `loss`.
    """
    train, validation = row.history[metric], row.history[f"val_{metric}"]
    with _style():
        figure, axes = _create_figure()
        epochs = range(1, len(train) + 1)
        marker = "o" if len(train) == 1 else None
        axes.plot(epochs, train, "--", color=_COLOURS[1], label="train", marker=marker)
        axes.plot(epochs, validation, "-", color=_COLOURS[0], label="validation", marker=marker)
        axes.axvline(row.kept_epoch, color="#767676", linestyle=":", label="kept weights")
        axes.set(title=metric.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if metric != "loss":
            axes.set_ylim(-0.03, 1.03)
        axes.legend(frameon=False, fontsize=8)
        source = _to_data_uri(figure)
    return Picture(
        source,
        f"{metric.capitalize()} of {row.name}, epochs 1 to {len(train)}: on train from "
        f"{train[0]:.3f} to {train[-1]:.3f}, on validation from {validation[0]:.3f} to "
        f"{validation[-1]:.3f}, there lowest {min(validation):.3f} and highest "
        f"{max(validation):.3f}; the weights of epoch {row.kept_epoch} were kept.",
    )


def draw_confusion_matrix(name: str, metrics: SliceMetrics) -> Picture:
    """Draw truth against prediction, each cell with its count and its share of the truth."""
    counts = ((metrics.tn, metrics.fp), (metrics.fn, metrics.tp))
    classes = ("normal", "pneumonia")
    with _style():
        figure, axes = _create_figure()
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
        source = _to_data_uri(figure)
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
    with _style():
        figure, axes = _create_figure(
            _ROC_WIDTH_INCHES, _ROC_WIDTH_INCHES * 0.75 + _LEGEND_LINE_INCHES * len(rows)
        )
        for number, row in enumerate(rows):
            _add_roc_curve(axes, row.roc, number, f"{row.name}, AUC {areas[row.name]}")
        axes.plot((0, 1), (0, 1), color="#b0b0b0", linewidth=0.8)
        axes.set(title=title, xlabel="1 - specificity", ylabel="recall")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        figure.legend(loc="outside lower center", frameon=False, fontsize=8)
        source = _to_data_uri(figure)
    told = ", ".join(f"{name} {area}" for name, area in areas.items())
    return Picture(source, f"ROC curves on test, {title}. Area under each curve: {told}.")


def _add_roc_curve(axes: Axes, roc: RocCurve, number: int, label: str) -> None:
    axes.plot(
        roc.false_alarm_rates,
        roc.recalls,
        color=_COLOURS[number % len(_COLOURS)],
        linestyle=_DASHES[number % len(_DASHES)],
        label=label,
    )


def _format_area(row: StudyRow) -> str:
    area = row.as_study.auc.value
    return "undefined" if area is None else f"{area:.3f}"


def _style() -> AbstractContextManager[None]:
    return matplotlib.rc_context(
        {
            "font.size": 10.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.fonttype": "path",  # text as outlines: the same whatever fonts a phone has
            "svg.hashsalt": "study",  # the same figure has the same bytes
        }
    )


def _create_figure(
    width_inches: float = _WIDTH_INCHES, height_inches: float = _HEIGHT_INCHES
) -> tuple[Figure, Axes]:
    # Not through pyplot, which keeps what it has drawn.
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    return figure, figure.add_subplot()


def _to_data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
