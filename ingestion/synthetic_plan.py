"""Which images the drawn data set has: patients, files, and where randomness comes from."""

from __future__ import annotations

import dataclasses

import numpy as np

from contract.features import BACTERIAL, NORMAL, VIRAL
from contract.settings import SyntheticSettings

_BACTERIAL_FRACTION = 0.6  # of pneumonia
_PNG_FRACTION = 0.06
_RGB_FRACTION = 0.1  # of the JPEGs: grey pixels, three equal channels
_IMAGES_PER_PATIENT = (1, 2, 3)
_IMAGES_PER_PATIENT_WEIGHTS = (0.55, 0.3, 0.15)

# First numbers of the spawn keys: one family of random streams for each.
PLAN_STREAM, PATIENT_STREAM, IMAGE_STREAM, FINDING_STREAM = 0, 1, 2, 3


@dataclasses.dataclass(frozen=True)
class PlannedImage:
    """One image before it is drawn.

    Attributes:
        path: Relative to the set's folder, in the well-known layout.
        subtype: `normal`, `bacterial` or `viral`.
        patient: Index of the patient, whose random stream gives anatomy and finding.
        index: Index of the image, whose random stream gives pose, size and exposure.
        rgb: Whether it is stored with three equal channels.
    """

    path: str
    subtype: str
    patient: int
    index: int
    rgb: bool


def plan_images(settings: SyntheticSettings) -> list[PlannedImage]:
    """Lay out the set: which patients, how many images of each, in which files.

    Args:
        settings: Number of images, share of pneumonia, and seed.

    Returns:
        `settings.num_images` images; every subtype has at least one.
    """
    rng = random_stream(settings, PLAN_STREAM, 0)
    num_pneumonia = round(settings.num_images * settings.pneumonia_fraction)
    num_pneumonia = min(max(num_pneumonia, 2), settings.num_images - 1)
    num_bacterial = min(max(round(num_pneumonia * _BACTERIAL_FRACTION), 1), num_pneumonia - 1)
    counts = {
        NORMAL: settings.num_images - num_pneumonia,
        BACTERIAL: num_bacterial,
        VIRAL: num_pneumonia - num_bacterial,
    }
    images: list[PlannedImage] = []
    patient = 0
    for subtype, num_images in counts.items():
        for share in _share_among_patients(num_images, rng):
            for number in range(1, share + 1):
                png = bool(rng.random() < _PNG_FRACTION)
                rgb = bool(rng.random() < _RGB_FRACTION) and not png
                stem = _file_stem(subtype, patient, number, len(images))
                path = stem + (".png" if png else ".jpeg")
                images.append(PlannedImage(path, subtype, patient, len(images), rgb))
            patient += 1
    return images


def random_stream(settings: SyntheticSettings, stream: int, index: int) -> np.random.Generator:
    """Return the generator of one patient, image or plan; streams do not touch each other."""
    return np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(stream, index)))


def _share_among_patients(num_images: int, rng: np.random.Generator) -> list[int]:
    """Return how many images each patient has; together they are `num_images`."""
    shares: list[int] = []
    left = num_images
    while left:
        share = int(rng.choice(_IMAGES_PER_PATIENT, p=_IMAGES_PER_PATIENT_WEIGHTS))
        shares.append(min(share, left))
        left -= shares[-1]
    return shares


def _file_stem(subtype: str, patient: int, number: int, index: int) -> str:
    """Return the path without suffix, named as the public data set names its files."""
    if subtype == NORMAL:
        return f"train/NORMAL/IM-{patient + 1:04d}-{number:04d}"
    cause = {BACTERIAL: "bacteria", VIRAL: "virus"}[subtype]
    return f"train/PNEUMONIA/person{patient + 1}_{cause}_{index + 1}"
