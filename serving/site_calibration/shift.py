"""How a site's scores are distributed, against how they would be at the reference site.

Two things move a distribution of scores. Another prevalence mixes the two classes differently and
leaves each as it is. Another acquisition (machine, exposure, export) moves the scores within the
classes. A model of both keeps one from being taken for the other: the site's log-odds are the
reference's, mixed at the site's prevalence, times a scale, plus an offset.

Source of the problem: M. Roschewitz et al., "Automatic correction of performance drift under
acquisition shift in medical image classification", Nature Communications (2023).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from evaluation.calibration import LOGIT_EPSILON

Scores = NDArray[np.float64]

# Probabilities in float32 say nothing of log-odds beyond this: the rest are 0, or 1.
MAX_LOG_ODDS = 15.0
_GRID_POINTS_PER_CLASS = 60
_MIN_VALID_POINTS = 20
_START_LOG_SCALES = (-0.5, -0.25, 0.0, 0.25, 0.5)
_START_OFFSETS = tuple(0.5 * step for step in range(-10, 11))
_WORST = 1.0  # an impossible distance


def to_log_odds(probabilities: ArrayLike) -> Scores:
    """Return the log-odds of probabilities in [0, 1], finite, of the same shape."""
    clipped = np.clip(
        np.asarray(probabilities, dtype=np.float64), LOGIT_EPSILON, 1.0 - LOGIT_EPSILON
    )
    return np.log(clipped) - np.log1p(-clipped)


@dataclasses.dataclass(frozen=True)
class Reference:
    """The model's log-odds on validation.

    Attributes:
        normal: Of normal images, ascending.
        pneumonia: Of images with pneumonia, ascending.
        prevalence: At which the probabilities are calibrated, in (0, 1).
        grid: Where cumulative shares are compared, ascending.
    """

    normal: Scores
    pneumonia: Scores
    prevalence: float
    grid: Scores

    @classmethod
    def from_probabilities(cls, normal: ArrayLike, pneumonia: ArrayLike) -> Reference:
        """Prepare calibrated probabilities, at least one of each class."""
        classes = [np.sort(to_log_odds(scores)) for scores in (normal, pneumonia)]
        # Quantiles of each class: a rare class counts as much as a frequent one.
        shares = np.linspace(0.01, 0.99, _GRID_POINTS_PER_CLASS)
        grid = np.sort(np.concatenate([np.quantile(scores, shares) for scores in classes]))
        return cls(
            normal=classes[0],
            pneumonia=classes[1],
            prevalence=classes[1].size / (classes[0].size + classes[1].size),
            grid=grid[np.abs(grid) < MAX_LOG_ODDS],
        )

    def resampled(self, rng: np.random.Generator) -> Reference:
        """Return a bootstrap sample: each class drawn again, the grid and prevalence kept."""
        return dataclasses.replace(
            self,
            normal=np.sort(rng.choice(self.normal, self.normal.size)),
            pneumonia=np.sort(rng.choice(self.pneumonia, self.pneumonia.size)),
        )

    def mixture(
        self, prevalence: float, number: int, rng: np.random.Generator, *, exactly: bool
    ) -> Scores:
        """Draw what a site of the same acquisition would show, [number].

        Args:
            prevalence: Of the site, or, if `exactly`, among the images that are drawn.
            number: Images.
            rng: Draws them.
            exactly: See `prevalence`.
        """
        ranks = np.arange(number) / number if exactly else rng.random(number)
        is_case = ranks < prevalence
        return np.where(
            is_case, rng.choice(self.pneumonia, number), rng.choice(self.normal, number)
        )

    def recall_at(self, log_odds: float) -> float:
        """Return the share of pneumonia at or above a threshold."""
        return 1.0 - np.searchsorted(self.pneumonia, log_odds, "left") / self.pneumonia.size

    def false_alarms_at(self, log_odds: float) -> float:
        """Return the share of normal images at or above a threshold."""
        return 1.0 - np.searchsorted(self.normal, log_odds, "left") / self.normal.size


@dataclasses.dataclass(frozen=True)
class Shift:
    """What explains a site's log-odds best.

    Attributes:
        scale: Site = scale * reference + offset; above 0.
        offset: In log-odds.
        prevalence: The mixture's, in [0, 1].
        distance: Root mean square difference of cumulative shares that is left, in [0, 1].
    """

    scale: float
    offset: float
    prevalence: float
    distance: float

    def undo(self, log_odds: Scores) -> Scores:
        """Return a site's log-odds as the reference site would have them."""
        return (log_odds - self.offset) / self.scale


