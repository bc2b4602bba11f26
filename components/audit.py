"""The data audit node: what must hold of the records before anything is trained.

TFDV's ExampleValidator writes down its anomalies and lets the run go on; this
node reads them and stops it. On top it checks what a schema cannot say: patients
that occur in two splits, a missing class, a prevalence out of bounds. It warns of
shortcuts: numbers of an image that say nothing about lungs, and yet tell the classes apart;
and of splits that the same numbers tell apart.
"""

# TFX reads the annotations of component functions as objects: no
# `from __future__ import annotations` here.

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from components.errors import InputError
from components.shortcuts import split_differences
from components.shortcuts.measurement import Measured, measure_records
from components.shortcuts.separation import ShortcutReport, describe, find_shortcuts
from components.shortcuts.split_differences import SplitDifferences, compare_splits
from models import features
from pipeline.config import DataSettings

REPORT_FILE = "data_audit.json"
_LOGGER = logging.getLogger(__name__)
_NUM_SHOWN = 5


class DataAuditReport(Artifact):
    """Holds `REPORT_FILE`, counts per split and checks, a `ShortcutReport`, `SplitDifferences`."""

    TYPE_NAME = "pneumonia.DataAuditReport"


@component
def DataAudit(  # noqa: N802  # a node is named like TFX's own
    examples: InputArtifact[Examples],
    anomalies: InputArtifact[ExampleAnomalies],
    report: OutputArtifact[DataAuditReport],
    settings: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Stop the run when the records must not be trained on.

    Args:
        examples: Raw records in the splits of `features.SPLITS`.
        anomalies: ExampleValidator's findings on the same records.
        report: Receives `REPORT_FILE` and, where the records are fit, a `ShortcutReport` and
            `SplitDifferences`.
        settings: `DataSettings` as JSON.
        code_version: Version of the project's code, in the cache key.

    Raises:
        InputError: When any check fails; the message names every failure.
    """
    del code_version
    data_settings = DataSettings.model_validate_json(settings)
    folders = {split: artifact_utils.get_split_uri([examples], split) for split in features.SPLITS}
    splits = {split: read_split(folder) for split, folder in folders.items()}
    failures = audit_records(splits, data_settings)
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        failures += describe_anomalies(
            split, artifact_utils.get_split_uri([anomalies], split) + "/SchemaDiff.pb"
        )
    counts = {
        split: {
            "records": len(labels),
            "pneumonia": int(np.sum(labels)),
            "patients": len(set(patients)),
        }
        for split, (labels, patients) in splits.items()
    }
    path = Path(report.uri) / REPORT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"splits": counts, "failures": failures}, indent=2) + "\n")
    if failures:
        raise InputError("The data audit found the records unfit:\n- " + "\n- ".join(failures))
    _LOGGER.info("Data audit passed: %s", counts)
    measured = measure_records(
        {split: Path(folder) for split, folder in folders.items()},
        {split: len(labels) for split, (labels, _) in splits.items()},
    )
    audit_shortcuts(measured, data_settings).write(path.parent)
    audit_splits(measured, data_settings).write(path.parent)


Records = tuple[np.ndarray, list[str]]  # labels int64 [n], patient ids [n]


def read_split(split_uri: str) -> Records:
    """Read labels and patient ids of a split's gzipped TFRecords; images are not decoded."""
    spec = {
        features.LABEL: tf.io.FixedLenFeature([], tf.int64),
        features.PATIENT_ID: tf.io.FixedLenFeature([], tf.string),
    }
    files = sorted(tf.io.gfile.glob(f"{split_uri}/*"))
    batches = list(
        tf.data.TFRecordDataset(files, compression_type="GZIP")
        .batch(512)
        .map(lambda records: tf.io.parse_example(records, spec))
        .as_numpy_iterator()
    )
    if not batches:
        return np.zeros(0, np.int64), []
    labels = np.concatenate([batch[features.LABEL] for batch in batches])
    patients = [value.decode() for batch in batches for value in batch[features.PATIENT_ID]]
    return labels, patients


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
    """Find out whether nuisance features tell splits apart, and log a warning where they do.

    Args:
        measured: By split.
        settings: Say from when on a difference is strong.
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
