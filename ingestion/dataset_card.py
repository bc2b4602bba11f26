"""The dataset card: what was converted, what was not, and what to know about it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from contract import features
from contract.facts import ImageFacts, Rejection
from contract.settings import DataSettings
from ingestion.duplicates import DuplicateReport, duplicate_warnings
from ingestion.fingerprint import relevant_settings
from ingestion.records import Source
from ingestion.splits import split_warnings

JSON_NAME = "dataset_card.json"
MARKDOWN_NAME = "dataset_card.md"


class _CardPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitCounts(_CardPart):
    """Counts of one split: images and patients, and images by class, subtype and size."""

    images: int
    patients: int
    by_label: dict[str, int]
    by_subtype: dict[str, int]
    by_size_group: dict[str, int]


class SideRange(_CardPart):
    """Smallest, median and largest of a side, px."""

    min_px: int
    median_px: float
    max_px: int


class DatasetCard(_CardPart):
    """A conversion, described.

    Attributes:
        kind: Of the source, as in `Source.kind`.
        source: Where the images came from.
        synthetic: Whether they are drawn: results then mean nothing clinically.
        fingerprint: Hash of all that the conversion depended on.
        num_source_images: Image files found in the source.
        num_images: Images converted.
        num_patients: Their patients; an image without a known patient counts as one.
        num_images_without_patient: Images whose patient the source does not name.
        splits: Counts, for each of `features.SPLITS`.
        height: Of all converted images.
        width: Of all converted images.
        rejected: Images left out because they cannot be read.
        duplicates: Images with equal pixels.
        warnings: What a user must know, in sentences.
        settings: The settings that shaped the conversion.
        files: Size in bytes of each TFRecord file, by name relative to the card.
    """

    kind: str
    source: str
    synthetic: bool
    fingerprint: str
    num_source_images: int
    num_images: int
    num_patients: int
    num_images_without_patient: int
    splits: dict[str, SplitCounts]
    height: SideRange
    width: SideRange
    rejected: tuple[Rejection, ...]
    duplicates: DuplicateReport
    warnings: tuple[str, ...]
    settings: dict[str, str | int | float]
    files: dict[str, int]


def make_card(
    source: Source,
    settings: DataSettings,
    fingerprint: str,
    images: Sequence[ImageFacts],
    rejected: Sequence[Rejection],
    duplicates: DuplicateReport,
    files: Mapping[str, int],
) -> DatasetCard:
    """Return the card of a conversion of at least one image."""
    warnings = [
        *source.warnings,
        *split_warnings(source.images),
        *duplicate_warnings(duplicates),
    ]
    if rejected:
        warnings.append(f"{len(rejected)} images cannot be read and were left out")
    return DatasetCard(
        kind=source.kind,
        source=source.description,
        synthetic=source.synthetic,
        fingerprint=fingerprint,
        num_source_images=len(source.images),
        num_images=len(images),
        num_patients=len({image.patient_id for image in images}),
        num_images_without_patient=sum(not image.patient_known for image in images),
        splits={
            split: _count([image for image in images if image.split == split])
            for split in features.SPLITS
        },
        height=_side_range(image.height for image in images),
        width=_side_range(image.width for image in images),
        rejected=tuple(rejected),
        duplicates=duplicates,
        warnings=tuple(warnings),
        settings=relevant_settings(settings),
        files=dict(files),
    )


def write_card(card: DatasetCard, folder: Path) -> None:
    """Write the card under `folder`, for people, and then for programs.

    The JSON comes last: a folder that holds one is a finished conversion.
    """
    (folder / MARKDOWN_NAME).write_text(render_markdown(card), encoding="utf-8")
    (folder / JSON_NAME).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> DatasetCard:
    """Read the card of a finished conversion.

    Raises:
        OSError: There is none.
        ValueError: It is not a card of this version.
    """
    return DatasetCard.model_validate_json((folder / JSON_NAME).read_bytes())


def render_markdown(card: DatasetCard) -> str:
    """Return the card as a Markdown page."""
    lines = ["# Dataset card", ""]
    if card.synthetic:
        lines += ["**Synthetic images: results on them mean nothing clinically.**", ""]
    lines += [
        f"- Source: {card.source} ({card.kind})",
        f"- Images: {card.num_images} of {card.num_source_images} files, "
        f"{card.num_patients} patients "
        f"({card.num_images_without_patient} images without a known patient)",
        f"- Height: {_range_text(card.height)}; width: {_range_text(card.width)}",
        f"- Fingerprint: `{card.fingerprint}`",
        "",
        "## Splits",
        "",
        *_split_table(card.splits),
        "",
        f"Settings: {_settings_text(card.settings)}",
        "",
        "## Warnings",
        "",
        *_bullets(card.warnings),
        "",
        "## Rejected images",
        "",
        *_bullets([f"`{r.image_id}`: {r.reason}" for r in card.rejected]),
        "",
        "## Exact duplicates",
        "",
        *_duplicate_lines(card.duplicates),
    ]
    return "\n".join(lines) + "\n"


def _count(images: Sequence[ImageFacts]) -> SplitCounts:
    return SplitCounts(
        images=len(images),
        patients=len({image.patient_id for image in images}),
        by_label=_complete(features.LABELS, [features.LABELS[image.label] for image in images]),
        by_subtype=_complete(features.SUBTYPES, [image.subtype for image in images]),
        by_size_group=_complete(
            features.SIZE_GROUPS,
            [features.size_group(image.height, image.width) for image in images],
        ),
    )


def _complete(vocabulary: Sequence[str], values: Sequence[str]) -> dict[str, int]:
    counts = Counter(values)
    return {value: counts[value] for value in vocabulary}


def _side_range(sides_px: Iterable[int]) -> SideRange:
    sides = sorted(sides_px)
    return SideRange(min_px=sides[0], median_px=statistics.median(sides), max_px=sides[-1])


def _range_text(sides: SideRange) -> str:
    return f"{sides.min_px} to {sides.max_px} px (median {sides.median_px:g})"


def _split_table(splits: Mapping[str, SplitCounts]) -> list[str]:
    # The normal subtype is the normal class again.
    subtypes = features.PNEUMONIA_SUBTYPES
    header: list[str | int] = [
        "split",
        "images",
        "patients",
        *features.LABELS,
        *subtypes,
        *features.SIZE_GROUPS,
    ]
    rows: list[list[str | int]] = [
        [
            name,
            counts.images,
            counts.patients,
            *(counts.by_label[label] for label in features.LABELS),
            *(counts.by_subtype[subtype] for subtype in subtypes),
            *(counts.by_size_group[group] for group in features.SIZE_GROUPS),
        ]
        for name, counts in splits.items()
    ]
    rule: list[str | int] = ["---", *["---:"] * (len(header) - 1)]
    return [f"| {' | '.join(str(cell) for cell in row)} |" for row in (header, rule, *rows)]


def _settings_text(settings: Mapping[str, str | int | float]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _bullets(items: Sequence[str]) -> list[str]:
    return [f"- {item}" for item in items] or ["None."]


def _duplicate_lines(report: DuplicateReport) -> list[str]:
    if not report.num_groups:
        return ["None."]
    return [
        f"{report.num_images} images in {report.num_groups} groups of equal pixels.",
        "",
        *_group_lines("With different labels", report.different_labels),
        *_group_lines("Across splits", report.across_splits),
        *_group_lines(
            "Left out of the earlier split", [(image_id,) for image_id in report.dropped]
        ),
    ]


def _group_lines(title: str, groups: Sequence[Sequence[str]]) -> list[str]:
    return [f"- {title}: {len(groups)}", *(f"  - {' = '.join(group)}" for group in groups)]
