"""Sensitivity and specificity at every threshold."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from evaluation.curve_band import Band
from evaluation.intervals import wilson_interval
from evaluation.resampling import Floats


@dataclasses.dataclass(frozen=True)
class ThresholdCurves:
    """Both rates over the threshold, with pointwise 95% Wilson bands.

    Attributes:
        sensitivity: Falls with the threshold.
        specificity: Rises with it.
    """

    sensitivity: Band
    specificity: Band


def measure_threshold_curves(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> ThresholdCurves:
    """Measure both rates at 0, at 1 and at every probability that occurs.

    Between two of them nothing changes; a probability at or above the threshold is called
    pneumonia.

    Args:
        labels: [n], 0 or 1, both present.
        probabilities: [n], in [0, 1].
    """
    truth = np.asarray(labels) == 1
    scores = np.asarray(probabilities, dtype=np.float64)
    thresholds = np.unique(np.concatenate(([0.0], scores, [1.0])))
    positives, negatives = np.sort(scores[truth]), np.sort(scores[~truth])
    # Scores below the threshold are called normal.
    missed = np.searchsorted(positives, thresholds, side="left")
    left = np.searchsorted(negatives, thresholds, side="left")
    return ThresholdCurves(
        sensitivity=_band(thresholds, len(positives) - missed, len(positives)),
        specificity=_band(thresholds, left, len(negatives)),
    )


def _band(thresholds: Floats, successes: npt.NDArray[np.integer], trials: int) -> Band:
    intervals = [wilson_interval(int(count), trials) or (np.nan, np.nan) for count in successes]
    low, high = np.asarray(intervals).T
    return Band(thresholds, successes / trials, low, high)
