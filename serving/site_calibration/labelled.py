"""A threshold for a site from labelled images, and how many more are worth labelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from contract.settings import GateSettings, ReferralSettings, SiteCalibrationSettings
from evaluation.decision_band import DecisionBand, choose_decision_band
from evaluation.intervals import wilson_interval
from evaluation.operating_point import OperatingPoint, choose_operating_point
from serving.site_calibration.patients import PatientSamples

RECHOSEN, REFUSED = "rechosen", "refused"
_MOST_CASES = 100_000  # no hospital labels more


class Proportion(BaseModel):
    """A share of cases with its 95% interval (Wilson).

    Attributes:
        value: In [0, 1].
        low: The interval's lower end.
        high: The interval's upper end.
        number: Cases that it is a share of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float
    number: int


class MeasuredFigures(BaseModel):
    """What a threshold does on the site's labelled images; None without cases of that class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall: Proportion | None
    specificity: Proportion | None
    accuracy: Proportion


class Choice(BaseModel):
    """What labelled images say of a threshold.

    Attributes:
        verdict: "rechosen" or "refused".
        reasons: Why it is refused.
        num_images: Scored images.
        num_pneumonia: Those with pneumonia.
        target_sensitivity: What the lower end of the recall's interval is to reach.
        reaches_target: Whether it does; few cases cannot show it.
        frozen_threshold: The one that the gate judged.
        threshold: The re-chosen one; None where there are too few images to choose by.
        threshold_low: Lower end of its 95% bootstrap interval.
        threshold_high: Upper end.
        frozen: Figures of the frozen threshold.
        rechosen: Figures of the re-chosen one.
        interval_width: The stated width of the recall's interval.
        more_cases_for_width: Further cases of pneumonia until it is as narrow, at this recall.
        more_images_for_width: Further images that hold as many, at this prevalence.
        more_cases_for_gate: Further cases until a recall like this one passes the gate; 0 where it
            does, None where no number helps.
        referral: Which errors the band was chosen for; None from a model that refers no scores.
        band: Scores that are referred with the re-chosen threshold.
        decided: Figures of the re-chosen threshold on the images outside `band`, on which it was
            chosen; None where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Literal["rechosen", "refused"]
    reasons: tuple[str, ...]
    num_images: int
    num_pneumonia: int
    target_sensitivity: float
    reaches_target: bool
    frozen_threshold: float
    threshold: float | None
    threshold_low: float | None
    threshold_high: float | None
    frozen: MeasuredFigures
    rechosen: MeasuredFigures | None
    interval_width: float
    more_cases_for_width: int | None
    more_images_for_width: int | None
    more_cases_for_gate: int | None
    referral: ReferralSettings | None = None
    band: DecisionBand | None = None
    decided: MeasuredFigures | None = None


