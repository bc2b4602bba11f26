"""Whether a single candidate beats the ensemble by more than chance.

Choosing the best of several candidates that differ by less than chance is choosing by luck. A
mean of networks has less variance than one of them, so it is what a tie goes to.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from evaluation.predictions import Predictions, ValidationCases
from evaluation.resampling import Floats, create_resampler, percentile_interval, weighted_areas
from evaluation.slice_metrics import Record

NUM_RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Answers:
    """What one candidate says of the validation images.

    Attributes:
        predictions: Calibrated, as the threshold is.
        threshold: Its operating point, in [0, 1].
    """

    predictions: Predictions
    threshold: float


class Difference(Record):
    """The single candidate's figure minus the ensemble's, in [-1, 1], with its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether chance alone explains it."""
        return self.low <= 0.0 <= self.high


class PairedChoice(Record):
    """The best single candidate beside the ensemble, on the same draws of patients.

    Attributes:
        single: Name of the single candidate.
        ensemble: Name of the ensemble.
        asked_first: What decides before the area does: the specificity where both reach the
            target sensitivity, the recall where neither does.
        recall: Difference of the recall on plain images, each at its own operating point.
        specificity: Difference of the mean of plain and stressed specificity, likewise.
        auc: Difference of the mean of plain and stressed area under the ROC curve.
        num_patients: Patients of the validation split.
        num_resamples: Draws of as many patients with replacement.
    """

    single: str
    ensemble: str
    asked_first: Literal["recall", "specificity"]
    recall: Difference
    specificity: Difference
    auc: Difference
    num_patients: int
    num_resamples: int

    @property
    def winner(self) -> str:
        """The single candidate where it is better beyond an interval, else the ensemble."""
        decisive = self.decisive
        if decisive is not None and getattr(self, decisive).low > 0.0:
            return self.single
        return self.ensemble

    @property
    def decisive(self) -> Literal["recall", "specificity", "auc"] | None:
        """The first figure whose interval leaves zero out; None where chance explains all."""
        if not self._figure_of_first.holds_zero:
            return self.asked_first
        return None if self.auc.holds_zero else "auc"

    @property
    def _figure_of_first(self) -> Difference:
        return self.recall if self.asked_first == "recall" else self.specificity


def compare_with_ensemble(
    single: str,
    ensemble: str,
    answers: dict[str, Answers],
    cases: ValidationCases,
    *,
    asked_first: Literal["recall", "specificity"],
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> PairedChoice:
    """Compare by a paired bootstrap over patients (percentile intervals).

    Both candidates are judged on each draw: what makes it easy is easy for both. Operating
    points stay where they are; each candidate ships the one that it has. Source: A. C. Davison,
    D. V. Hinkley, Bootstrap Methods and their Application, Cambridge 1997, section 3.8.

    Args:
        single: Name of the best single candidate.
        ensemble: Name of the ensemble.
        answers: Of both, by name; under the same stresses.
        cases: The images that they are of, both classes present.
        asked_first: See `PairedChoice`.
        seed: The same one gives the same draws.
        num_resamples: Draws.

    Raises:
        ValueError: The two have answers on different images or under different stresses, or a
            class is missing.
    """
    one, other = answers[single], answers[ensemble]
    if set(one.predictions.stressed) != set(other.predictions.stressed):
        raise ValueError(
            f"Expected {single} and {ensemble} under the same stresses, got "
            f"{sorted(one.predictions.stressed)} and {sorted(other.predictions.stressed)}: "
            "train both with one setting of operating_point.stress."
        )
    num_images = {cases.labels.size, one.predictions.plain.size, other.predictions.plain.size}
    if len(num_images) != 1:
        raise ValueError(
            f"Expected {single} and {ensemble} on the same validation images, got "
            f"{one.predictions.plain.size} and {other.predictions.plain.size} answers to "
            f"{cases.labels.size} images: run both on one split."
        )
    resampler = create_resampler(cases.labels, cases.patient_ids.tolist(), num_resamples, seed)
    pairs = [
        (share, answered, other.predictions.stressed[name] if name else other.predictions.plain)
        for name, share, answered in _weighed(one.predictions)
    ]
    truth = cases.labels == 1
    # What each image adds to the difference of specificities; nothing where it has pneumonia.
    rightly_normal = np.where(
        truth,
        0.0,
        sum(
            share * (_is_normal(mine, one) - _is_normal(theirs, other))
            for share, mine, theirs in pairs
        ),
    )

    found = truth * (
        _is_normal(other.predictions.plain, other) - _is_normal(one.predictions.plain, one)
    )

    def differences(weights: Floats) -> tuple[Floats, Floats, Floats]:
        areas = sum(
            share * (weighted_areas(truth, mine, weights) - weighted_areas(truth, theirs, weights))
            for share, mine, theirs in pairs
        )
        return (
            weights @ found / (weights @ truth),
            weights @ rightly_normal / (weights @ ~truth),
            np.asarray(areas),
        )

    drawn = [
        np.concatenate(each) for each in zip(*map(differences, resampler.weights()), strict=True)
    ]
    whole = differences(np.ones((1, truth.size)))
    recall, specificity, auc = (
        _difference(float(value[0]), resampled)
        for value, resampled in zip(whole, drawn, strict=True)
    )
    return PairedChoice(
        single=single,
        ensemble=ensemble,
        asked_first=asked_first,
        recall=recall,
        specificity=specificity,
        auc=auc,
        num_patients=len(set(cases.patient_ids.tolist())),
        num_resamples=num_resamples,
    )


def _weighed(predictions: Predictions) -> list[tuple[str, float, npt.NDArray[np.float32]]]:
    """Return name, share and answers: plain counts as much as all stresses together."""
    if not predictions.stressed:
        return [("", 1.0, predictions.plain)]
    share = 0.5 / len(predictions.stressed)
    stressed = [(name, share, answered) for name, answered in predictions.stressed.items()]
    return [("", 0.5, predictions.plain), *stressed]


def _is_normal(scores: npt.NDArray[np.float32], answers: Answers) -> Floats:
    # In float32, as the exported model compares.
    return (scores < np.float32(answers.threshold)).astype(np.float64)


def _difference(value: float, drawn: Floats) -> Difference:
    low, high = percentile_interval(drawn)
    return Difference(value=value, low=float(low), high=float(high))
