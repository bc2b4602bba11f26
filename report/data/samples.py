"""Which images represent a class, and how they are shown."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from contract import features
from ingestion.images import decode_grey
from report.data.facts import RecordFacts

MAX_SIDE_PX = 192


def choose_samples(
    records: Sequence[RecordFacts], num_images: int, seed: int
) -> dict[str, list[RecordFacts]]:
    """Choose images of each class at random, its subtypes in turn while they last.

    Args:
        records: Of one split.
        num_images: Of each class; fewer where the class has fewer.
        seed: The same records, in whatever order, give the same choice.

    Returns:
        Records by subtype, in the order of `features.SUBTYPES`; subtypes without any left out.
    """
    generator = random.Random(seed)
    shuffled: dict[str, list[RecordFacts]] = {}
    for subtype in features.SUBTYPES:
        found = [record for record in records if record.subtype == subtype]
        found.sort(key=lambda record: record.image_id)
        generator.shuffle(found)
        shuffled[subtype] = found
    chosen: dict[str, list[RecordFacts]] = {}
    for subtypes in ((features.NORMAL,), features.PNEUMONIA_SUBTYPES):
        sizes = share_out([len(shuffled[subtype]) for subtype in subtypes], num_images)
        for subtype, size in zip(subtypes, sizes, strict=True):
            if size:
                chosen[subtype] = shuffled[subtype][:size]
    return chosen


def share_out(available: Sequence[int], wanted: int) -> list[int]:
    """Share a number out over groups in turn, none beyond what it has.

    Args:
        available: What each group has.
        wanted: The sum, where there is enough.
    """
    given = [0] * len(available)
    left = min(wanted, sum(available))
    while left:
        for group, limit in enumerate(available):
            if left and given[group] < limit:
                given[group] += 1
                left -= 1
    return given


def make_thumbnail(encoded: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image of a record, and fit it into `MAX_SIDE_PX`; its proportions stay.

    Returns:
        uint8 [h, w], neither larger than `MAX_SIDE_PX` nor than the image.

    Raises:
        ValueError: The bytes are not a complete JPEG or PNG.
    """
    image = decode_grey(encoded, MAX_SIDE_PX)
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(image)
