"""Curves of a test split and their bands: ROC, precision-recall, thresholds, calibration."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from evaluation.calibration import NUM_BINS, expected_calibration_error
from evaluation.intervals import wilson_interval
from evaluation.resampling import CONFIDENCE_PERCENTILES, Floats, Resampler, percentile_interval
from evaluation.slice_metrics import Estimate, proportion

NUM_GRID_POINTS = 201
# x values where the bands are measured: false-alarm rates, or sensitivities.
GRID: Floats = np.linspace(0.0, 1.0, NUM_GRID_POINTS)
# Recalls are quotients of counts: one that is mathematically on the grid must be found there.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Band:
    """A curve and its pointwise 95% band.

    Attributes:
        x: float64 [k], ascending.
        value: float64 [k], the curve of the split itself.
        low: float64 [k].
        high: float64 [k].
    """

    x: Floats
    value: Floats
    low: Floats
    high: Floats


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
    # Sensitivity 0 takes the first point with any hit.
    first[0] = np.searchsorted(recalls, 0.0, side="right")
    return precision[first], min(1.0, area)


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


@dataclasses.dataclass(frozen=True)
class Bin:
    """The images with a probability in [low, high).

    Attributes:
        low: In [0, 1].
        high: In (0, 1]; the last bin holds its own end, too.
        n: Images, at least 1.
        mean_probability: Of pneumonia, in [0, 1].
        observed: Share of pneumonia, Wilson interval.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: Estimate


@dataclasses.dataclass(frozen=True)
class Reliability:
    """The calibration curve and its error.

    Attributes:
        bins: Those that hold images, in order.
        error: Expected calibration error with a 95% interval.
        calibrated_low: Error that a perfectly calibrated model would show on as many images by
            chance alone: 2.5th percentile.
        calibrated_high: The 97.5th percentile.
    """

    bins: tuple[Bin, ...]
    error: Estimate
    calibrated_low: float
    calibrated_high: float


def measure_reliability(probabilities: npt.ArrayLike, resampler: Resampler) -> Reliability:
    """Measure the calibration in bins of equal width, those of the calibration error.

    Chance alone makes gaps, so the error is never 0, and a resample's is larger than the split's.
    The basic bootstrap interval (A. C. Davison and D. V. Hinkley, "Bootstrap methods and their
    application", 1997, section 5.2) corrects for that; it is widened to hold the error. For
    comparison, the error of a calibrated model is simulated by drawing labels from the
    probabilities (J. Bröcker and L. A. Smith, Weather and Forecasting 22 (2007), 651-661).

    Args:
        probabilities: [n], in [0, 1].
        resampler: Of the same n images.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    bins = np.minimum((scores * NUM_BINS).astype(int), NUM_BINS - 1)
    members = np.eye(NUM_BINS)[bins]
    gaps = scores - resampler.labels
    error = expected_calibration_error(resampler.labels, scores)
    resampled = [
        np.abs((weights * gaps) @ members).sum(axis=1) / weights.sum(axis=1)
        for weights in resampler.weights()
    ]
    low, high = np.percentile(np.concatenate(resampled), CONFIDENCE_PERCENTILES)
    drawn = _errors_of_a_calibrated_model(scores, members, resampler)
    calibrated_low, calibrated_high = np.percentile(drawn, CONFIDENCE_PERCENTILES)
    return Reliability(
        bins=tuple(
            _bin(number, scores[bins == number], resampler.labels[bins == number])
            for number in sorted(set(bins.tolist()))
        ),
        error=Estimate(
            value=error,
            low=min(error, max(0.0, 2.0 * error - float(high))),
            high=max(error, min(1.0, 2.0 * error - float(low))),
        ),
        calibrated_low=float(calibrated_low),
        calibrated_high=float(calibrated_high),
    )


def _errors_of_a_calibrated_model(
    scores: npt.NDArray[np.float64], members: npt.NDArray[np.float64], resampler: Resampler
) -> npt.NDArray[np.float64]:
    generator = np.random.default_rng(resampler.seed)
    errors = [
        np.abs((scores - (generator.random(len(scores)) < scores)) @ members).sum() / len(scores)
        for _ in range(resampler.num_samples)
    ]
    return np.asarray(errors)


def _bin(number: int, scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> Bin:
    return Bin(
        low=number / NUM_BINS,
        high=(number + 1) / NUM_BINS,
        n=len(labels),
        mean_probability=float(scores.mean()),
        observed=proportion(int(labels.sum()), len(labels)),
    )
