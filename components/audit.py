"""The data audit node: what must hold of the records before anything is trained.

TFDV's ExampleValidator writes down its anomalies and lets the run go on; this
node reads them and stops it. On top it checks what a schema cannot say: patients
that occur in two splits, a missing class, a prevalence out of bounds. It warns of
shortcuts: numbers of an image that say nothing about lungs, and yet separate the classes;
and of splits that the same numbers separate.
"""

# TFX reads the annotations of component functions as objects: no
# `from __future__ import annotations` here.

import json
import logging
from pathlib import Path

import numpy as np
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Artifact, artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies, Examples

from contract import features
from contract.errors import InputError
from contract.settings import DataSettings
from evaluation.data_audit import (
    REPORT_FILE,
    Records,
    audit_records,
    audit_shortcuts,
    audit_splits,
    describe_anomalies,
)
from ingestion.measurement import measure_records
from ingestion.tfrecord_file import read_folder

_LOGGER = logging.getLogger(__name__)


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


def read_split(split_uri: str) -> Records:
    """Read labels and patient ids of a split's raw records; images are not decoded."""
    rows = [
        (record.number(features.LABEL), record.text(features.PATIENT_ID))
        for record in read_folder(Path(split_uri))
    ]
    return np.array([label for label, _ in rows], np.int64), [patient for _, patient in rows]
