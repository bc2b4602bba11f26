"""What a run writes into `OUTPUT/summary.json`; `docs/summary.md` describes it for readers.

A field that is renamed, removed or means something else raises `SCHEMA_VERSION`;
an added one does not. Figures that are undefined are null, never NaN.
`pipeline.summary_file` reads and writes the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    field_validator,
    model_validator,
)

from contract.record import Part, Proportion
from pipeline.summary_verdict import Gate, PushedModel, Servability

SCHEMA_VERSION: Literal[1] = 1
TOTAL = "total"  # key of `timings_s`
OVERALL = "overall"  # key of the slice that holds everything, where slices come as one mapping

SYNTHETIC_NOTICE = (
    "The images were drawn by a program. The results show that the software works; "
    "clinically they mean nothing."
)
DECISION_SUPPORT_NOTICE = (
    "For decision support only: the model has no regulatory clearance, and its figures hold "
    "for images like those of its test split. A person makes the diagnosis."
)


class SplitCounts(Part):
    """Images of one split."""

    images: NonNegativeInt
    patients: NonNegativeInt
    by_label: dict[str, NonNegativeInt]
    by_subtype: dict[str, NonNegativeInt]


class DataCounts(Part):
    """What the run was made from."""

    source: str
    images: NonNegativeInt
    patients: NonNegativeInt
    rejected: NonNegativeInt
    splits: dict[str, SplitCounts]


class Estimate(Part):
    """A figure in [0, 1] with its 95% confidence interval."""

    value: Proportion
    low: Proportion | None = None
    high: Proportion | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"expected low <= high, got {self.low} > {self.high}")
        return self


def _without_undefined(estimate: Any) -> Any:
    """Turn an estimate whose value is None into None."""
    if isinstance(estimate, Mapping):
        return None if estimate.get("value") is None else estimate
    return None if getattr(estimate, "value", None) is None else estimate


OptionalEstimate = Annotated[Estimate | None, BeforeValidator(_without_undefined)]


class Metrics(Part):
    """The figures of one slice, at the operating point that the model ships."""

    n: NonNegativeInt
    positives: NonNegativeInt
    recall: OptionalEstimate
    specificity: OptionalEstimate
    precision: OptionalEstimate
    accuracy: OptionalEstimate
    auc: OptionalEstimate


class SplitMetrics(Part):
    """The figures of one split: of all of it, and by slice name, e.g. `subtype=viral`."""

    overall: Metrics
    slices: dict[str, Metrics]

    @classmethod
    def from_slices(cls, slices: Mapping[str, object]) -> Self:
        """Sort a mapping of slice names that holds `overall` among the others.

        Args:
            slices: By name, `Metrics` or objects with the same attributes and maybe more,
                such as `evaluation.slice_metrics.SliceMetrics`.

        Raises:
            ValueError: There is no slice `overall`, or a figure is out of range.
        """
        metrics = {
            name: Metrics.model_validate(figures) for name, figures in sorted(slices.items())
        }
        if OVERALL not in metrics:
            raise ValueError(f"expected a slice {OVERALL!r}, got {sorted(metrics)}")
        overall = metrics.pop(OVERALL)
        return cls(overall=overall, slices=metrics)


class RunMetrics(Part):
    """The selected model's figures on the splits that it was not fitted to."""

    validation: SplitMetrics
    test: SplitMetrics


class Shortcut(Part):
    """A number of an image that says nothing about lungs, and how it tells the classes apart."""

    name: str
    auc: Proportion
    low: Proportion
    high: Proportion
    direction: Literal["higher_in_pneumonia", "lower_in_pneumonia", "none"]
    strong: bool


class SplitDifference(Part):
    """How well nuisance features tell the images of one class of two splits apart."""

    first: str
    second: str
    label: str
    n_first: NonNegativeInt
    n_second: NonNegativeInt
    auc: Proportion | None
    low: Proportion | None
    high: Proportion | None
    leading_feature: str
    leading_auc: Proportion | None
    strong: bool


class PseudoSite(Part):
    """One part of validation that stands in for a hospital."""

    scheme: str
    group: str
    positives: NonNegativeInt
    negatives: NonNegativeInt
    recall: OptionalEstimate
    specificity: OptionalEstimate
    held_out_threshold: Proportion | None
    held_out_recall: OptionalEstimate
    held_out_specificity: OptionalEstimate


class Trial(Part):
    """One set of hyperparameters that a search tried."""

    score: float | None
    hyperparameters: dict[str, float | int | str | bool]


