"""The study's table: what was published, and what `study.json` holds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contract.settings import CandidateSettings
from evaluation.slice_metrics import Record, SliceMetrics

THRESHOLD = 0.5  # on the network's own, uncalibrated probability

# The test folder of the public set, which all figures below are of.
NUM_NORMAL, NUM_PNEUMONIA = 234, 390


class PublishedFigures(Record):
    """One row of the study, as printed there.

    Attributes:
        accuracy: Share of images that are called right, in [0, 1].
        recall: Share of pneumonia that is found, in [0, 1].
        specificity: Share of normal images that are called normal (recall on normal), in [0, 1].
    """

    accuracy: float = Field(ge=0.0, le=1.0)
    recall: float = Field(ge=0.0, le=1.0)
    specificity: float = Field(ge=0.0, le=1.0)


def _row(accuracy: float, recall: float, specificity: float) -> PublishedFigures:
    return PublishedFigures(accuracy=accuracy, recall=recall, specificity=specificity)


# By the names of the candidates of configs/study.yaml, in the study's order.
PUBLISHED: dict[str, PublishedFigures] = {
    "ann_baseline_adam": _row(0.814, 0.99, 0.52),
    "ann_baseline_sgd": _row(0.789, 0.99, 0.45),
    "ann_deep": _row(0.891, 0.95, 0.80),
    "ann_small": _row(0.737, 1.00, 0.30),
    "ann_dropout": _row(0.625, 1.00, 0.00),
    "ann_l2": _row(0.861, 0.98, 0.65),
    "ann_deep_best_weights": _row(0.830, 0.99, 0.56),
    "ann_deep_rate_0005": _row(0.851, 0.99, 0.62),
    "cnn_baseline": _row(0.625, 1.00, 0.00),
    "cnn_deep": _row(0.845, 0.99, 0.60),
    "cnn_dropout": _row(0.841, 0.99, 0.59),
    "xception": _row(0.870, 0.98, 0.69),
    "xception_deep": _row(0.856, 0.97, 0.66),
    "resnet101": _row(0.833, 0.98, 0.59),
    "xception_augmented": _row(0.862, 0.96, 0.71),
    "xception_deep_augmented": _row(0.902, 0.96, 0.81),
    "cnn_deep_augmented": _row(0.907, 0.99, 0.76),
}


class RocCurve(Record):
    """A ROC curve, from (0, 0) to (1, 1).

    Attributes:
        false_alarm_rates: 1 - specificity at each threshold, ascending.
        recalls: The recall there.
    """

    false_alarm_rates: tuple[float, ...]
    recalls: tuple[float, ...]


class StudyRow(Record):
    """One candidate on the test split.

    Attributes:
        name: The candidate.
        family: Of its architecture, as `models.architectures.FAMILIES` has it.
        candidate: How it was trained.
        num_parameters: All weights of the network.
        num_epochs: Epochs run, early stopping included.
        kept_epoch: From 1; the epoch whose weights are judged.
        training_s: Wall-clock time of the fit, s.
        history: Figures per epoch by Keras' names, such as `val_loss`.
        published: What the study printed; None for a candidate that is none of its rows.
        as_study: Figures at a threshold of .5 on the uncalibrated probability.
        threshold: The operating point that the candidate ships, on the calibrated probability.
        as_shipped: Figures there.
        roc: The curve of the probability.
        note: What makes the row another than the study's; may be empty.
    """

    name: str
    family: str
    candidate: CandidateSettings
    num_parameters: int
    num_epochs: int
    kept_epoch: int
    training_s: float
    history: dict[str, tuple[float, ...]]
    published: PublishedFigures | None
    as_study: SliceMetrics
    threshold: float
    as_shipped: SliceMetrics
    roc: RocCurve
    note: str


class StudyTable(Record):
    """All rows, in the study's order; candidates that it does not have come last.

    Attributes:
        schema_version: Grows when a field is renamed, removed or changes its meaning.
        synthetic: Whether the images were drawn: no figure means anything clinically.
        comparable: Whether the test split is the one that the published figures are of.
        comparability: Why, or why not, in sentences.
        num_normal: Normal images of the test split.
        num_pneumonia: Its images with pneumonia.
        rows: One per candidate.
    """

    schema_version: Literal[1] = 1
    synthetic: bool
    comparable: bool
    comparability: str
    num_normal: int
    num_pneumonia: int
    rows: tuple[StudyRow, ...]
