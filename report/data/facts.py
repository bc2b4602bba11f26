"""What the raw records say of themselves; their images stay encoded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contract import features
from ingestion.tfrecord_file import RawRecord, read_folder


@dataclasses.dataclass(frozen=True, slots=True)
class RecordFacts:
    """One record without its image; sizes in px, everything else as `contract.features` has it."""

    image_id: str
    label: int
    subtype: str
    patient_id: str
    height: int
    width: int
    pixel_sha256: str


FactsBySplit = Mapping[str, Sequence[RecordFacts]]


def read_facts(folder: Path) -> list[RecordFacts]:
    """Read the facts of a split's records, in their order.

    Args:
        folder: Gzipped TFRecord files of raw records.

    Raises:
        InputError: A file is damaged, or a record lacks a feature.
    """
    return [_facts(record) for record in read_folder(folder)]


def read_images(folder: Path, wanted: set[str]) -> dict[str, bytes]:
    """Read the encoded images of some records, by image id; the others are not kept.

    Args:
        folder: Gzipped TFRecord files of raw records.
        wanted: Image ids.
    """
    images = {}
    for record in read_folder(folder):
        image_id = record.text(features.IMAGE_ID)
        if image_id in wanted:
            images[image_id] = record.data(features.IMAGE_BYTES)
    return images


def count_by(
    records: Sequence[RecordFacts], key: Callable[[RecordFacts], str], names: Sequence[str]
) -> dict[str, int]:
    """Count records by what `key` says of them, for each of the names, also where it is 0."""
    counts = Counter(map(key, records))
    return {name: counts[name] for name in names}


def _facts(record: RawRecord) -> RecordFacts:
    return RecordFacts(
        image_id=record.text(features.IMAGE_ID),
        label=record.number(features.LABEL),
        subtype=record.text(features.SUBTYPE),
        patient_id=record.text(features.PATIENT_ID),
        height=record.number(features.HEIGHT),
        width=record.number(features.WIDTH),
        pixel_sha256=record.text(features.PIXEL_SHA256),
    )