class Candidate(Part):
    """A model that competed; what has a default is missing in older summaries."""

    name: str
    architecture: str
    parameters: NonNegativeInt
    trainable_parameters: NonNegativeInt | None = None
    members: tuple[str, ...] = ()
    hyperparameters: dict[str, float | int | str | bool]
    trials: tuple[Trial, ...] = ()
    epochs_run: NonNegativeInt
    training_s: NonNegativeFloat | None = None
    validation_metrics: Metrics
    reaches_target: bool | None = None
    stressed_recall: Proportion | None = None
    stressed_specificity: Proportion | None = None
    stressed_auc: Proportion | None = None
    worst_stress: str = ""
    worst_stressed_auc: Proportion | None = None
    stressed_metrics: dict[str, Metrics] = Field(default_factory=dict)
    pseudo_sites: tuple[PseudoSite, ...] = ()
    calibration_error_before: Proportion | None = None
    calibration_error_after: Proportion | None = None


class OperatingPoint(Part):
    """The decision threshold that the model ships."""

    threshold: Proportion
    target_sensitivity: Proportion
    chosen_on: Literal["validation"]


class PublishedFigures(Part):
    """One row of the study, as it was published."""

    accuracy: Proportion
    recall: Proportion
    specificity: Proportion


class StudyRow(Part):
    """One candidate on the test split, as the study judged: uncalibrated, from .5 on."""

    name: str
    metrics: Metrics
    published: PublishedFigures | None
    note: str = ""


class Study(Part):
    """All candidates beside the figures of an older study."""

    page: str
    comparable: bool
    comparability: str
    rows: tuple[StudyRow, ...]


class Coverage(Part):
    """What the model decides on one split, and how good it is there; the rest it refers."""

    n: NonNegativeInt
    num_unfamiliar: NonNegativeInt | None
    num_uncertain: NonNegativeInt | None
    share: OptionalEstimate
    decided: Metrics


class Decisions(Part):
    """What the selected model decides by itself, and what it refers to a radiologist."""

    low: Proportion
    high: NonNegativeFloat
    max_missed_fraction: Proportion
    max_false_alarm_fraction: Proportion
    max_unfamiliar_fraction: Proportion
    validation: Coverage
    test: Coverage | None


class RejectedImage(Part):
    """An image that could not be read and was left out."""

    image_id: str
    reason: str


class ClassScores(Part):
    """The probabilities that the images of one class got."""

    n: NonNegativeInt
    mean_probability: Proportion
    percentiles: dict[str, Proportion]
    histogram: tuple[NonNegativeInt, ...]


class Referral(Part):
    """What the model hands on to a person, and what it says of the rest."""

    referred: OptionalEstimate
    referred_by_label: dict[str, OptionalEstimate]
    unfamiliar: OptionalEstimate
    decided: Metrics


class ExternalSet(Part):
    """The selected model on one set from outside the training data."""

    source: str
    synthetic: bool
    patients: NonNegativeInt
    images_without_patient: NonNegativeInt
    seen_in_training: NonNegativeInt
    rejected: tuple[RejectedImage, ...]
    warnings: tuple[str, ...]
    threshold: Proportion
    metrics: Metrics
    calibration_error: Proportion
    brier: Proportion
    scores: dict[str, ClassScores | None]
    referral: Referral | None


class Versions(Part):
    """Versions of what made the model."""

    project: str
    tfx: str
    tensorflow: str
    keras: str


class Summary(Part):
    """A whole run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    synthetic: bool
    notice: str
    data: DataCounts
    shortcuts: tuple[Shortcut, ...] = ()
    split_differences: tuple[SplitDifference, ...] = ()
    candidates: tuple[Candidate, ...]
    selected: str
    selection_reason: str = ""
    operating_point: OperatingPoint
    decisions: Decisions | None = None
    metrics: RunMetrics
    gate: Gate
    servability: Servability | None = None
    pushed_model: PushedModel | None
    external: dict[str, ExternalSet] = Field(default_factory=dict)
    study: Study | None = None
    report: str | None = None  # its page
    timings_s: dict[str, NonNegativeFloat]
    versions: Versions
    settings: dict[str, JsonValue]
    num_gpus: NonNegativeInt
    tensorboard_dir: str | None = None
    log_file: str

    @field_validator("timings_s")
    @classmethod
    def _has_total(cls, timings_s: dict[str, float]) -> dict[str, float]:
        if TOTAL not in timings_s:
            raise ValueError(f"expected the key {TOTAL!r}, got {sorted(timings_s)}")
        return timings_s

    @model_validator(mode="after")
    def _selected_is_a_candidate(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if self.selected not in names:
            raise ValueError(f"expected selected to be one of {names}, got {self.selected!r}")
        if self.pushed_model is not None and not self.is_blessed:
            raise ValueError("expected no pushed model where it was refused, got one")
        return self

    @property
    def is_blessed(self) -> bool:
        """Whether neither the gate nor what served the export has refused the model."""
        return self.gate.blessed and (self.servability is None or self.servability.may_be_pushed)


def notice_for(synthetic: bool) -> str:
    """Return the sentence that goes with results of drawn or of real images."""
    return SYNTHETIC_NOTICE if synthetic else DECISION_SUPPORT_NOTICE