def measure(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> MeasuredFigures:
    """Measure a threshold on labelled images.

    Args:
        labels: 0 or 1, [n], n at least 1.
        probabilities: float32 [n], in [0, 1].
        threshold: At or above it an image is called pneumonia.
    """
    truth = np.asarray(labels).astype(bool)
    called = np.asarray(probabilities, dtype=np.float32) >= np.float32(threshold)
    accuracy = _proportion(int(np.sum(called == truth)), truth.size)
    if accuracy is None:
        raise ValueError("expected at least one labelled image, got none")
    return MeasuredFigures(
        recall=_proportion(int(np.sum(called & truth)), int(np.sum(truth))),
        specificity=_proportion(int(np.sum(~called & ~truth)), int(np.sum(~truth))),
        accuracy=accuracy,
    )


def choose_for_site(
    labels: ArrayLike,
    probabilities: ArrayLike,
    frozen_threshold: float,
    target_sensitivity: float,
    settings: SiteCalibrationSettings,
    gate: GateSettings,
    patients: Sequence[str] | None = None,
    referral: ReferralSettings | None = None,
) -> Choice:
    """Choose the threshold again, as it is chosen on validation, and apply the gate's recall rules.

    The recall's interval needs no images that the threshold was not chosen on: the threshold is the
    score of the k-th lowest case, k follows from the number of cases alone, and the share of
    future cases at or above that score is bounded by the same interval as a share of counted ones
    (S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
    Mathematical Statistics 12 (1941), 91-96).

    Args:
        labels: 0 or 1, [n], n at least 1.
        probabilities: float32 [n], in [0, 1].
        frozen_threshold: The one that the gate judged.
        target_sensitivity: In (0, 1).
        settings: How many images there must be; the stated width.
        gate: Its rules for recall.
        patients: Of each image; their images are resampled together. None: one image each.
        referral: The errors that the band of referred scores is chosen for, as on validation; None
            chooses no band.

    Raises:
        ValueError: There are no images, or a probability is not finite.
    """
    truth = np.asarray(labels).astype(bool)
    scores = np.asarray(probabilities, dtype=np.float32)
    num_pneumonia = int(truth.sum())
    reasons = []
    if truth.size < settings.min_labelled_images:
        reasons.append(
            f"too few labelled images: {truth.size}, expected at least "
            f"{settings.min_labelled_images}"
        )
    if num_pneumonia in (0, truth.size):
        kind = "normal" if num_pneumonia else "pneumonia"
        reasons.append(f"no image is labelled {kind}: expected both classes")
    if reasons:
        return Choice(
            verdict=REFUSED,
            reasons=tuple(reasons),
            num_images=truth.size,
            num_pneumonia=num_pneumonia,
            target_sensitivity=target_sensitivity,
            reaches_target=False,
            frozen_threshold=frozen_threshold,
            threshold=None,
            threshold_low=None,
            threshold_high=None,
            frozen=measure(truth, scores, frozen_threshold),
            rechosen=None,
            interval_width=settings.interval_width,
            more_cases_for_width=None,
            more_images_for_width=None,
            more_cases_for_gate=None,
        )
    point = _choose(truth, scores, target_sensitivity, gate)
    rechosen = measure(truth, scores, point.threshold)
    recall = rechosen.recall
    if recall is None:
        raise ValueError("expected cases of pneumonia, got none")
    band = decided = None
    if referral is not None:
        band = choose_decision_band(truth, scores, point.threshold, referral)
        outside = ~band.refers(scores)
        if outside.any():
            decided = measure(truth[outside], scores[outside], point.threshold)
    low, high = _threshold_interval(truth, scores, target_sensitivity, settings, gate, patients)
    more_for_gate = _more_for_gate(recall, gate)
    more_for_width = more_cases(recall.value, recall.number, settings.interval_width)
    reasons = _gate_reasons(recall, gate, more_for_gate)
    return Choice(
        verdict=REFUSED if reasons else RECHOSEN,
        reasons=tuple(reasons),
        num_images=truth.size,
        num_pneumonia=num_pneumonia,
        target_sensitivity=target_sensitivity,
        reaches_target=recall.low >= target_sensitivity,
        frozen_threshold=frozen_threshold,
        threshold=point.threshold,
        threshold_low=min(low, point.threshold),
        threshold_high=max(high, point.threshold),
        frozen=measure(truth, scores, frozen_threshold),
        rechosen=rechosen,
        interval_width=settings.interval_width,
        more_cases_for_width=more_for_width,
        more_images_for_width=None
        if more_for_width is None
        else int(np.ceil(more_for_width * truth.size / num_pneumonia)),
        more_cases_for_gate=more_for_gate,
        referral=referral,
        band=band,
        decided=decided,
    )


def more_cases(recall: float, num_cases: int, width: float) -> int | None:
    """Return how many more cases make the recall's Wilson interval as narrow as wanted.

    Args:
        recall: Expected of them all, in [0, 1].
        num_cases: Cases at hand.
        width: Upper minus lower end, in (0, 1).

    Returns:
        At least 0; None where it takes over 100,000 in all.
    """

    def is_narrow(number: int) -> bool:
        interval = wilson_interval(round(recall * number), number)
        return interval is not None and interval[1] - interval[0] <= width

    return _more_until(is_narrow, num_cases)


def _more_until(is_enough: Callable[[int], bool], num_cases: int) -> int | None:
    for number in range(max(num_cases, 1), _MOST_CASES + 1):
        if is_enough(number):
            return number - num_cases
    return None


def _more_for_gate(recall: Proportion, gate: GateSettings) -> int | None:
    if recall.value < max(gate.min_recall, gate.min_recall_lower_bound):
        return None

    def passes(number: int) -> bool:
        interval = wilson_interval(int(recall.value * number + 1e-9), number)
        return interval is not None and interval[0] >= gate.min_recall_lower_bound

    return _more_until(passes, recall.number)


def _choose(
    truth: np.ndarray, scores: np.ndarray, target_sensitivity: float, gate: GateSettings
) -> OperatingPoint:
    point = choose_operating_point(truth, scores, target_sensitivity)
    if point.reaches_target:
        return point
    # Too few cases to show the target. The gate's lower bound may ask for more hits than the
    # target does without its interval.
    for_gate = choose_operating_point(truth, scores, gate.min_recall_lower_bound)
    return min(point, for_gate, key=lambda each: each.threshold)


def _threshold_interval(
    truth: np.ndarray,
    scores: np.ndarray,
    target_sensitivity: float,
    settings: SiteCalibrationSettings,
    gate: GateSettings,
    patients: Sequence[str] | None,
) -> tuple[float, float]:
    rng = np.random.default_rng(settings.seed)
    samples = PatientSamples(truth.size, patients)
    thresholds = []
    for _ in range(settings.num_resamples):
        drawn = samples.draw(rng)
        if 0 < truth[drawn].sum() < drawn.size:
            point = _choose(truth[drawn], scores[drawn], target_sensitivity, gate)
            thresholds.append(point.threshold)
    if not thresholds:
        return 0.0, 1.0
    low, high = np.percentile(thresholds, (2.5, 97.5))
    return float(low), float(high)


def _gate_reasons(recall: Proportion, gate: GateSettings, more: int | None) -> list[str]:
    reasons = []
    if recall.value < gate.min_recall:
        reasons.append(
            f"recall {recall.value:.3f} of {recall.number} cases, expected at least "
            f"{gate.min_recall:g} (gate.min_recall)"
        )
    if recall.low < gate.min_recall_lower_bound:
        help_by_more = (
            f"{more} more cases of pneumonia with the same recall would pass"
            if more is not None
            else "more images with the same recall would not pass"
        )
        reasons.append(
            f"lower 95% bound of recall {recall.low:.3f} on {recall.number} cases, expected at "
            f"least {gate.min_recall_lower_bound:g} (gate.min_recall_lower_bound); {help_by_more}"
        )
    return reasons


def _proportion(successes: int, number: int) -> Proportion | None:
    interval = wilson_interval(successes, number)
    if interval is None:
        return None
    return Proportion(value=successes / number, low=interval[0], high=interval[1], number=number)