def explain_by_prevalence(
    log_odds: Scores, reference: Reference, prevalence: float | None = None
) -> Shift:
    """Explain a site's log-odds by another prevalence alone.

    Args:
        log_odds: [n], in any order.
        reference: The model's.
        prevalence: Where it is known; None fits it.
    """
    share, distance = _Comparison(log_odds, reference, prevalence).at(0.0, 0.0)
    return Shift(1.0, 0.0, share, distance)


def explain_by_shift(
    log_odds: Scores,
    reference: Reference,
    prevalence: float | None = None,
    start: Shift | None = None,
) -> Shift:
    """Explain a site's log-odds by another prevalence and another acquisition together.

    The distance is that of Cramer and von Mises, on the reference's quantiles. For each scale and
    offset the best prevalence follows by least squares; those two are searched.

    Args:
        log_odds: [n], in any order.
        reference: The model's.
        prevalence: Where it is known; None fits it.
        start: Where the search begins; None tries a grid.
    """
    comparison = _Comparison(log_odds, reference, prevalence)
    if start is None:
        candidates = [(scale, offset) for scale in _START_LOG_SCALES for offset in _START_OFFSETS]
        first = min(candidates, key=lambda at: comparison.at(*at)[1])
    else:
        first = (float(np.log(start.scale)), start.offset)
    found = minimize(
        lambda at: comparison.at(at[0], at[1])[1] ** 2,
        first,
        method="Nelder-Mead",
        # The default simplex has no extent at 0.
        options={
            "initial_simplex": [first, (first[0] + 0.1, first[1]), (first[0], first[1] + 0.3)],
            "xatol": 0.01,
            # Of the squared distance: what is left mostly differs by far less than resamples do.
            "fatol": 1e-6,
            "maxiter": 150,
        },
    ).x
    share, distance = comparison.at(found[0], found[1])
    return Shift(float(np.exp(found[0])), float(found[1]), share, distance)


class _Comparison:
    """Cumulative shares of a site against those of mixtures of the reference."""

    def __init__(self, log_odds: Scores, reference: Reference, prevalence: float | None) -> None:
        self._site = np.sort(log_odds)
        self._grid = reference.grid
        self._prevalence = prevalence
        self._normal = (
            np.searchsorted(reference.normal, self._grid, "right") / reference.normal.size
        )
        pneumonia = (
            np.searchsorted(reference.pneumonia, self._grid, "right") / reference.pneumonia.size
        )
        self._difference = pneumonia - self._normal

    def at(self, log_scale: float, offset: float) -> tuple[float, float]:
        """Return the prevalence that fits best, and the distance that is left."""
        moved = math.exp(log_scale) * self._grid + offset
        # Ascending, so that what is seen is one piece; beyond, the site's scores are 0 or 1.
        first = int(np.searchsorted(moved, -MAX_LOG_ODDS, "right"))
        last = int(np.searchsorted(moved, MAX_LOG_ODDS, "left"))
        number = last - first
        if number < _MIN_VALID_POINTS:
            return 0.0, _WORST
        share = np.searchsorted(self._site, moved[first:last], "right") / self._site.size
        above = share - self._normal[first:last]
        difference = self._difference[first:last]
        if self._prevalence is not None:
            fitted = self._prevalence
        else:
            power = float(difference @ difference)
            if power <= 0.0:
                return 0.0, _WORST
            fitted = min(max(float(above @ difference) / power, 0.0), 1.0)
        left = above - fitted * difference
        return fitted, math.sqrt(float(left @ left) / number)
