"""What a threshold on a site's scores amounts to on the reference's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serving.site_calibration.shift import Reference, Scores


def expected_share_called(reference: Reference, log_odds: float, prevalence: float) -> float:
    """Return the share of images at or above a threshold, at a prevalence, in [0, 1]."""
    return prevalence * reference.recall_at(log_odds) + (
        1.0 - prevalence
    ) * reference.false_alarms_at(log_odds)


def threshold_for_share(probabilities: ArrayLike, share: float) -> float:
    """Return the threshold that calls a share of images pneumonia.

    It is put halfway to the next lower score, as `evaluation.operating_point` does, and is a
    float32. Images of equal scores are called together, so the share may be exceeded, never missed.

    Args:
        probabilities: [n], n at least 1, in [0, 1].
        share: In [0, 1]; rounded to whole images, at least one.
    """
    scores = np.sort(np.asarray(probabilities, dtype=np.float32))
    num_called = min(max(round(share * scores.size), 1), scores.size)
    lowest_called = scores[scores.size - num_called]
    below = scores[scores < lowest_called]
    next_lower = below[-1] if below.size else np.float32(0.0)
    halfway = np.float32((lowest_called + next_lower) / 2)
    # Between two neighbouring floats there is no halfway.
    return float(halfway if halfway > next_lower else lowest_called)


def figures_at_share(
    reference: Reference, share_called: ArrayLike, prevalence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall and specificity of the reference threshold that calls the same share.

    This carries a site's threshold back: were the site's scores the reference's, distorted in any
    way that keeps their order, and mixed at the prevalence, these are its figures at the site.

    Args:
        reference: The model's.
        share_called: Shares of the site's images at or above its thresholds, in [0, 1], any shape.
        prevalence: The site's, in [0, 1].

    Returns:
        Recall and specificity, of the shape of `share_called`, each in [0, 1].
    """
    steps = np.unique(np.concatenate([reference.normal, reference.pneumonia]))
    recall = np.append(_share_from(reference.pneumonia, steps), 0.0)[::-1]
    false_alarms = np.append(_share_from(reference.normal, steps), 0.0)[::-1]
    called = prevalence * recall + (1.0 - prevalence) * false_alarms
    shares = np.asarray(share_called, dtype=np.float64)
    return np.interp(shares, called, recall), 1.0 - np.interp(shares, called, false_alarms)


def _share_from(ascending: Scores, thresholds: Scores) -> NDArray[np.float64]:
    return 1.0 - np.searchsorted(ascending, thresholds, "left") / ascending.size
