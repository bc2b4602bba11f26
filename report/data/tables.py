"""The data in tables: counts, leaks, shortcuts and TFDV's statistics."""

from __future__ import annotations

from collections.abc import Sequence

from contract import features
from evaluation.shortcut_separation import Direction, ShortcutReport
from evaluation.split_differences import SplitDifference, SplitDifferences
from report.data.facts import FactsBySplit, RecordFacts, count_by
from report.data.leakage import Overlap
from report.data.statistics import FeatureSummary
from report.page.estimate_cells import format_figure, format_interval
from report.page.parts import Cell, Table

_NUM_NAMED = 3
_DIRECTIONS: dict[Direction, str] = {
    "higher_in_pneumonia": "higher",
    "lower_in_pneumonia": "lower",
    "none": "the same",
}


def counts_table(splits: FactsBySplit) -> Table:
    """Return images and patients per split, and in all; pneumonia also by subtype."""
    everything = [record for records in splits.values() for record in records]
    rows = [(name, *_counts(records)) for name, records in splits.items()]
    return Table(
        "Images of each split, class and subtype.",
        (
            "Split",
            "Images",
            "Patients",
            *(label.capitalize() for label in features.LABELS),
            *(f"of it {subtype}" for subtype in features.PNEUMONIA_SUBTYPES),
        ),
        (*rows, ("all", *_counts(everything))),
    )


def leakage_table(patients: Sequence[Overlap], pixels: Sequence[Overlap]) -> Table:
    """Return what each pair of splits shares; one row per pair.

    Args:
        patients: What `patient_overlaps` found.
        pixels: What `pixel_overlaps` found, for the same pairs.
    """
    return Table(
        "What two splits share.",
        ("Splits", "Patients in both", "Images with equal pixels"),
        tuple(
            (f"{both.first} and {both.second}", _shared_patients(both), _shared_pixels(equal))
            for both, equal in zip(patients, pixels, strict=True)
        ),
    )


def shortcuts_table(report: ShortcutReport) -> Table:
    """Return the nuisance features, the strongest first."""
    return Table(
        f"Measured on {report.n:,} images of train and validation, {report.positives:,} with "
        "pneumonia.",
        ("Feature alone", "AUC", "In pneumonia", "Judged"),
        tuple(
            (
                shortcut.name.replace("_", " "),
                Cell(f"{shortcut.auc:.3f}", format_interval(shortcut.low, shortcut.high)),
                _DIRECTIONS[shortcut.direction],
                Cell("strong", tone="warning") if shortcut.strong else "weak",
            )
            for shortcut in report.shortcuts
        ),
        text_columns=(2, 3),
    )


def splits_table(report: SplitDifferences) -> Table:
    """Return how well nuisance features separate two splits, one row per pair and class."""
    return Table(
        "All these features together, at separating the images of two splits; "
        "cross-validated by patient.",
        ("Compared", "Class", "Images", "AUC", "Differs most in", "Judged"),
        tuple(
            (
                f"{each.first} and {each.second}",
                each.label,
                f"{each.n_first:,} and {each.n_second:,}",
                Cell(format_figure(each.auc), format_interval(each.low, each.high)),
                Cell(each.leading_feature.replace("_", " "), _alone(each)),
                _judged(each),
            )
            for each in report.differences
        ),
        text_columns=(1, 4, 5),
    )


def _alone(difference: SplitDifference) -> str:
    if difference.leading_auc is None:
        return ""
    return f"alone {difference.leading_auc:.3f}"


def _judged(difference: SplitDifference) -> Cell | str:
    if difference.auc is None:
        return Cell("too few patients", tone="warning")
    return Cell("different", tone="warning") if difference.strong else "alike"


def statistics_table(split: str, summaries: Sequence[FeatureSummary]) -> Table:
    """Return what TFDV found of each feature of a split."""
    return Table(
        f"Features of {split}.",
        ("Feature", "Present", "Missing", "Values"),
        tuple(
            (
                summary.name,
                f"{summary.num_present:,}",
                Cell(f"{summary.num_missing:,}", tone="bad" if summary.num_missing else "plain"),
                summary.values,
            )
            for summary in summaries
        ),
        text_columns=(3,),
    )


def _counts(records: Sequence[RecordFacts]) -> list[Cell | str]:
    by_label = count_by(records, lambda record: features.LABELS[record.label], features.LABELS)
    by_subtype = count_by(records, lambda record: record.subtype, features.PNEUMONIA_SUBTYPES)
    classes = [
        Cell(f"{number:,}", f"{number / len(records):.1%}" if records else "")
        for number in by_label.values()
    ]
    return [
        f"{len(records):,}",
        f"{len({record.patient_id for record in records}):,}",
        *classes,
        *(f"{number:,}" for number in by_subtype.values()),
    ]


def _shared_patients(overlap: Overlap) -> Cell:
    return _shared_cell(overlap.shared, overlap.shared)


def _shared_pixels(overlap: Overlap) -> Cell:
    return _shared_cell(overlap.shared, [" = ".join(ids) for ids in overlap.images.values()])


def _shared_cell(shared: Sequence[str], names: Sequence[str]) -> Cell:
    if not shared:
        return Cell("none", tone="good")
    more = f" and {len(names) - _NUM_NAMED:,} more" if len(names) > _NUM_NAMED else ""
    return Cell(f"{len(shared):,}", "; ".join(names[:_NUM_NAMED]) + more, "bad")
