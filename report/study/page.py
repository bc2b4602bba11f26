"""The study's page: one file that needs nothing else, for a screen of any width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from evaluation.slice_metrics import Estimate
from report.candidates.recipe import METRICS, describe_recipe, draw_learning_curve
from report.confusion_matrix import draw_confusion_matrix
from report.page.drawing import COLOURS, DASHES, create_figure, style, svg_uri
from report.page.page import html_environment
from report.page.parts import Picture
from report.study.table import NUM_NORMAL, NUM_PNEUMONIA, RocCurve, StudyRow, StudyTable

TEMPLATE = "page.html.jinja"
_FAMILY_TITLES = {
    "dense": "fully connected networks",
    "convolutional": "convolutional networks",
    "residual": "residual networks",
    "pretrained": "networks on a pretrained backbone",
}


def render_page(table: StudyTable) -> str:
    """Render the table with its figures.

    Args:
        table: At least one row.

    Returns:
        HTML; every figure is in it, and every text of the configuration is escaped.
    """
    environment = html_environment(Path(__file__).parent)
    environment.filters |= {
        "figure": _format_figure,
        "interval": _format_interval,
        "difference": _format_difference,
    }
    page = environment.get_template(TEMPLATE).render(
        table=table,
        num_official=NUM_NORMAL + NUM_PNEUMONIA,
        roc_pictures=_roc_pictures(table),
        pictures={row.name: _pictures(row) for row in table.rows},
        recipes={row.name: _recipe(row) for row in table.rows},
    )
    return page + "\n"


def _recipe(row: StudyRow) -> str:
    return describe_recipe(
        row.candidate,
        num_parameters=row.num_parameters,
        num_epochs=row.num_epochs,
        kept_epoch=row.kept_epoch,
        training_s=row.training_s,
    )


def _pictures(row: StudyRow) -> list[Picture]:
    curves = [
        draw_learning_curve(row.name, row.history, metric, row.kept_epoch) for metric in METRICS
    ]
    return [*curves, draw_confusion_matrix(row.as_study, of=row.name)]


def _roc_pictures(table: StudyTable) -> list[Picture]:
    by_family = {
        title: [row for row in table.rows if row.family == family]
        for family, title in _FAMILY_TITLES.items()
    }
    return [draw_roc_curves(title, rows) for title, rows in by_family.items() if rows]


def _format_figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _format_interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{estimate.low:.3f}, {estimate.high:.3f}]"


def _format_difference(ours: float | None, published: float) -> str:
    if ours is None:
        return "-"
    # U+2212 is as wide as the plus sign, and screen readers say "minus".
    return f"{ours - published:+.3f}".replace("-", "\N{MINUS SIGN}")


_ROC_WIDTH_INCHES, _LEGEND_LINE_INCHES = 4.2, 0.22


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
