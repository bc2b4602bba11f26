"""A threshold for a site from unlabelled images, or the reasons why not.

The steps: explain the site's scores by prevalence alone, which leaves the threshold as it is; where
that is rejected, by prevalence and acquisition; estimate the prevalence on scores of which the
acquisition's part is undone; put the threshold where it calls the share that the reference would
have called at that prevalence. All is repeated on resamples, for intervals, and on sites drawn from
the reference itself, which show how far apart equal sites look.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from contract.settings import SiteCalibrationSettings
from evaluation.decision_band import DecisionBand
from models.reference_scores import ReferenceScores
from serving.site_calibration.band import Explained, carry_band
from serving.site_calibration.patients import PatientSamples
from serving.site_calibration.prevalence import BORDER, estimate_prevalence
from serving.site_calibration.shift import (
    Reference,
    Scores,
    Shift,
    explain_by_prevalence,
    explain_by_shift,
    to_log_odds,
)
from serving.site_calibration.transport import (
    expected_share_called,
    figures_at_share,
    threshold_for_share,
)

ALIGNED, KEPT, REFUSED = "aligned", "kept", "refused"
Verdict = Literal["aligned", "kept", "refused"]

_INTERVAL = (2.5, 97.5)  # percentiles
_REJECTS_PREVALENCE_ALONE = 97.5  # percentile of what equal sites show; there are two such checks
_REJECTS_SHIFT = 99.0
_MAX_SCALE = 3.0  # and its inverse


class Estimate(BaseModel):
    """A figure with its 95% bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float


class Figures(BaseModel):
    """What a threshold is expected to do at the site, by the reference carried there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall: Estimate
    specificity: Estimate


class Alignment(BaseModel):
    """What unlabelled images say of a threshold.

    Attributes:
        verdict: "aligned": there is a new threshold; "kept": nothing speaks against the frozen
            one; "refused": the estimate must not be trusted.
        reasons: Why it is not "aligned"; empty where it is.
        warnings: What to know although it is.
        num_images: Scored images.
        prevalence: Share of pneumonia.
        prevalence_given: Whether it was given, not estimated; then its interval has no width.
        prevalence_unshifted: What expectation-maximisation says where every difference is taken
            for one of prevalence.
        prevalence_by_shape: What the distribution's shape says.
        gap_bound: How far `prevalence` and `prevalence_by_shape` may be apart.
        scale: Of the acquisition shift; 1 where none was found.
        offset: Of the acquisition shift, in log-odds; 0 where none was found.
        shift_found: Whether prevalence alone does not explain the scores.
        distance_before: From the reference mixture before the acquisition shift is undone.
        distance_before_bound: What equal sites stay under, 97.5 of 100 times.
        distance_after: The same after it is undone.
        distance_after_bound: What is tolerated.
        frozen_threshold: The one that the gate judged.
        estimated_threshold: The one of the same quantile as the frozen one at the reference.
        threshold: The aligned one: the estimated one where that is lower than the frozen one, else
            at most the lower end of the estimate's interval.
        capped: Whether it is lower still, so that `recall_if_unmoved` is not below the gate's
            lower bound.
        share_called_frozen: Share of the site's images at or above the frozen threshold.
        share_called: The same of the aligned one.
        frozen: Expected figures of the frozen threshold.
        aligned: Expected figures of the aligned threshold.
        recall_if_unmoved: Recall of the aligned threshold were the scores of pneumonia those of
            the reference: the worst case of a raised threshold.
        band: Scores that are referred with the aligned threshold; None from a model that refers
            none.
        share_uncertain_frozen: Share of the site's images whose score is in the frozen band.
        share_uncertain: The same of `band`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    num_images: int
    prevalence: Estimate
    prevalence_given: bool
    prevalence_unshifted: float
    prevalence_by_shape: float
    gap_bound: float
    scale: float
    offset: float
    shift_found: bool
    distance_before: float
    distance_before_bound: float
    distance_after: float
    distance_after_bound: float
    frozen_threshold: float
    estimated_threshold: Estimate
    threshold: float
    capped: bool
    share_called_frozen: float
    share_called: float
    frozen: Figures
    aligned: Figures
    recall_if_unmoved: float
    band: DecisionBand | None = None
    share_uncertain_frozen: float | None = None
    share_uncertain: float | None = None


@dataclasses.dataclass(frozen=True)
class _Solution:
    shift: Shift
    prevalence: float
    threshold: float


@dataclasses.dataclass(frozen=True)
class _EqualSites:
    """Percentiles of what sites without any acquisition shift show.

    A gap is the difference of the prevalence by the scores' posteriors and by their distribution.
    """

    distance_by_prevalence: float
    gap_by_prevalence: float
    distance_by_shift: float
    gap_by_shift: float


