"""The band of scores that are referred, carried to a site as its threshold is.

An end of the band is a score like the threshold: at the site it is the score that divides the
images as the frozen end would have divided the reference at the site's prevalence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.decision_band import NO_SCORE, DecisionBand
from serving.site_calibration.shift import Reference, to_log_odds
from serving.site_calibration.transport import expected_share_called, threshold_for_share

_INTERVAL = (2.5, 97.5)  # percentiles


@dataclasses.dataclass(frozen=True)
class Explained:
    """A site's scores, or a resample of them, and what explains them.

    Attributes:
        scores: float32 [n], in [0, 1].
        reference: The model's scores on validation, or a resample.
        prevalence: Share of pneumonia among the site's images, in (0, 1).
    """

    scores: NDArray[np.float32]
    reference: Reference
    prevalence: float


def carry_band(
    frozen: DecisionBand,
    frozen_threshold: float,
    threshold: float,
    site: Explained,
    resamples: Sequence[Explained],
) -> DecisionBand:
    """Return the band of an aligned threshold.

    The band is made wider as far as the estimate says, and narrower only as far as the estimate's
    95% interval is sure of: a wide band leaves more to a radiologist, a narrow one errs.

    Args:
        frozen: The band that the gate judged.
        frozen_threshold: The threshold that the gate judged, in [0, 1].
        threshold: The aligned one; the band holds it.
        site: The site.
        resamples: At least one.

    Returns:
        The band, its ends float32 values but `NO_SCORE`. An end at the frozen threshold is at the
        aligned one, and one that refers everything on its side still does.
    """
    low, high = frozen.low, frozen.high
    if low >= frozen_threshold:
        low = threshold
    elif low > 0.0:
        found, interval = _carried(low, site, resamples)
        low = found if found <= low else max(interval[0], low)
    if high <= frozen_threshold:
        high = threshold
    elif high < 1.0:
        found, interval = _carried(high, site, resamples)
        high = found if found >= high else min(interval[1], high)
    low, high = float(np.float32(min(low, threshold))), float(np.float32(max(high, threshold)))
    return DecisionBand(low=low, high=min(high, NO_SCORE))


def _carried(
    end: float, site: Explained, resamples: Sequence[Explained]
) -> tuple[float, NDArray[np.float64]]:
    log_odds = float(to_log_odds(end))
    found, *drawn = (
        threshold_for_share(
            each.scores, expected_share_called(each.reference, log_odds, each.prevalence)
        )
        for each in (site, *resamples)
    )
    return found, np.percentile(drawn, _INTERVAL)
