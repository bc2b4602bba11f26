"""Whether what a model is judged on was there to be learned from."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

from report.data.facts import FactsBySplit, RecordFacts


@dataclasses.dataclass(frozen=True)
class Overlap:
    """What two splits share.

    Attributes:
        first: A split.
        second: Another one.
        shared: Values in both, sorted.
        images: Ids of the images that have such a value, by the value; at least two each.
    """

    first: str
    second: str
    shared: tuple[str, ...]
    images: Mapping[str, tuple[str, ...]]


def patient_overlaps(splits: FactsBySplit) -> list[Overlap]:
    """Return for each pair of splits the patients that are in both."""
    return _overlaps(splits, lambda record: record.patient_id)


def pixel_overlaps(splits: FactsBySplit) -> list[Overlap]:
    """Return for each pair of splits the digests of pixels that are in both."""
    return _overlaps(splits, lambda record: record.pixel_sha256)


def _overlaps(splits: FactsBySplit, key: Callable[[RecordFacts], str]) -> list[Overlap]:
    return [
        _overlap((first, second), (splits[first], splits[second]), key)
        for first, second in itertools.combinations(splits, 2)
    ]


def _overlap(
    names: tuple[str, str],
    records: tuple[Sequence[RecordFacts], Sequence[RecordFacts]],
    key: Callable[[RecordFacts], str],
) -> Overlap:
    values = [{key(record) for record in split} for split in records]
    shared = values[0] & values[1]
    images: dict[str, list[str]] = {value: [] for value in sorted(shared)}
    for record in itertools.chain(*records):
        if key(record) in shared:
            images[key(record)].append(record.image_id)
    return Overlap(*names, tuple(images), {value: tuple(ids) for value, ids in images.items()})