def align_scores(
    probabilities: ArrayLike,
    reference_scores: ReferenceScores,
    frozen_threshold: float,
    settings: SiteCalibrationSettings,
    *,
    min_recall_lower_bound: float,
    prevalence: float | None = None,
    patients: Sequence[str] | None = None,
    frozen_band: DecisionBand | None = None,
) -> Alignment:
    """Find the threshold at a site that does what the frozen one does at the reference.

    Args:
        probabilities: The model's for the site's images, [n], in [0, 1].
        reference_scores: The model's on validation.
        frozen_threshold: The one that the gate judged, in (0, 1).
        settings: What the images must show.
        min_recall_lower_bound: The gate's. The threshold is raised only so far that the reference's
            recall stays at or above it, for labels alone could say that the scores of pneumonia
            have risen, too; and not at all where the expected recall's interval falls below it.
        prevalence: The share of cases among these images, in (0, 1), where it is known; None
            estimates it.
        patients: Of each image; their images are resampled together. None: one image each.
        frozen_band: Scores that were referred when the gate judged the model; None for none.

    Raises:
        ValueError: There are no images, or a probability is not finite.
    """
    scores = np.asarray(probabilities, dtype=np.float32)
    if scores.ndim != 1 or not scores.size or not np.all(np.isfinite(scores)):
        raise ValueError(f"expected finite probabilities [n], got the shape {scores.shape}")
    site = to_log_odds(scores)
    reference = Reference.from_probabilities(reference_scores.normal, reference_scores.pneumonia)
    frozen = float(to_log_odds(frozen_threshold))
    rng = np.random.default_rng(settings.seed)

    alone = explain_by_prevalence(site, reference, prevalence)
    shifted = explain_by_shift(site, reference, prevalence)
    equal = _look_at_equal_sites(site.size, alone.prevalence, reference, prevalence, settings, rng)
    unshifted = estimate_prevalence(site, reference.prevalence)
    shift_found = alone.distance > equal.distance_by_prevalence or (
        prevalence is None and abs(unshifted - alone.prevalence) > equal.gap_by_prevalence
    )
    found = _solve(scores, reference, frozen, shifted if shift_found else alone, prevalence)
    draws = _resample(
        scores, reference, frozen, found, prevalence, patients, settings, rng,
        with_shift=shift_found,
    )  # fmt: skip
    estimate = _estimate(found.threshold, [each.threshold for *_, each in draws])
    threshold, capped = _cautious(
        estimate, frozen_threshold, reference_scores, min_recall_lower_bound
    )

    thresholds = np.array([frozen_threshold, threshold], np.float32)
    figures = [_figures_of(scores, thresholds, reference, found.prevalence)]
    figures += [
        _figures_of(drawn_scores, thresholds, drawn_reference, solution.prevalence)
        for drawn_scores, drawn_reference, solution in draws
    ]
    values = np.array(figures)  # [1 + resamples, recall or specificity, frozen or aligned]
    called = [float(np.mean(scores >= each)) for each in thresholds]
    band = None
    if frozen_band is not None:
        explained = Explained(scores, reference, found.prevalence)
        resamples = [
            Explained(drawn_scores, drawn_reference, solution.prevalence)
            for drawn_scores, drawn_reference, solution in draws
        ]
        band = carry_band(frozen_band, frozen_threshold, threshold, explained, resamples)
    result = Alignment(
        verdict=ALIGNED,
        reasons=(),
        warnings=(),
        num_images=scores.size,
        prevalence=_estimate(
            found.prevalence,
            [each.prevalence if prevalence is None else prevalence for *_, each in draws],
        ),
        prevalence_given=prevalence is not None,
        prevalence_unshifted=unshifted,
        prevalence_by_shape=found.shift.prevalence,
        gap_bound=max(equal.gap_by_shift, settings.max_prevalence_gap),
        scale=found.shift.scale,
        offset=found.shift.offset,
        shift_found=shift_found,
        distance_before=alone.distance,
        distance_before_bound=equal.distance_by_prevalence,
        distance_after=found.shift.distance,
        distance_after_bound=max(equal.distance_by_shift, settings.max_shape_distance),
        frozen_threshold=frozen_threshold,
        estimated_threshold=estimate,
        threshold=threshold,
        capped=capped,
        share_called_frozen=called[0],
        share_called=called[1],
        frozen=_figures(values, 0),
        aligned=_figures(values, 1),
        recall_if_unmoved=reference.recall_at(float(to_log_odds(threshold))),
        band=band,
        share_uncertain_frozen=_share_in(frozen_band, scores),
        share_uncertain=_share_in(band, scores),
    )
    reasons = _reasons_to_refuse(result, reference, settings, min_recall_lower_bound)
    if reasons:
        return result.model_copy(update={"verdict": REFUSED, "reasons": tuple(reasons)})
    kept = _reason_to_keep(result)
    if kept:
        return result.model_copy(update={"verdict": KEPT, "reasons": (kept,)})
    return result.model_copy(update={"warnings": _warnings(result, min_recall_lower_bound)})


