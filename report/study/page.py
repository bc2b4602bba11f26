"""The study's page: one file that needs nothing else, for a screen of any width."""

from __future__ import annotations

from pathlib import Path

from evaluation.slice_metrics import Estimate
from report.candidates.learning_curves import METRICS, draw_learning_curve
from report.candidates.recipe import describe_recipe
from report.page.parts import Picture
from report.page.templates import html_environment
from report.study.figures import draw_confusion_matrix, draw_roc_curves
from report.study.published import NUM_NORMAL, NUM_PNEUMONIA
from report.study.table import StudyRow, StudyTable

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
        is_pretrained=row.family == "pretrained",
    )


def _pictures(row: StudyRow) -> list[Picture]:
    curves = [
        draw_learning_curve(row.name, row.history, metric, row.kept_epoch) for metric in METRICS
    ]
    return [*curves, draw_confusion_matrix(row.name, row.as_study)]


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
