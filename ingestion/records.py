"""What a source is, before anything is decoded: images with their facts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from contract import features

# Names that sources give their splits, and the contract's name for each.
SPLIT_NAMES = {
    "train": features.TRAIN,
    "val": features.VALIDATION,
    "validation": features.VALIDATION,
    "test": features.TEST,
}


@dataclasses.dataclass(frozen=True, slots=True)
class SourceImage:
    """One image file and what the source says about it.

    Attributes:
        path: Where the file lies on this machine.
        image_id: The same file's name relative to the source, unique in it.
        label: Index into `features.LABELS`.
        subtype: One of `features.SUBTYPES`.
        patient_id: Equal for all images of one patient.
        source_split: One of `features.SPLITS`, or "" where the source has none.
        patient_known: Whether the source names the patient. Where it does not,
            `patient_id` is the image's own id.
    """

    path: Path
    image_id: str
    label: int
    subtype: str
    patient_id: str
    source_split: str = ""
    patient_known: bool = True


@dataclasses.dataclass(frozen=True)
class Source:
    """All images of a source.

    Attributes:
        kind: "folder", "zip", "manifest", "tfrecords" or "kaggle".
        description: Where the images came from, for people.
        images: Every image file found, readable or not.
        warnings: What a user must know about how the source was read.
        synthetic: Whether the images are drawn, so that results mean nothing clinically.
    """

    kind: str
    description: str
    images: tuple[SourceImage, ...]
    warnings: tuple[str, ...] = ()
    synthetic: bool = False
