"""Errors by pseudo-site as a table and in words."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.error_groups import (
    SIGNIFICANCE,
    SMALLEST_GROUP,
    GroupErrors,
    find_concentrations,
)
from evaluation.slice_metrics import Estimate
from report.page.estimate_cells import UNDEFINED, estimate_cell
from report.page.parts import Cell, Table, Text

_TOO_SMALL = "too small"
# Not the caption's: that is as wide as the table, and a phone shows its beginning only.
NOTE = (
    "Images of the test split are grouped by how they were named and taken: by their file names "
    "without the numbers that count patients and images (those of a source's pneumonia may name "
    "its cause), by sharpness, by thirds of mean grey level, and by size. A dash: no image of the "
    f"class. Too small: fewer than {SMALLEST_GROUP} images of the class, too few to judge the "
    "group by."
)


def errors_table(rows: Sequence[GroupErrors]) -> Table:
    """Tabulate false alarms and misses with specificity and recall, a line for each group."""
    return Table(
        "At the operating point, with Wilson's 95% intervals",
        ("Group", "n", "Normal", "False alarms", "Specificity", "Pneumonia", "Misses", "Recall"),
        tuple(
            (
                Cell(row.group.replace("_", " "), row.scheme),
                f"{row.metrics.n:,}",
                f"{row.num_normals:,}",
                f"{row.metrics.fp:,}" if row.num_normals else UNDEFINED,
                _share(row.metrics.specificity, row.num_normals),
                f"{row.metrics.positives:,}",
                f"{row.metrics.fn:,}" if row.metrics.positives else UNDEFINED,
                _share(row.metrics.recall, row.metrics.positives),
            )
            for row in rows
        ),
    )


def errors_in_words(rows: Sequence[GroupErrors]) -> Text:
    """Say which groups have more errors than the others, beyond chance."""
    found = find_concentrations(rows)
    if not found:
        return Text(
            "No group that is large enough has more errors than the other images beyond chance "
            f"(Fisher's exact test, adjusted for all groups, p < {SIGNIFICANCE:g})."
        )
    sentences = [
        f"{each.error.capitalize()} are more frequent in the group "
        f"{each.group.replace('_', ' ')} ({each.scheme}): {each.errors:,} of {each.n:,}, against "
        f"{each.errors_elsewhere:,} of {each.n_elsewhere:,} elsewhere "
        f"(p {_p_value(each.adjusted_p)})."
        for each in found
    ]
    sentences.append(
        "Fisher's exact test, adjusted for all groups. Images of another hospital that are like "
        "these may have as many errors."
    )
    return Text(" ".join(sentences), "warning")


def _share(estimate: Estimate, n: int) -> Cell:
    cell = estimate_cell(estimate)
    if 0 < n < SMALLEST_GROUP:
        return Cell(cell.text, f"{cell.detail}, {_TOO_SMALL}", "warning")
    return cell


def _p_value(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"= {value:.3f}"
