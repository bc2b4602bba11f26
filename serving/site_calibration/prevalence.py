"""The prevalence at a site, from a model's calibrated scores of unlabelled images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

# A share of cases below this, or above one minus this, is as good as none, or all.
BORDER = 1e-6
_MAX_LOG_RATIO = 30.0  # of likelihoods; more is beyond any calibration


def estimate_prevalence(log_odds: NDArray[np.float64], reference_prevalence: float) -> float:
    """Estimate the share of pneumonia where only the prevalence has changed.

    The estimate is the one to which the expectation-maximisation of M. Saerens, P. Latinne and
    C. Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure", Neural Computation 14 (2002), 21-41, converges: the prevalence of highest
    likelihood. That likelihood has one maximum, so its derivative is set to zero directly, which
    takes as long for classes that overlap as for others.

    Args:
        log_odds: Of calibrated probabilities, [n], n at least 1.
        reference_prevalence: Share of pneumonia where the probabilities were calibrated, in (0, 1).

    Returns:
        In [0, 1]; 0 or 1 where the likelihood is highest at the border.
    """
    prior_log_odds = np.log(reference_prevalence) - np.log1p(-reference_prevalence)
    ratios = np.clip(log_odds - prior_log_odds, -_MAX_LOG_RATIO, _MAX_LOG_RATIO)
    excess = np.expm1(ratios)  # of the likelihood of pneumonia over that of normal

    def slope(prevalence: float) -> float:
        return float(np.mean(excess / (1.0 + prevalence * excess)))

    if slope(BORDER) <= 0.0:
        return 0.0
    if slope(1.0 - BORDER) >= 0.0:
        return 1.0
    return float(brentq(slope, BORDER, 1.0 - BORDER, xtol=1e-7))
