"""A model's answers as log-odds, on which explanations work.

A probability hides what an explanation looks for: to float32 it is 1 from a logit of about 17
on, so that an image, its parts and its blurred copy all have the same answer, and near 1 a large
change of the evidence moves it by nothing. Log-odds, ln(p / (1 - p)), have no ceiling; what
changes them by 1 multiplies the odds by e, wherever they are. They are therefore computed from
what the output's sigmoid receives, never from what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from evaluation.training_report import REPORT_FILE, TrainingReport
from models.inner_maps import tap
from models.network_input import crop_and_resize, to_network_input, views
from models.predictor import in_batches
from models.trained import load_candidate

LogOdds = Callable[[np.ndarray], np.ndarray]
"""uint8 [n, s, s, 1], as Transform makes them -> log-odds of pneumonia, float64 [n]."""


class NetworkLogOdds:
    """Log-odds of a network's calibrated probability of pneumonia.

    They are those of `models.predictor.Predictor`, which clips the network's probability before
    the calibration and so has a ceiling, of about 16 at slope 1; below it both agree.

    Args:
        network: Ends in one dense unit with a sigmoid.
        candidate: Crop, size, normalisation and number of views.
        calibration: What is applied to the network's probability.

    Raises:
        ValueError: The network ends in something else.
    """

    def __init__(
        self, network: keras.Model, candidate: CandidateSettings, calibration: Calibration
    ) -> None:
        self._tapped = tap(network, [])
        self._candidate = candidate
        self._calibration = calibration

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float64 [n] for uint8 [n, s, s, 1]."""
        (logits,) = in_batches(self._view_logits, images)
        return calibrated_log_odds(mean_log_odds(logits.T.astype(np.float64)), self._calibration)

    @tf.function(autograph=False)
    def _view_logits(self, pixels: tf.Tensor) -> tf.Tensor:
        inputs = to_network_input(
            crop_and_resize(pixels, self._candidate), self._candidate.normalisation
        )
        answers = [
            self._tapped.maps_and_logits(view)[1]
            for view in views(inputs, self._candidate.num_views)
        ]
        return tf.stack(answers, axis=1)


class EnsembleLogOdds:
    """Log-odds of an ensemble's probability: the calibrated mean of its members' probabilities.

    Args:
        members: At least one.
        calibration: What is applied to the mean.
    """

    def __init__(self, members: Sequence[LogOdds], calibration: Calibration) -> None:
        self._members = tuple(members)
        self._calibration = calibration

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return float64 [n] for uint8 [n, s, s, 1]."""
        answers = np.stack([member(images) for member in self._members])
        return calibrated_log_odds(mean_log_odds(answers), self._calibration)


def mean_log_odds(log_odds: np.ndarray) -> np.ndarray:
    """Return the log-odds of the mean of several probabilities, of which only log-odds are known.

    ln(sum of p) - ln(sum of 1 - p), each sum from the logarithms of its terms, so that neither
    loses what is far below 1.

    Args:
        log_odds: float64 [k, n], k at least 1.

    Returns:
        float64 [n].
    """
    mean: np.ndarray = np.logaddexp.reduce(-np.logaddexp(0.0, -log_odds), axis=0)
    mean -= np.logaddexp.reduce(-np.logaddexp(0.0, log_odds), axis=0)
    return mean


def calibrated_log_odds(log_odds: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return slope * log-odds + intercept: what Platt scaling makes of them, unclipped."""
    return calibration.slope * log_odds + calibration.intercept


def threshold_log_odds(threshold: float) -> float:
    """Return the log-odds of a threshold in [0, 1]; infinite at its ends."""
    with np.errstate(divide="ignore"):
        return float(np.log(threshold) - np.log1p(-threshold))


def load_log_odds(name: str, model_runs: Mapping[str, Path]) -> LogOdds:
    """Load a model, a trained candidate or an ensemble of several, to ask for log-odds.

    Args:
        name: Of the model.
        model_runs: What each Trainer left, and the ensemble, by name.
    """
    folder = model_runs[name]
    report = TrainingReport.read(folder / REPORT_FILE)
    if report.candidate is None:
        members = [load_log_odds(member, model_runs) for member in report.members]
        return EnsembleLogOdds(members, report.calibration)
    trained = load_candidate(folder)
    return NetworkLogOdds(trained.network, trained.candidate, report.calibration)
