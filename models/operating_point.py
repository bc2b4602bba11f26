"""Where the decision threshold is put.

A missed pneumonia is the worst error, so the target is a sensitivity; among the
thresholds that reach it the highest is taken, which has the highest specificity.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gave where it was chosen.

    Attributes:
        threshold: In [0, 1]; a probability at or above it is called pneumonia.
        target_sensitivity: What was asked for, in (0, 1).
        sensitivity: What the threshold gives on the same cases, in [0, 1].
        specificity: Likewise, in [0, 1].
        num_positives: Pneumonia cases that it was chosen on.
        num_negatives: Normal cases that it was chosen on.
    """

    threshold: float
    target_sensitivity: float
    sensitivity: float
    specificity: float
    num_positives: int
    num_negatives: int


def choose_operating_point(
    labels: ArrayLike, probabilities: ArrayLike, target_sensitivity: float
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

    Returns:
        The operating point; its sensitivity is at least the target.

    Raises:
        ValueError: When shapes differ, a probability is not finite, or one of the
            two classes is missing.
    """
    truth = np.asarray(labels).astype(bool)
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
    positives = np.sort(scores[truth])
    num_negatives = int(np.sum(~truth))
    if positives.size == 0 or num_negatives == 0:
        raise ValueError(
            "Expected both classes among the cases that the operating point is chosen on, got "
            f"{positives.size} pneumonia and {num_negatives} normal: enlarge the validation split."
        )
    # The small constant undoes the rounding of, say, 0.9 * 10.
    num_needed = math.ceil(target_sensitivity * positives.size - 1e-9)
    lowest_hit = positives[positives.size - num_needed]
    below = scores[scores < lowest_hit]
    next_lower = below.max() if below.size else np.float32(0.0)
    halfway = np.float32((lowest_hit + next_lower) / 2)
    # Between two neighbouring floats there is no halfway.
    threshold = halfway if halfway > next_lower else lowest_hit
    called = scores >= threshold
    return OperatingPoint(
        threshold=float(threshold),
        target_sensitivity=target_sensitivity,
        sensitivity=float(np.mean(called[truth])),
        specificity=float(np.mean(~called[~truth])),
        num_positives=int(positives.size),
        num_negatives=num_negatives,
    )
