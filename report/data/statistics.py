"""TFDV's statistics of a split, feature by feature, as a reader wants them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

FILE = "FeatureStats.pb"  # a DatasetFeatureStatisticsList, which StatisticsGen writes so
_NUM_TOP = 3
_MAX_VALUE_LENGTH = 40


@dataclasses.dataclass(frozen=True)
class FeatureSummary:
    """One feature of a split.

    Attributes:
        name: The feature.
        num_present: Records that have it.
        num_missing: Records that do not.
        values: Its smallest, median and largest value, or its most frequent ones, in words.
    """

    name: str
    num_present: int
    num_missing: int
    values: str


def read_statistics(path: Path) -> list[FeatureSummary]:
    """Read what TFDV found in one split, sorted by name.

    Args:
        path: A `FILE`.

    Raises:
        OSError: It is not there.
        ValueError: It does not hold the statistics of exactly one data set.
    """
    content = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    if len(content.datasets) != 1:
        raise ValueError(f"expected one data set in {path.name}, got {len(content.datasets)}")
    (dataset,) = content.datasets
    summaries = [_summary(feature, int(dataset.num_examples)) for feature in dataset.features]
    return sorted(summaries, key=lambda summary: summary.name)


def _summary(feature: statistics_pb2.FeatureNameStatistics, num_records: int) -> FeatureSummary:
    kind = feature.WhichOneof("stats")
    common = getattr(feature, kind).common_stats
    present = int(common.num_non_missing)
    return FeatureSummary(
        name=".".join(feature.path.step) or feature.name,
        num_present=present,
        # TFDV counts as missing what the other records of a batch have.
        num_missing=max(int(common.num_missing), num_records - present),
        values=_values(feature, kind),
    )


def _values(feature: statistics_pb2.FeatureNameStatistics, kind: str) -> str:
    if kind == "num_stats":
        numbers = feature.num_stats
        return f"from {numbers.min:g} to {numbers.max:g}, median {numbers.median:g}"
    if kind == "bytes_stats":
        sizes = feature.bytes_stats
        return f"from {sizes.min_num_bytes:,.0f} to {sizes.max_num_bytes:,.0f} bytes"
    if kind == "string_stats":
        return _texts(feature.string_stats)
    return ""


def _texts(texts: statistics_pb2.StringStatistics) -> str:
    present = int(texts.common_stats.num_non_missing)
    if texts.unique == present > _NUM_TOP:
        return f"{present:,} different values"  # of an id, none is more frequent than another
    top = sorted(texts.top_values, key=lambda entry: (-entry.frequency, entry.value))[:_NUM_TOP]
    told = ", ".join(f"{_shorten(entry.value)} ({entry.frequency:,.0f})" for entry in top)
    more = int(texts.unique) - len(top)
    return f"{told} and {more:,} more" if more > 0 else told


def _shorten(value: str) -> str:
    if not value:
        return "(empty)"
    return value if len(value) <= _MAX_VALUE_LENGTH else value[: _MAX_VALUE_LENGTH - 1] + "…"
