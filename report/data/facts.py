"""What the raw records say of themselves; their images stay encoded."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from contract import features
from ingestion.tfrecord_file import decode_example, read_records

Value = bytes | int | float


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
        InputError: A file is damaged.
        ValueError: A record lacks a feature.
    """
    return [_facts(record) for record in _records(folder)]


def read_images(folder: Path, wanted: set[str]) -> dict[str, bytes]:
    """Read the encoded images of some records, by image id; the others are not kept.

    Args:
        folder: Gzipped TFRecord files of raw records.
        wanted: Image ids.
    """
    images = {}
    for record in _records(folder):
        image_id = _text(record, features.IMAGE_ID)
        if image_id in wanted:
            encoded = _value(record, features.IMAGE_BYTES)
            assert isinstance(encoded, bytes)
            images[image_id] = encoded
    return images


def count_by(
    records: Sequence[RecordFacts], key: Callable[[RecordFacts], str], names: Sequence[str]
) -> dict[str, int]:
    """Count records by what `key` says of them, for each of the names, also where it is 0."""
    counts = Counter(map(key, records))
    return {name: counts[name] for name in names}


def _facts(record: Mapping[str, Sequence[Value]]) -> RecordFacts:
    return RecordFacts(
        image_id=_text(record, features.IMAGE_ID),
        label=int(_value(record, features.LABEL)),
        subtype=_text(record, features.SUBTYPE),
        patient_id=_text(record, features.PATIENT_ID),
        height=int(_value(record, features.HEIGHT)),
        width=int(_value(record, features.WIDTH)),
        pixel_sha256=_text(record, features.PIXEL_SHA256),
    )


def _records(folder: Path) -> Iterator[Mapping[str, Sequence[Value]]]:
    for path in sorted(folder.iterdir()):
        for record in read_records(path):
            yield decode_example(record)


def _value(record: Mapping[str, Sequence[Value]], name: str) -> Value:
    values = record.get(name, ())
    if len(values) != 1:
        raise ValueError(f"expected one value of {name} in each record, got {len(values)}")
    return values[0]


def _text(record: Mapping[str, Sequence[Value]], name: str) -> str:
    value = _value(record, name)
    # Names of files need not be UTF-8; the report shows them all the same.
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
