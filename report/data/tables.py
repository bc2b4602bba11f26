"""The data in tables and lists.

Counts, leaks, shortcuts, TFDV's statistics, and what ingestion wrote down of the source: what was
left out, what occurs twice, what to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from contract import features
from evaluation.shortcut_separation import Direction, ShortcutReport
from evaluation.split_differences import SplitDifference, SplitDifferences
from ingestion.dataset_card import JSON_NAME, DatasetCard
from ingestion.duplicates import DuplicateReport
from report.data.facts import FactsBySplit, RecordFacts, count_by
from report.data.leakage import Overlap
from report.data.statistics import FeatureSummary
from report.page.estimate_cells import format_figure, format_interval
from report.page.parts import Cell, Group, Listing, Part, Table, Text

_NUM_NAMED = 3
_DIRECTIONS: dict[Direction, str] = {
    "higher_in_pneumonia": "higher",
    "lower_in_pneumonia": "lower",
    "none": "the same",
}
_NUM_SHOWN = 50  # of a long list
_NUM_UNFOLDED = 10  # up to so many lines are shown open
NO_CARD = (
    "The records came without a dataset card: rejected images and duplicates at ingestion are not "
    "known."
)


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


def source_text(card: DatasetCard) -> Text:
    """Say where the images came from, and how many of them became records."""
    # The name of a file or folder is enough: a page that is passed on shows no folders.
    path = Path(card.source)
    source = path.name if path.is_absolute() else card.source
    unknown = card.num_images_without_patient
    without_patient = (
        f" The patient of {unknown:,} images is not known; each counts as one patient."
        if unknown
        else ""
    )
    return Text(
        f"Source: {source} ({card.kind}). {card.num_images:,} of {card.num_source_images:,} image "
        f"files became records, of {card.num_patients:,} patients.{without_patient} Fingerprint of "
        f"the conversion: {card.fingerprint}."
    )


def warning_parts(card: DatasetCard) -> tuple[Part, ...]:
    """Return the card's warnings."""
    if not card.warnings:
        return (Text("The dataset card has no warnings.", "good"),)
    return tuple(
        Text(f"{warning[:1].upper()}{warning[1:]}.", "warning") for warning in card.warnings
    )


def rejection_parts(card: DatasetCard) -> tuple[Part, ...]:
    """Return every rejection with its reason, at most `_NUM_SHOWN`, and the reasons' counts."""
    rejected = card.rejected
    if not rejected:
        return (Text("No image was rejected.", "good"),)
    share = len(rejected) / max(1, card.num_source_images)
    reasons = Counter(rejection.reason for rejection in rejected).most_common()
    table = Table(
        _caption("Images that were left out", len(rejected)),
        ("Image", "Reason"),
        tuple((each.image_id, each.reason) for each in rejected[:_NUM_SHOWN]),
        text_columns=(1,),
    )
    return (
        Text(
            f"{len(rejected):,} images cannot be read and were left out ({share:.1%}).", "warning"
        ),
        *_listing("Reasons", [f"{number:,}: {reason}" for reason, number in reasons]),
        _fold("The rejected images", table, len(rejected)),
    )


def duplicate_parts(report: DuplicateReport) -> tuple[Part, ...]:
    """Return the groups of images with equal pixels that ingestion found."""
    if not report.num_groups:
        return (Text("No two images of the source have equal pixels.", "good"),)
    kinds = {
        "With different labels, one of which is wrong": report.different_labels,
        "Across splits": report.across_splits,
        "Left out, because an equal one is in a later split": [(name,) for name in report.dropped],
    }
    parts: list[Part] = [
        Text(
            f"{report.num_images:,} images of the source are in {report.num_groups:,} groups of "
            "equal pixels. Equal images of one split and one label are kept."
        )
    ]
    for title, groups in kinds.items():
        parts += _listing(title, [" = ".join(group) for group in groups])
    return tuple(parts)


def _listing(title: str, lines: Sequence[str]) -> tuple[Part, ...]:
    if not lines:
        return ()
    listing = Listing(tuple(lines[:_NUM_SHOWN]))
    return (_fold(_caption(title, len(lines)), listing, len(lines)),)


def _caption(title: str, number: int) -> str:
    if number <= _NUM_SHOWN:
        return f"{title}: {number:,}"
    return (
        f"{title}: {number:,}; the first {_NUM_SHOWN} and {number - _NUM_SHOWN:,} more, which "
        f"are in {JSON_NAME} beside the records"
    )


def _fold(title: str, part: Part, number: int) -> Group:
    return Group(title, (part,), folded=number > _NUM_UNFOLDED)
