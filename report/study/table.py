"""The study's table: what `study.json` holds."""

from __future__ import annotations

from typing import Literal

from contract.settings import CandidateSettings
from evaluation.slice_metrics import Record, SliceMetrics
from report.study.published import PublishedFigures


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
