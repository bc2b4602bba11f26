"""The figures of external sets as tables."""

from __future__ import annotations

from collections.abc import Mapping

from contract import features
from evaluation.external import PERCENTILES, ClassScores, ExternalSet, Referral
from evaluation.slice_metrics import SliceMetrics
from report.page.estimate_cells import (
    UNDEFINED,
    estimate_cell,
    format_figure,
    format_probability,
)
from report.page.parts import Cell, Table

TEST_SPLIT = "test split"


def figures_table(sets: Mapping[str, ExternalSet], test: SliceMetrics) -> Table:
    """Return one set a line, below the test split.

    Args:
        sets: By name.
        test: All of the test split, to compare with.
    """
    rows: list[tuple[Cell | str, ...]] = [(Cell(TEST_SPLIT, "to compare"), *_figures(test, None))]
    rows += [
        (Cell(name, f"{each.num_patients:,} patients"), *_figures(each.metrics, each))
        for name, each in sets.items()
    ]
    return Table(
        "All images, at the threshold that the model ships, with 95% intervals: Wilson's for "
        "sensitivity and specificity, Newcombe's for the AUC. A dash: there is no image of a class "
        "that the figure needs, or it is not measured here.",
        (
            "Set",
            "n",
            "Pneumonia",
            "Sensitivity",
            "Specificity",
            "AUC",
            "Calibration error",
            "Brier",
        ),
        tuple(rows),
    )


def _figures(metrics: SliceMetrics, external: ExternalSet | None) -> tuple[Cell | str, ...]:
    return (
        f"{metrics.n:,}",
        f"{metrics.positives:,}",
        estimate_cell(metrics.recall),
        estimate_cell(metrics.specificity),
        estimate_cell(metrics.auc),
        UNDEFINED if external is None else format_figure(external.calibration_error),
        format_figure(metrics.brier),
    )


def referral_table(referrals: Mapping[str, Referral]) -> Table:
    """Return what is referred to a person, and the figures of the rest, one set a line."""
    return Table(
        "Referred to a person by the model's own decision, and the images that it decides, with "
        "95% Wilson intervals.",
        (
            "Set",
            "Referred",
            *(f"Of {label}" for label in features.LABELS),
            "Unlike training",
            "Decided",
            "Sensitivity of these",
            "Specificity of these",
        ),
        tuple(
            (
                name,
                estimate_cell(each.referred),
                *(estimate_cell(each.referred_by_label[label]) for label in features.LABELS),
                UNDEFINED if each.unfamiliar is None else estimate_cell(each.unfamiliar),
                f"{each.decided.n:,}",
                estimate_cell(each.decided.recall),
                estimate_cell(each.decided.specificity),
            )
            for name, each in referrals.items()
        ),
    )


def percentiles_table(scores: Mapping[str, ClassScores | None]) -> Table:
    """Return the probabilities' percentiles, one class a line."""
    return Table(
        "Percentiles of the probability of pneumonia; 0 and 100 are the lowest and the highest.",
        ("Class", "n", "Mean", *(f"{each}%" for each in PERCENTILES)),
        tuple(
            (
                label,
                f"{each.n:,}",
                format_figure(each.mean_probability),
                *(
                    format_probability(each.percentiles[str(percentile)])
                    for percentile in PERCENTILES
                ),
            )
            for label, each in scores.items()
            if each is not None
        ),
    )
