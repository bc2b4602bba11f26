"""Which scores a model leaves to a person: class-conditional conformal prediction.

A case is called normal where fewer than a stated part of the known pneumonias score as low as it
does, and pneumonia where fewer than a stated part of the known normals score as high; between the
two it is referred. If new patients are like the known ones, the stated parts bound the errors
among all patients of each class (Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a
Random World", 4.5: Mondrian conformal prediction). The decision never contradicts the label at the
operating point: the band always holds the threshold.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from contract.settings import ReferralSettings


class DecisionBand(BaseModel):
    """Scores that are referred: those in [low, high).

    Attributes:
        low: In [0, 1]; normal below it.
        high: In [0, 1], at least `low`; pneumonia at or above it. 1.1 where no score is enough.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float = Field(ge=0.0, le=1.0)
    high: float = Field(ge=0.0, le=1.1)

    def refers(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return which scores are in the band, bool [n], compared as float32."""
        scores = np.asarray(probabilities, np.float32)
        return np.asarray((scores >= np.float32(self.low)) & (scores < np.float32(self.high)))


NO_SCORE = 1.1  # an upper end that no probability reaches


def choose_decision_band(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    settings: ReferralSettings,
) -> DecisionBand:
    """Choose the band around an operating point.

    Args:
        labels: 0 or 1, [n], both present.
        probabilities: Calibrated, in [0, 1], [n], of cases that the model was not trained on.
        threshold: The operating point, in [0, 1].
        settings: The stated errors; 0 leaves that side of the band at the threshold.

    Returns:
        The band, its ends float32 values. With too few cases of a class for its error to be
        stated (fewer than 1 / error - 1) that side refers everything that is not certain: nothing
        is called normal, or nothing pneumonia.
    """
    truth = np.asarray(labels).astype(bool)
    scores = np.asarray(probabilities, dtype=np.float32)
    limit = np.float32(threshold)
    low = high = limit
    if settings.max_missed_fraction > 0.0:
        positives = np.sort(scores[truth])
        # A new case is as likely to fall into each of the n + 1 gaps between the known ones.
        num_below = math.floor(settings.max_missed_fraction * (positives.size + 1) + 1e-9)
        low = min(limit, positives[num_below - 1] if num_below else np.float32(0.0))
    if settings.max_false_alarm_fraction > 0.0:
        negatives = np.sort(scores[~truth])[::-1]
        num_above = math.floor(settings.max_false_alarm_fraction * (negatives.size + 1) + 1e-9)
        # Above that score, not at it: the next float.
        bound = (
            np.nextafter(negatives[num_above - 1], np.float32(2.0))
            if num_above
            else np.float32(NO_SCORE)
        )
        high = max(limit, bound)
    return DecisionBand(low=float(low), high=min(float(high), NO_SCORE))
