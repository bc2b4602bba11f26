"""Where the decision threshold is put.

A missed pneumonia is the worst error, so the target is a sensitivity, and it has to hold for
patients that nobody has seen: the lower end of its 95% interval must reach the target on
validation. That allows for chance. The next hospital's images differ by more than chance, so every
part of validation that stands in for a hospital (a pseudo-site, `evaluation.pseudo_sites`) must be
found well enough, too; or all degraded copies of the images together. Among the thresholds that do
what is asked the highest is taken, which has the highest specificity.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.intervals import wilson_interval
from evaluation.site_holdout import MIN_SITE_CASES, Sites, members_of_sites


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gave where it was chosen.

    Attributes:
        threshold: In [0, 1]; a probability at or above it is called pneumonia.
        target_sensitivity: What was asked for, in (0, 1).
        sensitivity: What the threshold gives on the plain cases, in [0, 1].
        sensitivity_low: The lower end of its 95% interval (Wilson).
        specificity: On the plain cases, in [0, 1].
        reaches_target: Whether `sensitivity_low` is at least the target. With few cases
            no threshold has that; then the sensitivity itself is at least the target.
        num_positives: Pneumonia cases that it was chosen on.
        num_negatives: Normal cases that it was chosen on.
    """

    threshold: float
    target_sensitivity: float
    sensitivity: float
    sensitivity_low: float
    specificity: float
    reaches_target: bool
    num_positives: int
    num_negatives: int


def choose_operating_point(
    labels: ArrayLike,
    probabilities: ArrayLike,
    target_sensitivity: float,
    stressed: Mapping[str, ArrayLike] | None = None,
    sites: Sites | None = None,
    site_sensitivity: float = 0.0,
) -> OperatingPoint:
    """Find the threshold of highest specificity at a target sensitivity.

    The threshold is put halfway between the lowest score that must be called
    pneumonia and the next lower score of any case, so that float rounding in
    another runtime does not move a case across it. It is a float32, as the exported
    model compares in float32.

    Args:
        labels: 0 or 1, [n].
        probabilities: In [0, 1], [n].
        target_sensitivity: In (0, 1).
        stressed: Probabilities of the same cases under each stress, [n] each. Over all
            stresses together the sensitivity is to be at least the target as well; being
            the same patients again, they add nothing to the interval.
        sites: Each case's pseudo-site, [n], by scheme.
        site_sensitivity: What the sensitivity is to be at least on each pseudo-site of
            `MIN_SITE_CASES` pneumonia cases or more, point estimate, in [0, 1).

    Returns:
        The operating point.

    Raises:
        ValueError: When shapes differ, a probability is not finite, or one of the
            two classes is missing.

    Example:
        >>> point = choose_operating_point(
        ...     [0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], target_sensitivity=0.95
        ... )
        >>> point.threshold, point.sensitivity, point.specificity
        (0.25, 1.0, 0.5)
    """
    truth = np.asarray(labels).astype(bool)
    scores = _checked(truth, probabilities)
    positives = np.sort(scores[truth])
    num_negatives = int(np.sum(~truth))
    if positives.size == 0 or num_negatives == 0:
        raise ValueError(
            "Expected both classes among the cases that the operating point is chosen on, got "
            f"{positives.size} pneumonia and {num_negatives} normal: enlarge the validation split."
        )
    num_needed = _num_needed(positives.size, target_sensitivity)
    threshold = _threshold_below(positives[positives.size - num_needed], scores)
    if stressed:
        pooled = np.concatenate([_checked(truth, answers) for answers in stressed.values()])
        hit = np.sort(pooled[np.tile(truth, len(stressed))])
        lowest_hit = hit[hit.size - _ceil(target_sensitivity * hit.size)]
        threshold = min(threshold, _threshold_below(lowest_hit, pooled))
    for _, _, members in members_of_sites(sites or {}):
        of_site = np.sort(scores[members & truth])
        if of_site.size >= MIN_SITE_CASES and site_sensitivity > 0.0:
            lowest_hit = of_site[of_site.size - _ceil(site_sensitivity * of_site.size)]
            threshold = min(threshold, _threshold_below(lowest_hit, scores))
    called = scores >= threshold
    num_hits = int(np.sum(called & truth))
    interval = wilson_interval(num_hits, positives.size)
    sensitivity_low = interval[0] if interval else 0.0
    return OperatingPoint(
        threshold=float(threshold),
        target_sensitivity=target_sensitivity,
        sensitivity=num_hits / positives.size,
        sensitivity_low=sensitivity_low,
        specificity=float(np.mean(~called[~truth])),
        reaches_target=sensitivity_low >= target_sensitivity,
        num_positives=int(positives.size),
        num_negatives=num_negatives,
    )


def _checked(truth: NDArray[np.bool_], probabilities: ArrayLike) -> NDArray[np.float32]:
    scores = np.asarray(probabilities, dtype=np.float32)
    if truth.ndim != 1 or truth.shape != scores.shape:
        raise ValueError(
            "Expected labels and probabilities of one common shape [n], got "
            f"{truth.shape} and {scores.shape}."
        )
    if not np.all(np.isfinite(scores)):
        raise ValueError(
            f"Expected finite probabilities, got {int(np.sum(~np.isfinite(scores)))} that are not: "
            "the training diverged; lower the learning rate."
        )
    return scores


def _num_needed(num_positives: int, target: float) -> int:
    """Return the fewest hits whose interval reaches the target, or at least whose rate does."""
    for num_hits in range(_ceil(target * num_positives), num_positives + 1):
        interval = wilson_interval(num_hits, num_positives)
        if interval is not None and interval[0] >= target:
            return num_hits
    return _ceil(target * num_positives)


def _ceil(value: float) -> int:
    return math.ceil(value - 1e-9)  # the small constant undoes the rounding of, say, 0.9 * 10


def _threshold_below(lowest_hit: np.float32, scores: NDArray[np.float32]) -> np.float32:
    below = scores[scores < lowest_hit]
    next_lower = below.max() if below.size else np.float32(0.0)
    halfway = np.float32((lowest_hit + next_lower) / 2)
    # Between two neighbouring floats there is no halfway.
    return halfway if halfway > next_lower else lowest_hit
