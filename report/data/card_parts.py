"""What ingestion wrote down of the source: what was left out, what occurs twice, what to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ingestion.dataset_card import JSON_NAME, DatasetCard
from ingestion.duplicates import DuplicateReport
from report.page.parts import Group, Listing, Part, Table, Text

_NUM_SHOWN = 50  # of a long list
_NUM_UNFOLDED = 10  # up to so many lines are shown open
NO_CARD = (
    "The records came without a dataset card: rejected images and duplicates at ingestion are not "
    "known."
)


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
