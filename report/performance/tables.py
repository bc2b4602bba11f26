"""The figures of the test split as tables."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.class_report import ClassFigures
from evaluation.curves import Curves
from evaluation.predictive_values import (
    negative_predictive_value,
    positive_predictive_value,
)
from evaluation.reliability import Reliability
from evaluation.slice_metrics import SliceMetrics
from report.page.estimate_cells import estimate_cell
from report.page.parts import Cell, Table


def figures_table(metrics: SliceMetrics, curves: Curves, reliability: Reliability) -> Table:
    """Return one figure a line, with its interval and the n that it rests on."""
    called = metrics.tp + metrics.fp
    negatives = metrics.n - metrics.positives
    figures = (
        ("Sensitivity (recall)", "pneumonia called so", metrics.recall, metrics.positives),
        ("Specificity", "normal called so", metrics.specificity, negatives),
        ("Precision", "called pneumonia that are", metrics.precision, called),
        ("Accuracy", "right calls", metrics.accuracy, metrics.n),
        ("Area under the ROC curve", "at all thresholds", metrics.auc, metrics.n),
        ("Average precision", "at all thresholds", curves.average_precision, metrics.n),
        ("Calibration error (ECE)", "0 is best", reliability.error, metrics.n),
    )
    return Table(
        "At the operating point, with 95% intervals: Wilson's for shares, Newcombe's for the "
        "area, by bootstrap over patients for the last two.",
        ("Figure", "Value", "95% interval", "n"),
        tuple(
            (
                Cell(name, meaning),
                estimate_cell(estimate).text,
                estimate_cell(estimate).detail,
                f"{n:,}",
            )
            for name, meaning, estimate, n in figures
        ),
    )


def class_table(rows: Sequence[ClassFigures]) -> Table:
    """Return the classification report."""
    return Table(
        "Classification report, with 95% intervals: Wilson's for each class's precision and "
        "recall, by bootstrap over patients for F1 and the means.",
        ("Class", "Precision", "Recall", "F1", "n"),
        tuple(
            (
                row.name,
                estimate_cell(row.precision),
                estimate_cell(row.recall),
                estimate_cell(row.f1),
                f"{row.support:,}",
            )
            for row in rows
        ),
    )


def predictive_table(metrics: SliceMetrics, prevalences: Sequence[float]) -> Table:
    """Return PPV and NPV at each prevalence."""
    return Table(
        "Predictive values by Bayes' rule from the split's sensitivity and specificity, with 95% "
        f"logit intervals (Mercaldo, Lau and Zhou 2007); n = {metrics.positives:,} with pneumonia "
        f"and {metrics.n - metrics.positives:,} normal.",
        ("Prevalence", "PPV", "NPV"),
        tuple(
            (
                f"{100 * prevalence:g}%",
                estimate_cell(positive_predictive_value(metrics, prevalence)),
                estimate_cell(negative_predictive_value(metrics, prevalence)),
            )
            for prevalence in prevalences
        ),
    )


def bins_table(reliability: Reliability) -> Table:
    """Return the calibration curve's bins with their n."""
    return Table(
        "Bins of equal width; empty ones are left out. Observed share with its Wilson interval.",
        ("Probability", "Mean", "Share of pneumonia", "n"),
        tuple(
            (
                f"{entry.low:.2f} to {entry.high:.2f}",
                f"{entry.mean_probability:.3f}",
                estimate_cell(entry.observed),
                f"{entry.n:,}",
            )
            for entry in reliability.bins
        ),
    )