def _solve(
    scores: NDArray[np.float32],
    reference: Reference,
    frozen: float,
    shift: Shift,
    prevalence: float | None,
) -> _Solution:
    if prevalence is None:
        undone = shift.undo(to_log_odds(scores))
        prevalence = estimate_prevalence(undone, reference.prevalence)
    share = expected_share_called(reference, frozen, prevalence)
    return _Solution(shift, prevalence, threshold_for_share(scores, share))


def _look_at_equal_sites(
    num_images: int,
    prevalence: float,
    reference: Reference,
    given: float | None,
    settings: SiteCalibrationSettings,
    rng: np.random.Generator,
) -> _EqualSites:
    """Draw sites from the reference itself, and compare each with another sample of it."""
    rows = []
    for _ in range(settings.num_resamples):
        site = reference.mixture(prevalence, num_images, rng, exactly=given is not None)
        other = reference.resampled(rng)
        alone = explain_by_prevalence(site, other, given)
        shifted = explain_by_shift(site, other, given, alone)
        gaps = [
            abs(estimate_prevalence(each.undo(site), reference.prevalence) - each.prevalence)
            for each in (alone, shifted)
        ]
        rows.append((alone.distance, gaps[0], shifted.distance, gaps[1]))
    columns = np.array(rows).T
    levels = (*2 * (_REJECTS_PREVALENCE_ALONE,), *2 * (_REJECTS_SHIFT,))
    return _EqualSites(*map(float, map(np.percentile, columns, levels)))


def _resample(
    scores: NDArray[np.float32],
    reference: Reference,
    frozen: float,
    found: _Solution,
    prevalence: float | None,
    patients: Sequence[str] | None,
    settings: SiteCalibrationSettings,
    rng: np.random.Generator,
    *,
    with_shift: bool,
) -> list[tuple[NDArray[np.float32], Reference, _Solution]]:
    samples = PatientSamples(scores.size, patients)

    def estimated(log_odds: Scores) -> float:
        return estimate_prevalence(found.shift.undo(log_odds), reference.prevalence)

    in_all = estimated(to_log_odds(scores))
    draws = []
    for _ in range(settings.num_resamples):
        drawn_scores = scores[samples.draw(rng)]
        drawn_reference = reference.resampled(rng)
        site = to_log_odds(drawn_scores)
        known = None
        if prevalence is not None:
            # It is known of all images; a resample has a few cases more or fewer.
            known = float(np.clip(prevalence + estimated(site) - in_all, BORDER, 1.0 - BORDER))
        if with_shift:
            shift = explain_by_shift(site, drawn_reference, known, found.shift)
        else:
            shift = explain_by_prevalence(site, drawn_reference, known)
        solution = _solve(drawn_scores, drawn_reference, frozen, shift, known)
        draws.append((drawn_scores, drawn_reference, solution))
    return draws


def _cautious(
    estimate: Estimate, frozen_threshold: float, reference: ReferenceScores, min_recall: float
) -> tuple[float, bool]:
    """Return the threshold to use, and whether the reference's recall held it back.

    A threshold that is too high misses cases, one that is too low calls too many: it is lowered as
    far as the estimate says, and raised only as far as the estimate's interval is sure of, and as
    the reference's recall stays at the minimum.
    """
    if estimate.value <= frozen_threshold:
        return estimate.value, False
    num_cases = len(reference.pneumonia)
    share = min(np.ceil(min_recall * num_cases) / num_cases, 1.0)
    highest = threshold_for_share(reference.pneumonia, share)
    raised = max(estimate.low, frozen_threshold)
    return max(min(raised, highest), frozen_threshold), raised > max(highest, frozen_threshold)


def _share_in(band: DecisionBand | None, scores: NDArray[np.float32]) -> float | None:
    return None if band is None else float(np.mean(band.refers(scores)))


