"""Calibrated probabilities: of images given .8, four in five should have pneumonia.

Platt scaling (Platt 1999): the logit of the network's output is mapped by a line that is fitted
on validation. It keeps the order of the images, so AUC and the operating point's figures stay.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

NUM_BINS = 15  # of the calibration error; Guo et al. 2017 use 15
_NUM_FOLDS = 5
# A saturated float32 output has no finite logit. Keras' cross-entropy clips at the same place.
LOGIT_EPSILON = 1e-7


class Calibration(BaseModel):
    """p -> sigmoid(slope * logit(p) + intercept).

    Attributes:
        slope: More than 0; below 1 the network was too sure of itself.
        intercept: Shifts all logits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    slope: float = Field(1.0, gt=0.0)
    intercept: float = 0.0

    def apply(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return calibrated probabilities, in [0, 1], of the input's shape."""
        logits = self.slope * _logits(probabilities) + self.intercept
        return 1.0 / (1.0 + np.exp(-logits))


def fit_calibration(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Calibration:
    """Fit slope and intercept by maximum likelihood.

    The labels are smoothed towards .5 as Platt proposes, which keeps the fit finite where the
    classes are separated without error.

    Args:
        labels: [n], 0 or 1, both present.
        probabilities: [n], in [0, 1].

    Returns:
        The calibration; the identity where the fit would turn the order around, as it does for
        a network that is no better than chance.
    """
    # Imported here: what only reads the record need not wait for it.
    from sklearn.linear_model import LogisticRegression

    truth = np.asarray(labels).astype(bool)
    logits = _logits(probabilities)[:, np.newaxis]
    num_positives, num_negatives = int(truth.sum()), int((~truth).sum())
    targets = np.where(
        truth, (num_positives + 1.0) / (num_positives + 2.0), 1.0 / (num_negatives + 2.0)
    )
    # A target of .9 is a case of pneumonia of weight .9 and a normal one of weight .1.
    model = LogisticRegression(C=np.inf, solver="newton-cholesky")
    model.fit(
        np.concatenate([logits, logits]),
        np.concatenate([np.ones(len(truth)), np.zeros(len(truth))]),
        sample_weight=np.concatenate([targets, 1.0 - targets]),
    )
    slope = float(model.coef_[0, 0])
    if not np.isfinite(slope) or slope <= 0.0:
        return Calibration()
    return Calibration(slope=slope, intercept=float(model.intercept_[0]))


def out_of_fold_probabilities(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, seed: int
) -> npt.NDArray[np.float64]:
    """Calibrate each case by a fit that has not seen it, to judge the calibration fairly.

    Args:
        labels: [n], 0 or 1.
        probabilities: [n], in [0, 1].
        seed: Of the five folds.

    Returns:
        float64 [n]; where a class has under five cases, the fit that has seen them.
    """
    from sklearn.model_selection import StratifiedKFold

    truth, scores = np.asarray(labels), np.asarray(probabilities)
    if min(np.bincount(truth.astype(int), minlength=2)) < _NUM_FOLDS:
        return fit_calibration(truth, scores).apply(scores)
    calibrated = np.empty(len(truth))
    folds = StratifiedKFold(_NUM_FOLDS, shuffle=True, random_state=seed)
    for fitted, held_out in folds.split(scores, truth):
        calibration = fit_calibration(truth[fitted], scores[fitted])
        calibrated[held_out] = calibration.apply(scores[held_out])
    return calibrated


def expected_calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Return the mean gap between probability and frequency (Naeini et al. 2015), in [0, 1].

    Cases fall into 15 bins of equal width by their probability of pneumonia; each bin's gap,
    |mean probability - share of pneumonia|, counts by its number of cases.

    Args:
        labels: [n], 0 or 1, n at least 1.
        probabilities: [n], in [0, 1].
    """
    truth, scores = np.asarray(labels, dtype=float), np.asarray(probabilities, dtype=float)
    bins = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = np.bincount(bins, weights=scores - truth, minlength=NUM_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _logits(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    clipped = np.clip(
        np.asarray(probabilities, dtype=np.float64), LOGIT_EPSILON, 1.0 - LOGIT_EPSILON
    )
    return np.log(clipped) - np.log1p(-clipped)
