"""Calibration of a test split: how often images given a probability do have pneumonia."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from evaluation.calibration import NUM_BINS, expected_calibration_error
from evaluation.resampling import CONFIDENCE_PERCENTILES, Resampler
from evaluation.slice_metrics import Estimate, proportion


@dataclasses.dataclass(frozen=True)
class Bin:
    """The images whose probability lies in [low, high).

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

    Chance alone makes gaps, so the error is never 0 and a resample's is larger than the split's.
    The interval therefore is the basic bootstrap's (A. C. Davison and D. V. Hinkley, "Bootstrap
    methods and their application", 1997, section 5.2), which takes that off, widened to hold the
    error. Beside it stands the error of a calibrated model: labels are drawn from the
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
