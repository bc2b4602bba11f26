"""From predictions on the test split to the study's table, and whether it may be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_curve

from contract import features
from contract.architectures import ARCHITECTURES, is_pretrained
from contract.settings import CandidateSettings
from evaluation.slice_metrics import OVERALL, slice_metrics_from_predictions
from evaluation.training_report import TrainingReport
from models.architectures.weights import NONE
from report.candidates.recipe import kept_epoch
from report.study.table import (
    NUM_NORMAL,
    NUM_PNEUMONIA,
    PUBLISHED,
    THRESHOLD,
    RocCurve,
    StudyRow,
    StudyTable,
)

RANDOM_BACKBONE = (
    "its backbone has random weights; the study's had been trained on ImageNet, so this row is "
    "not comparable"
)
STAND_IN = (
    "not a row of the study: it replaces the study's networks with ImageNet weights, where "
    "their files are not available"
)


def make_row(report: TrainingReport, labels: np.ndarray, probabilities: np.ndarray) -> StudyRow:
    """Judge a candidate's predictions on the test split.

    Args:
        report: What its Trainer wrote.
        labels: int64 [n], 0 or 1, both present.
        probabilities: float32 [n], the network's own, in [0, 1].

    Raises:
        ValueError: The report is of an ensemble, which no Trainer has made.
    """
    if report.candidate is None:
        raise ValueError(f"Expected a trained candidate, got the ensemble {report.name!r}.")
    family = ARCHITECTURES[report.architecture].family
    calibrated = report.calibration.apply(probabilities).astype(np.float32)
    false_alarm_rates, recalls, _ = roc_curve(labels, probabilities)
    return StudyRow(
        name=report.name,
        family=family,
        candidate=report.candidate,
        num_parameters=report.num_parameters,
        num_epochs=report.num_epochs,
        kept_epoch=kept_epoch(report),
        training_s=report.training_s,
        history={name: tuple(values) for name, values in report.history.items()},
        published=PUBLISHED.get(report.name),
        as_study=slice_metrics_from_predictions(labels, probabilities, THRESHOLD)[OVERALL],
        threshold=report.threshold,
        as_shipped=slice_metrics_from_predictions(labels, calibrated, report.threshold)[OVERALL],
        roc=RocCurve(
            false_alarm_rates=tuple(map(float, false_alarm_rates)),
            recalls=tuple(map(float, recalls)),
        ),
        note=_note(report.name, report.candidate),
    )


def _note(name: str, candidate: CandidateSettings) -> str:
    """Return what a reader must know of a row."""
    if not is_pretrained(candidate.architecture):
        return ""
    if candidate.weights == NONE:
        return RANDOM_BACKBONE
    return "" if name in PUBLISHED else STAND_IN


def make_table(
    rows: Sequence[StudyRow], labels: np.ndarray, source_splits: Sequence[str], synthetic: bool
) -> StudyTable:
    """Put rows into the study's order, and say whether they may be compared with it.

    Args:
        rows: All of one test split.
        labels: int64 [n] of that split.
        source_splits: [n], the split that each image had in its source, "" where it had none.
        synthetic: Whether the images were drawn.
    """
    places = {name: place for place, name in enumerate(PUBLISHED)}
    num_normal, num_pneumonia = np.bincount(labels, minlength=2).tolist()
    obstacle = _obstacle(num_normal, num_pneumonia, source_splits, synthetic)
    return StudyTable(
        synthetic=synthetic,
        comparable=not obstacle,
        comparability=obstacle
        or (
            f"These are the {num_normal + num_pneumonia} official test images, which the source "
            "has as its own test split: the rows are comparable with the published figures, as "
            "far as our reading of what the study left open is right."
        ),
        num_normal=num_normal,
        num_pneumonia=num_pneumonia,
        rows=tuple(sorted(rows, key=lambda row: (places.get(row.name, len(places)), row.name))),
    )


def _obstacle(
    num_normal: int, num_pneumonia: int, source_splits: Sequence[str], synthetic: bool
) -> str:
    """Return what forbids the comparison, or "" where nothing does."""
    official = (
        f"The published figures are of the {NUM_NORMAL + NUM_PNEUMONIA} official test images "
        f"({NUM_NORMAL} normal, {NUM_PNEUMONIA} pneumonia)."
    )
    if synthetic:
        return (
            "The rows are NOT comparable with the published figures: these images were drawn by a "
            f"program. {official}"
        )
    if any(split != features.TEST for split in source_splits):
        return (
            "The rows are NOT comparable with the published figures: the source has no test "
            f"split, so one was split off by patient. {official} The public set "
            "with its test folder makes the rows comparable."
        )
    if (num_normal, num_pneumonia) != (NUM_NORMAL, NUM_PNEUMONIA):
        return (
            "The rows are NOT comparable with the published figures: the test split of this "
            f"source has {num_normal} normal and {num_pneumonia} pneumonia images. {official}"
        )
    return ""
