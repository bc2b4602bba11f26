"""What is measured on a model's answers to a split, each once and when asked for."""

from __future__ import annotations

import dataclasses
from functools import cached_property

from contract import features
from evaluation.class_report import ClassFigures, report_classes
from evaluation.curves import Curves, measure_curves
from evaluation.reliability import Reliability, measure_reliability
from evaluation.resampling import Resampler, create_resampler
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_predictions
from evaluation.threshold_curves import ThresholdCurves, measure_threshold_curves
from report.served_predictions import Predictions


@dataclasses.dataclass(frozen=True)
class SplitMeasurements:
    """Measurements of a split.

    Attributes:
        answers: The model's.
        num_samples: Of the bootstrap over patients.
        seed: Of its draws.
    """

    answers: Predictions
    num_samples: int
    seed: int

    @cached_property
    def metrics(self) -> SliceMetrics:
        """The figures at the operating point."""
        return slice_metrics_from_predictions(
            self.answers.labels, self.answers.probabilities, self.answers.threshold
        )[OVERALL]

    @cached_property
    def resampler(self) -> Resampler:
        """The bootstrap; raises a ValueError where a class is absent."""
        patients = [str(patient) for patient in self.answers.facts[features.PATIENT_ID]]
        return create_resampler(self.answers.labels, patients, self.num_samples, self.seed)

    @cached_property
    def curves(self) -> Curves:
        """ROC and precision-recall curve."""
        return measure_curves(self.answers.probabilities, self.resampler)

    @cached_property
    def reliability(self) -> Reliability:
        """The calibration."""
        return measure_reliability(self.answers.probabilities, self.resampler)

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """The classification report."""
        return report_classes(self.answers.decisions, self.resampler)

    @cached_property
    def threshold_curves(self) -> ThresholdCurves:
        """Sensitivity and specificity over the threshold."""
        return measure_threshold_curves(self.answers.labels, self.answers.probabilities)

    @property
    def num_patients(self) -> int:
        """How many patients the images are of."""
        return len(set(self.answers.facts[features.PATIENT_ID]))
