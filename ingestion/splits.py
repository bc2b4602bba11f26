"""Splits by patient: stable, and independent of the order and the company of patients."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from contract import features
from contract.errors import InputError
from contract.settings import DataSettings
from ingestion.records import SourceImage

_NAMED_IN_ERRORS = 5


def patient_position(patient_id: str, salt: str) -> float:
    """Return where a patient falls in [0, 1), uniformly and always at the same place."""
    digest = hashlib.sha256(f"{salt}\n{patient_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def assign_splits(images: Sequence[SourceImage], settings: DataSettings) -> list[str]:
    """Return the split of each image, so that no patient is in two splits.

    Where the source has a `test` split, it stays as it is, sealed, and the
    fractions refer to the patients of the rest. Where it has none, `test` is
    cut as well, and the fractions refer to all patients. Validation is always
    cut here: images that the source itself put into validation join the rest
    first. A patient goes to `test` below `test_fraction` of its position and
    to `validation` from 1 - `validation_fraction` up; validation therefore has
    the same patients whether `test` is cut or sealed.

    Args:
        images: Images with `source_split` in `features.SPLITS` or "".
        settings: Gives `validation_fraction`, `test_fraction` and `split_salt`.

    Returns:
        A value of `features.SPLITS` for each image, in the order of `images`.

    Raises:
        InputError: A patient of the source's `test` also occurs outside it.
    """
    sealed = {image.patient_id for image in images if image.source_split == features.TEST}
    rest = {image.patient_id for image in images if image.source_split != features.TEST}
    overlap = sorted(sealed & rest)
    if overlap:
        # A patient known from a DICOM tag has no name that people know: an image shows who it is.
        example = next(image.image_id for image in images if image.patient_id == overlap[0])
        raise InputError(
            "expected patients of the source's test split in no other split, got "
            f"{len(overlap)} who are in both: {', '.join(overlap[:_NAMED_IN_ERRORS])}; move all "
            "images of a patient into one split, or leave the split out to have it cut by patient. "
            f"{overlap[0]} has e.g. {example}"
        )
    split_of = {patient: _hashed_split(patient, bool(sealed), settings) for patient in rest}
    split_of.update(dict.fromkeys(sealed, features.TEST))
    return [split_of[image.patient_id] for image in images]


def _hashed_split(patient_id: str, test_is_sealed: bool, settings: DataSettings) -> str:
    position = patient_position(patient_id, settings.split_salt)
    if position < settings.test_fraction and not test_is_sealed:
        return features.TEST
    if position >= 1.0 - settings.validation_fraction:
        return features.VALIDATION
    return features.TRAIN


def split_warnings(images: Sequence[SourceImage]) -> list[str]:
    """Return what a user must know about how the source's own splits were used."""
    moved = sum(image.source_split == features.VALIDATION for image in images)
    if not moved:
        return []
    return [
        f"the source's own validation split ({moved} images) joined train before validation was "
        "cut by patient"
    ]