def _figures_of(
    scores: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    reference: Reference,
    prevalence: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    called = np.mean(scores[np.newaxis, :] >= thresholds[:, np.newaxis], axis=1)
    return figures_at_share(reference, called, prevalence)


def _figures(values: NDArray[np.float64], which: int) -> Figures:
    recall, specificity = values[:, 0, which], values[:, 1, which]
    return Figures(
        recall=_estimate(recall[0], recall[1:]),
        specificity=_estimate(specificity[0], specificity[1:]),
    )


def _estimate(value: float, draws: ArrayLike) -> Estimate:
    low, high = np.percentile(np.asarray(draws, dtype=np.float64), _INTERVAL)
    return Estimate(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def _reasons_to_refuse(
    result: Alignment,
    reference: Reference,
    settings: SiteCalibrationSettings,
    min_recall_lower_bound: float,
) -> list[str]:
    reasons = []
    share = result.prevalence
    if result.num_images < settings.min_images:
        reasons.append(
            f"too few images: {result.num_images}, expected at least {settings.min_images}"
        )
    num_cases = result.num_images * min(share.low, 1.0 - share.high)
    if num_cases < settings.min_expected_cases:
        reasons.append(
            f"too few of one class: by the prevalence {_text(share)}, as few as {num_cases:.0f} "
            f"images, expected at least {settings.min_expected_cases}"
        )
    if share.high - share.low > settings.max_prevalence_width:
        reasons.append(
            f"the prevalence is too uncertain: {_text(share)}, expected an interval no wider than "
            f"{settings.max_prevalence_width:g}; give --prevalence if it is known"
        )
    if not result.shift_found:
        return reasons  # the frozen threshold is kept
    gap = abs(share.value - result.prevalence_by_shape)
    if not result.prevalence_given and gap > result.gap_bound:
        reasons.append(
            f"two estimates of the prevalence disagree: {share.value:.3f} by the scores' "
            f"posteriors, {result.prevalence_by_shape:.3f} by their distribution, expected a "
            f"difference of at most {result.gap_bound:.3f}"
        )
    if result.distance_after > result.distance_after_bound:
        reasons.append(
            "the scores are distributed unlike the reference's, at any prevalence and after any "
            f"shift: distance {result.distance_after:.3f}, expected at most "
            f"{result.distance_after_bound:.3f}"
        )
    correction = abs(share.value - result.prevalence_unshifted)
    if not result.prevalence_given and correction > settings.max_prevalence_correction:
        reasons.append(
            f"the prevalence depends on what the scores' shift is taken for: {share.value:.3f}, or "
            f"{result.prevalence_unshifted:.3f} if there is none, expected a difference of at most "
            f"{settings.max_prevalence_correction:g}; give --prevalence if it is known"
        )
    reasons += _implausible_shift(result, reference)
    is_raised = result.threshold > result.frozen_threshold
    if is_raised and result.aligned.recall.low < min_recall_lower_bound:
        reasons.append(
            f"a raised threshold would risk recall: {_text(result.aligned.recall)} is expected, "
            f"the gate's lower bound is {min_recall_lower_bound:g}"
        )
    return reasons


def _reason_to_keep(result: Alignment) -> str:
    if not result.shift_found:
        return (
            f"a prevalence of {_text(result.prevalence)} alone explains the scores: there is no "
            "acquisition shift to correct"
        )
    interval = result.estimated_threshold
    if interval.low <= result.frozen_threshold <= interval.high:
        return (
            f"the frozen threshold {result.frozen_threshold:.4g} is within the interval of the "
            f"estimated one, {interval.low:.4g} to {interval.high:.4g}"
        )
    return ""


def _implausible_shift(result: Alignment, reference: Reference) -> list[str]:
    """Return a reason where one class would have been moved onto the other."""
    normal, pneumonia = np.median(reference.normal), np.median(reference.pneumonia)
    middle = (normal + pneumonia) / 2.0
    moved = abs(result.scale * middle + result.offset - middle)
    limit = abs(pneumonia - normal) / 2.0
    if moved <= limit and 1.0 / _MAX_SCALE <= result.scale <= _MAX_SCALE:
        return []
    return [
        f"the shift that explains the scores best is implausible: log-odds times "
        f"{result.scale:.2f} plus {result.offset:.2f}, which moves the middle between the classes "
        f"by {moved:.1f}, expected at most {limit:.1f} and a factor from {1 / _MAX_SCALE:.2f} to "
        f"{_MAX_SCALE:g}"
    ]


def _warnings(result: Alignment, min_recall_lower_bound: float) -> tuple[str, ...]:
    warnings = []
    if result.capped:
        warnings.append(
            "the threshold is raised less than the estimate allows: its recall would be below "
            f"{min_recall_lower_bound:g} if the scores of pneumonia have not risen, which only "
            "labels could show"
        )
    if result.aligned.recall.low < min_recall_lower_bound:
        warnings.append(
            f"the expected recall {_text(result.aligned.recall)} may be below the gate's lower "
            f"bound {min_recall_lower_bound:g}, though above that of the frozen threshold, "
            f"{_text(result.frozen.recall)}"
        )
    return tuple(warnings)


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
