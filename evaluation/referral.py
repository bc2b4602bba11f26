"""What a model leaves to a person on validation, and how good it is on the rest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from contract import features
from contract.settings import ReferralSettings
from evaluation.decision_band import DecisionBand, choose_decision_band
from evaluation.slice_metrics import OVERALL, SliceMetrics, slice_metrics_from_predictions


class Referral(BaseModel):
    """What follows from the settings of a referral on validation.

    Attributes:
        settings: The bounds that were set.
        band: Scores that are referred.
        num_cases: Validation images.
        num_unfamiliar: Of these, referred because they are unlike the training images.
        num_uncertain: Of the familiar ones, referred because their score is in the band.
        decided: Figures of what is neither, at the operating point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: ReferralSettings
    band: DecisionBand
    num_cases: int
    num_unfamiliar: int
    num_uncertain: int
    decided: SliceMetrics

    @property
    def coverage(self) -> float:
        """Share of the images that are decided, in [0, 1]."""
        return self.decided.n / self.num_cases


def judge_referral(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    log_distances: npt.ArrayLike | None,
    threshold: float,
    settings: ReferralSettings,
) -> Referral:
    """Choose the band, and measure what is decided.

    Args:
        labels: 0 or 1, [n], both present.
        probabilities: Calibrated, in [0, 1], [n].
        log_distances: How unusual each image is, [n]; None where that is not known, and nothing is
            unfamiliar.
        threshold: The operating point, in [0, 1].
        settings: The bounds.
    """
    truth = np.asarray(labels)
    scores = np.asarray(probabilities, np.float32)
    band = choose_decision_band(truth, scores, threshold, settings)
    unfamiliar = np.zeros(truth.shape, bool)
    if log_distances is not None:
        unfamiliar = unfamiliar_among_known(log_distances, settings.max_unfamiliar_fraction)
    uncertain = band.refers(scores) & ~unfamiliar
    decided = ~(unfamiliar | uncertain)
    return Referral(
        settings=settings,
        band=band,
        num_cases=int(truth.size),
        num_unfamiliar=int(unfamiliar.sum()),
        num_uncertain=int(uncertain.sum()),
        decided=slice_metrics_from_predictions(truth[decided], scores[decided], threshold)[OVERALL],
    )


def unfamiliar_among_known(
    log_distances: npt.ArrayLike, max_unfamiliar_fraction: float
) -> npt.NDArray[np.bool_]:
    """Return which of the known images themselves are unfamiliar, each judged by the others.

    Args:
        log_distances: [m].
        max_unfamiliar_fraction: Familiarity below it is unfamiliar, in [0, 1).

    Returns:
        bool [m].
    """
    known = np.asarray(log_distances, np.float32)
    num_as_far = known.size - np.searchsorted(np.sort(known), known, side="left")
    return np.asarray(features.is_unfamiliar(num_as_far / known.size, max_unfamiliar_fraction))
