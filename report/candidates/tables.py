"""The candidates in tables: side by side, ranked, under stress, and what was tried for them."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.selection import Comparison, Selection
from evaluation.slice_metrics import OVERALL
from evaluation.training_report import TrainingReport
from report.candidates.recipe import kept_epoch
from report.candidates.trials import Trial
from report.page.estimate_cells import estimate_cell, format_figure, format_interval
from report.page.parts import Cell, Table

_NONE = "–"
MAX_TRIALS = 50  # shown


def overview_table(selection: Selection, reports: Sequence[TrainingReport]) -> Table:
    """Return one row per candidate, all figures on validation.

    Args:
        selection: The comparison.
        reports: Of the same candidates, in the rows' order.
    """
    compared = {entry.name: entry for entry in selection.candidates}
    first = reports[0].validation[OVERALL]
    return Table(
        f"On validation: {first.n:,} images, {first.positives:,} with pneumonia; 95% intervals.",
        (
            "Candidate",
            "Recall",
            "Specificity",
            "AUC",
            "Stressed specificity",
            "Stressed AUC",
            "Calibration error",
            "Epochs, time",
        ),
        tuple(
            (
                _name_cell(report, selection.selected),
                *_validation_cells(report),
                *_stressed_cells(report, compared[report.name]),
                Cell(
                    format_figure(report.calibration_error_after),
                    f"before {format_figure(report.calibration_error_before)}",
                ),
                _epochs_cell(report),
            )
            for report in reports
        ),
    )


def ranking_table(selection: Selection) -> Table:
    """Return what the choice compared, the best candidate first."""
    rows = tuple(
        (
            f"{rank}. {entry.name}",
            Cell("yes", tone="good") if entry.reaches_target else Cell("no", tone="bad"),
            f"{entry.recall_low:.3f}",
            f"{entry.mean_specificity:.3f}",
            f"{entry.mean_auc:.4f}",
            f"{entry.num_parameters:,}",
        )
        for rank, entry in enumerate(selection.candidates, start=1)
    )
    return Table(
        "The ranking; means of plain and stressed validation.",
        (
            "Rank",
            f"Reaches {selection.target_sensitivity:g}",
            "Recall's lower bound",
            "Mean specificity",
            "Mean AUC",
            "Parameters",
        ),
        rows,
    )


def stresses_table(report: TrainingReport) -> Table:
    """Return a candidate's figures on validation under each stress; it has at least one."""
    return Table(
        f"{report.name} on degraded validation images, with 95% intervals.",
        ("Stress", "Recall", "Specificity", "AUC"),
        tuple(
            (
                in_words(stress),
                estimate_cell(metrics.recall),
                estimate_cell(metrics.specificity),
                estimate_cell(metrics.auc),
            )
            for stress, metrics in report.stressed.items()
        ),
    )


def sites_table(report: TrainingReport) -> Table:
    """Return a candidate's figures on each pseudo-site of validation; it has at least one."""
    return Table(
        f"{report.name} on parts of validation, with 95% intervals. Left out: with a threshold "
        "that the same rule chose on the other parts.",
        (
            "Pseudo-site",
            "Recall",
            "Specificity",
            "Left out: threshold",
            "Left out: recall",
            "Left out: specificity",
        ),
        tuple(
            (
                Cell(in_words(site.group), site.scheme),
                estimate_cell(site.recall, site.positives),
                estimate_cell(site.specificity, site.negatives),
                format_figure(site.held_out_threshold),
                estimate_cell(site.held_out_recall),
                estimate_cell(site.held_out_specificity),
            )
            for site in report.pseudo_sites
        ),
    )


def trials_table(name: str, trials: Sequence[Trial]) -> Table:
    """Return a candidate's trials, in their order; at most `MAX_TRIALS`.

    Args:
        name: The candidate.
        trials: At least one.
    """
    shown = trials[:MAX_TRIALS]
    names = list(dict.fromkeys(key for trial in shown for key in trial.hyperparameters))
    more = f" {len(trials) - len(shown):,} more are not shown." if len(trials) > len(shown) else ""
    return Table(
        f"Search for {name}, by mean AUC of plain and stressed validation." + more,
        ("Place", "Score", *(in_words(key) for key in names)),
        tuple(
            (
                str(place),
                Cell("failed", tone="bad") if trial.score is None else f"{trial.score:.4f}",
                *(format_value(trial.hyperparameters.get(key)) for key in names),
            )
            for place, trial in enumerate(shown, start=1)
        ),
    )


def format_duration(duration_s: float) -> str:
    """Write seconds, from two minutes on as minutes, from two hours on as hours."""
    if duration_s < 120:
        number, unit = f"{duration_s:.0f}", "s"
    elif duration_s < 7200:
        number, unit = f"{duration_s / 60:.0f}", "min"
    else:
        number, unit = f"{duration_s / 3600:.1f}", "h"
    return f"{number}\N{NO-BREAK SPACE}{unit}"


def format_value(value: float | int | str | bool | None) -> str:
    """Write a hyperparameter's value; a dash where there is none."""
    if value is None:
        return _NONE
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_words(name: str) -> str:
    """Return a name of the code for a reader."""
    return name.replace("_", " ")


def _name_cell(report: TrainingReport, selected: str) -> Cell:
    mark = "selected, " if report.name == selected else ""
    return Cell(report.name, f"{mark}{report.num_parameters:,} parameters")


def _validation_cells(report: TrainingReport) -> tuple[Cell, Cell, Cell]:
    metrics = report.validation[OVERALL]
    interval = format_interval(metrics.recall.low, metrics.recall.high)
    recall = estimate_cell(metrics.recall)
    if not report.reaches_target:
        recall = Cell(recall.text, f"{interval}, misses {report.target_sensitivity:g}", "bad")
    return recall, estimate_cell(metrics.specificity), estimate_cell(metrics.auc)


def _stressed_cells(report: TrainingReport, entry: Comparison) -> tuple[Cell, Cell]:
    if not report.stressed:
        return Cell(_NONE, "not stressed"), Cell(_NONE, "not stressed")
    worst = f"worst {entry.worst_stressed_auc:.3f}, {in_words(entry.worst_stress)}"
    return Cell(f"{entry.stressed_specificity:.3f}"), Cell(f"{entry.stressed_auc:.3f}", worst)


def _epochs_cell(report: TrainingReport) -> Cell:
    if report.candidate is None:
        return Cell(_NONE, "not trained")
    told = f"kept {kept_epoch(report)}, {format_duration(report.training_s)}"
    return Cell(str(report.num_epochs), told)
