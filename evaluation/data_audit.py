"""What must hold of the records before anything is trained, and what of them could mislead."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tensorflow_metadata.proto.v0 import anomalies_pb2

from contract import features
from contract.facts import Measured
from contract.settings import DataSettings
from evaluation import split_differences
from evaluation.shortcut_separation import ShortcutReport, describe, find_shortcuts
from evaluation.split_differences import SplitDifferences, compare_splits

REPORT_FILE = "data_audit.json"
_LOGGER = logging.getLogger(__name__)
_NUM_SHOWN = 5

Records = tuple[np.ndarray, list[str]]  # labels int64 [n], patient ids [n]


def audit_records(splits: Mapping[str, Records], settings: DataSettings) -> list[str]:
    """Check labels and patients of all splits.

    Args:
        splits: Labels and patient ids by split name.
        settings: The bounds on prevalence.

    Returns:
        One sentence per failure; empty when the records are fit.
    """
    failures = []
    for split, (labels, _) in splits.items():
        if len(labels) == 0:
            failures.append(
                f"Split `{split}`: expected records, got none. Add images, or raise "
                "data.validation_fraction or data.test_fraction."
            )
            continue
        missing = [name for value, name in enumerate(features.LABELS) if value not in labels]
        if missing:
            failures.append(
                f"Split `{split}`: expected both classes, got no {' or '.join(missing)} among "
                f"{len(labels)} records. Add images of that class."
            )
            continue
        prevalence = float(np.mean(labels))
        if not settings.min_prevalence <= prevalence <= settings.max_prevalence:
            failures.append(
                f"Split `{split}`: expected a pneumonia prevalence in "
                f"[{settings.min_prevalence}, {settings.max_prevalence}], got {prevalence:.3f}. "
                "Check the labels, or set data.min_prevalence and data.max_prevalence."
            )
    return failures + _shared_patients(splits)


def _shared_patients(splits: Mapping[str, Records]) -> list[str]:
    names = list(splits)
    failures = []
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = sorted(set(splits[first][1]) & set(splits[second][1]))
            if shared:
                failures.append(
                    f"Splits `{first}` and `{second}`: expected no patient in both, got "
                    f"{len(shared)}: {_shown(shared)}. Split by patient."
                )
    return failures


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NUM_SHOWN} more" if len(names) > _NUM_SHOWN else ""
    return ", ".join(names[:_NUM_SHOWN]) + more


def audit_shortcuts(measured: Mapping[str, Measured], settings: DataSettings) -> ShortcutReport:
    """Judge the nuisance features of `train` and `validation`, and log a warning of strong ones.

    Args:
        measured: By split; `test` plays no part.
        settings: Say from when on a shortcut is strong.

    Raises:
        ValueError: A class is missing in both splits.
    """
    seen = [measured[split] for split in (features.TRAIN, features.VALIDATION)]
    statistics = [image for split in seen for image in split.statistics]
    labels = np.concatenate([split.labels for split in seen])
    report = find_shortcuts(statistics, labels, settings.shortcut_warning_auc)
    for shortcut in report.strong:
        _LOGGER.warning("%s", describe(shortcut))
    return report


def audit_splits(measured: Mapping[str, Measured], settings: DataSettings) -> SplitDifferences:
    """Measure how well nuisance features separate splits, and log a warning of strong differences.

    Args:
        measured: By split.
        settings: Hold the area at which a difference is strong.
    """
    report = compare_splits(measured, settings.split_warning_auc)
    for difference in report.differences:
        if difference.strong:
            _LOGGER.warning("%s", split_differences.describe(difference))
    return report


def describe_anomalies(split: str, path: str) -> list[str]:
    """Turn ExampleValidator's findings on a split into one sentence each."""
    anomalies = anomalies_pb2.Anomalies.FromString(Path(path).read_bytes())
    return [
        f"Split `{split}`, feature `{name}`: {info.description} Expected what "
        "models/schema/schema.pbtxt says; write the records again."
        for name, info in sorted(anomalies.anomaly_info.items())
    ]
