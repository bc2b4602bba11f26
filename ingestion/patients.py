"""Whose image it is: words that name nobody, and a patient who has too many images to be one."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from contract.errors import one_line
from ingestion.records import SourceImage

# What people and programs write where the patient is not known, in lower case.
_MISSING = frozenset(
    {
        "",
        "-",
        "--",
        "?",
        ".",
        "#n/a",
        "<na>",
        "anon",
        "anonym",
        "anonymised",
        "anonymized",
        "anonymous",
        "missing",
        "n.a.",
        "n/a",
        "na",
        "nan",
        "nil",
        "no name",
        "none",
        "not available",
        "null",
        "undefined",
        "unk",
        "unknown",
    }
)
# The patient with the most images of the public set has fewer than one of a hundred of them.
_MANY_IMAGES = 10
_MANY_SHARE = 0.1
_NAMED = 3


def is_missing(patient_id: str) -> bool:
    """Return whether a patient's id is a word that names nobody, such as "unknown" or "nan"."""
    return " ".join(patient_id.casefold().strip(" _\t\r\n\"'").split()) in _MISSING


def has_too_many(num_images_of_patient: int, num_images: int) -> bool:
    """Return whether one person can hardly have so many of a source's images."""
    return (
        num_images_of_patient >= _MANY_IMAGES and num_images_of_patient > _MANY_SHARE * num_images
    )


def patient_warnings(images: Sequence[SourceImage]) -> list[str]:
    """Return what is odd about the patients that a source names.

    Patients who have an implausible share of the images are named, and ids that look alike.
    """
    return [*_crowd_warnings(images), *_alike_warnings(images)]


def _alike_warnings(images: Sequence[SourceImage]) -> list[str]:
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.patient_known:
            folded = unicodedata.normalize("NFKC", image.patient_id).casefold()
            spellings["".join(folded.split())].add(image.patient_id)
    alike = [sorted(ids) for ids in spellings.values() if len(ids) > 1]
    if not alike:
        return []
    examples = "; ".join(
        " and ".join(repr(one_line(each)) for each in ids) for ids in alike[:_NAMED]
    )
    return [
        f"{len(alike)} patients may be written in several ways, which differ in capitals, spaces "
        f"or the form of accents alone and count as different people: {examples}; write them "
        "alike if they are one person"
    ]


def _crowd_warnings(images: Sequence[SourceImage]) -> list[str]:
    counts = Counter(image.patient_id for image in images if image.patient_known)
    crowded = [
        f"{one_line(patient)!r} with {count} of {len(images)} ({count / len(images):.0%})"
        for patient, count in counts.most_common(_NAMED)
        if has_too_many(count, len(images))
    ]
    if not crowded:
        return []
    return [
        "one patient has an implausible share of the images, and all of them go into one split: "
        f"{', '.join(crowded)}; check whether this is a word for an unknown patient, or a default "
        "of the scanner"
    ]
