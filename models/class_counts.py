"""How many images of each class a split has, as StatisticsGen counted them."""

from __future__ import annotations

from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from contract import features

STATISTICS_FILE = "FeatureStats.pb"  # a DatasetFeatureStatisticsList, which StatisticsGen writes so


def read_class_counts(statistics: Path, split: str) -> tuple[int, int]:
    """Return the number of normal images, and of those with pneumonia.

    Transform keeps all records, so that these are also the counts of the transformed ones.

    Args:
        statistics: StatisticsGen's output (ExampleStatistics).
        split: One of `features.SPLITS`.

    Raises:
        OSError: There are no statistics of the split.
        ValueError: They are not those of labels.
    """
    path = statistics / f"Split-{split}" / STATISTICS_FILE
    content = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    found = [
        feature.num_stats
        for dataset in content.datasets
        for feature in dataset.features
        if feature.path.step == [features.LABEL]
    ]
    if len(found) != 1 or found[0].min < 0 or found[0].max > 1:
        raise ValueError(
            f"expected the statistics of one feature {features.LABEL} with values 0 and 1 in "
            f"{path}, got {len(found)} of that name; run StatisticsGen on records of the feature "
            "contract"
        )
    (labels,) = found
    num_normal = int(labels.num_zeros)
    return num_normal, int(labels.common_stats.tot_num_values) - num_normal
