"""Images with exactly the same pixels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from contract import features
from contract.errors import InputError
from contract.facts import ImageFacts

_NAMED_IN_ERRORS = 5
# The later split keeps the image: a model must not be tested on what it was trained on.
_KEEPING_ORDER = (features.TRAIN, features.VALIDATION, features.TEST)


class DuplicateReport(BaseModel):
    """Groups of image ids with equal pixels.

    Attributes:
        num_groups: Groups of equal images, of any kind.
        num_images: Images in those groups.
        different_labels: Groups whose images have different labels.
        across_splits: Groups whose images are in different splits.
        dropped: Images left out because an equal one is in a later split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_groups: int
    num_images: int
    different_labels: tuple[tuple[str, ...], ...]
    across_splits: tuple[tuple[str, ...], ...]
    dropped: tuple[str, ...]


def find_duplicates(
    images: Sequence[ImageFacts], cross_split_duplicates: Literal["fail", "drop_from_train"]
) -> DuplicateReport:
    """Return the groups of images with equal pixels.

    Args:
        images: All converted images.
        cross_split_duplicates: Whether equal images in different splits are an
            error, or are left out of the earlier split: train gives way to
            validation and test, and validation to test.

    Raises:
        InputError: Equal images are in different splits, and that is to fail.
    """
    counts = Counter(image.pixel_sha256 for image in images)
    by_pixels: dict[str, list[ImageFacts]] = defaultdict(list)
    for image in images:
        if counts[image.pixel_sha256] > 1:
            by_pixels[image.pixel_sha256].append(image)
    groups = sorted(
        (sorted(group, key=lambda image: image.image_id) for group in by_pixels.values()),
        key=lambda group: group[0].image_id,
    )
    across = [group for group in groups if len({image.split for image in group}) > 1]
    if across and cross_split_duplicates == "fail":
        raise InputError(_across_splits_message(across))
    return DuplicateReport(
        num_groups=len(groups),
        num_images=sum(len(group) for group in groups),
        different_labels=tuple(
            _ids(group) for group in groups if len({image.label for image in group}) > 1
        ),
        across_splits=tuple(_ids(group) for group in across),
        dropped=tuple(image_id for group in across for image_id in _giving_way(group)),
    )


def duplicate_warnings(report: DuplicateReport) -> list[str]:
    """Return what a user must know about the duplicates, in sentences."""
    warnings = []
    if report.different_labels:
        examples = "; ".join(
            " = ".join(group) for group in report.different_labels[:_NAMED_IN_ERRORS]
        )
        warnings.append(
            f"{len(report.different_labels)} groups of images have equal pixels but different "
            f"labels, one of which is wrong: {examples}"
        )
    if report.dropped:
        warnings.append(
            f"{len(report.dropped)} images were left out because an equal one is "
            "in validation or test"
        )
    return warnings


def _ids(group: Sequence[ImageFacts]) -> tuple[str, ...]:
    return tuple(image.image_id for image in group)


def _giving_way(group: Sequence[ImageFacts]) -> list[str]:
    keeping = max(_KEEPING_ORDER.index(image.split) for image in group)
    return [image.image_id for image in group if _KEEPING_ORDER.index(image.split) < keeping]


def _across_splits_message(groups: Sequence[Sequence[ImageFacts]]) -> str:
    examples = "; ".join(
        " = ".join(f"{image.image_id} ({image.split})" for image in group)
        for group in groups[:_NAMED_IN_ERRORS]
    )
    return (
        f"expected no equal images in different splits, got {len(groups)} groups: {examples}; "
        "remove the copies, or set data.cross_split_duplicates=drop_from_train to leave them "
        "out of the split that gives way (train, then validation)"
    )
