"""ROC and precision-recall curves of a test split, with bootstrap bands."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from evaluation.curve_band import Band
from evaluation.resampling import Floats, Resampler, percentile_interval
from evaluation.slice_metrics import Estimate

NUM_GRID_POINTS = 201
# x values where the bands are measured: false-alarm rates, or sensitivities.
GRID: Floats = np.linspace(0.0, 1.0, NUM_GRID_POINTS)
# Recalls are quotients of counts: one that is mathematically on the grid must be found there.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Curves:
    """What the ranking of the images gives, over all thresholds.

    Attributes:
        roc: Sensitivity over the false-alarm rate (1 - specificity).
        precision_recall: Precision over sensitivity.
        average_precision: Area below the precision-recall curve, as steps.
        num_samples: Resamples that the bands rest on.
    """

    roc: Band
    precision_recall: Band
    average_precision: Estimate
    num_samples: int


def measure_curves(probabilities: npt.ArrayLike, resampler: Resampler) -> Curves:
    """Measure both curves and their pointwise 95% bands (percentile bootstrap).

    Args:
        probabilities: [n], of pneumonia; equal ones share one threshold.
        resampler: Of the same n images.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    ranking = _Ranking(scores, resampler.labels)
    recalls, precisions, areas = [], [], []
    for weights in resampler.weights():
        for hits, alarms in zip(*ranking.cumulate(weights), strict=True):
            recalls.append(_roc_on_grid(hits, alarms))
            precision, area = _precision_on_grid(hits, alarms)
            precisions.append(precision)
            areas.append(area)
    ((hits, alarms),) = zip(*ranking.cumulate(np.ones((1, len(scores)))), strict=True)
    precision, area = _precision_on_grid(hits, alarms)
    low, high = percentile_interval(areas)
    return Curves(
        roc=Band(GRID, _roc_on_grid(hits, alarms), *percentile_interval(recalls)),
        precision_recall=Band(GRID, precision, *percentile_interval(precisions)),
        average_precision=Estimate(value=area, low=float(low), high=float(high)),
        num_samples=len(areas),
    )


class _Ranking:
    """The images from the highest score to the lowest."""

    def __init__(self, scores: Floats, labels: npt.NDArray[np.int64]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        # Equal scores are called together: only the last of a run is a threshold.
        self._ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        self._is_positive = labels[self._order] == 1

    def cumulate(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return hits and false alarms, [samples, thresholds], from the highest threshold on."""
        ordered = weights[:, self._order]
        hits = np.cumsum(ordered * self._is_positive, axis=1)[:, self._ends]
        alarms = np.cumsum(ordered * ~self._is_positive, axis=1)[:, self._ends]
        return hits, alarms


def _roc_on_grid(hits: Floats, alarms: Floats) -> Floats:
    """Return the sensitivity at each false-alarm rate of the grid, by straight lines."""
    rates = np.append(0.0, alarms / alarms[-1])
    recalls = np.append(0.0, hits / hits[-1])
    # Of several thresholds with one rate the last is the highest: np.interp takes it.
    return np.interp(GRID, rates, recalls)


def _precision_on_grid(hits: Floats, alarms: Floats) -> tuple[Floats, float]:
    """Return the precision where each sensitivity of the grid is first reached, and the area.

    Straight lines between points of a precision-recall curve promise too much (J. Davis and
    M. Goadrich, ICML 2006), so it is taken as steps.
    """
    called = hits + alarms
    # A resample may not hold the highest scores: nobody is called there.
    precision = np.divide(hits, called, out=np.ones_like(hits), where=called > 0)
    recalls = hits / hits[-1]
    area = float(np.sum(np.diff(recalls, prepend=0.0) * precision))
    first = np.searchsorted(recalls, np.maximum(GRID, _ROUNDING) - _ROUNDING)
    # At sensitivity 0 stands the first point that has any.
    first[0] = np.searchsorted(recalls, 0.0, side="right")
    return precision[first], min(1.0, area)
