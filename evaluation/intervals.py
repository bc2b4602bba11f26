"""Confidence intervals for the figures that a gate reads."""

from __future__ import annotations

import math

from scipy.optimize import brentq

CONFIDENCE_Z = 1.959963984540054  # standard normal quantile of a two-sided 95% interval

# Distance from 1 at which the search for the bound of a perfect AUC starts: at 1 itself the
# equation has a second, useless root.
_NEXT_TO_ONE = 1e-9


def wilson_interval(
    successes: int, trials: int, z: float = CONFIDENCE_Z
) -> tuple[float, float] | None:
    """Return the score interval of a proportion.

    The interval keeps its coverage near 0 and 1, where recall and specificity usually are and
    the textbook interval p +- z * sqrt(p * (1 - p) / n) collapses.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22 (1927), 209-212.

    Args:
        successes: Successes, 0 <= successes <= trials.
        trials: Trials, at least 0.
        z: Quantile of the standard normal distribution, above 0.

    Returns:
        (low, high) with 0 <= low <= successes / trials <= high <= 1; None without trials.

    Raises:
        ValueError: The counts are not 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    if trials == 0:
        return None
    proportion = successes / trials
    shrinkage = 1.0 + z * z / trials
    centre = (proportion + z * z / (2 * trials)) / shrinkage
    half_width = (z / shrinkage) * math.sqrt(
        proportion * (1.0 - proportion) / trials + z * z / (4.0 * trials * trials)
    )
    # Exact at the ends; the bounds of min and max are for the last bit of rounding.
    low = 0.0 if successes == 0 else max(0.0, min(proportion, centre - half_width))
    high = 1.0 if successes == trials else min(1.0, max(proportion, centre + half_width))
    return low, high


def auc_interval(
    auc: float, num_positives: int, num_negatives: int, z: float = CONFIDENCE_Z
) -> tuple[float, float] | None:
    """Return a score-type interval of an area under the ROC curve.

    The bounds are the values theta that solve |theta - auc| = z * sqrt(V(theta)), where V is the
    variance of J. A. Hanley and B. J. McNeil, Radiology 143 (1982), 29-36, with both numerators'
    sample sizes replaced by their mean. Unlike the usual auc +- z * sqrt(V(auc)), it stays in
    [0, 1] and has a width at auc = 1.

    Source: R. G. Newcombe, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic. Part 2", Statistics in Medicine 25 (2006), 559-573, method 5.

    Args:
        auc: Area under the ROC curve, in [0, 1].
        num_positives: Positives that it was computed from, at least 0.
        num_negatives: Negatives that it was computed from, at least 0.
        z: Quantile of the standard normal distribution, above 0.

    Returns:
        (low, high) with 0 <= low <= auc <= high <= 1; None without positives or negatives.

    Raises:
        ValueError: The area is outside [0, 1], or a count is negative.
    """
    if not 0.0 <= auc <= 1.0:
        raise ValueError(f"expected an area in [0, 1], got {auc}")
    if num_positives < 0 or num_negatives < 0:
        raise ValueError(f"expected counts of at least 0, got {num_positives}, {num_negatives}")
    if num_positives == 0 or num_negatives == 0:
        return None
    # The variance is symmetric about one half, so the upper bound is a mirrored lower bound.
    low = _auc_lower_bound(auc, num_positives, num_negatives, z)
    high = 1.0 - _auc_lower_bound(1.0 - auc, num_positives, num_negatives, z)
    return min(low, auc), max(high, auc)


def _auc_lower_bound(auc: float, num_positives: int, num_negatives: int, z: float) -> float:
    if auc <= 0.0:
        return 0.0
    mean_others = (num_positives + num_negatives) / 2.0 - 1.0

    def excess(theta: float) -> float:
        variance = (
            theta
            * (1.0 - theta)
            * (
                1.0
                + mean_others * (1.0 - theta) / (2.0 - theta)
                + mean_others * theta / (1.0 + theta)
            )
            / (num_positives * num_negatives)
        )
        return (theta - auc) ** 2 - z * z * variance

    return float(brentq(excess, 0.0, min(auc, 1.0 - _NEXT_TO_ONE)))
