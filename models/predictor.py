"""From transformed pixels to a calibrated probability: what is trained, judged and exported."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from models.calibration import LOGIT_EPSILON, Calibration
from models.network_input import crop_and_resize, to_network_input, views
from pipeline.config import CandidateSettings

_BATCH_SIZE = 64
_IDENTITY = Calibration()


class Predictor(tf.Module):
    """A trained network with what comes before and after it.

    Args:
        network: float32 [n, s, s, 3] in [0, 1] -> probability [n, 1].
        candidate: Crop, size, normalisation and number of views.
        calibration: What is applied to the network's probability.
    """

    def __init__(
        self,
        network: keras.Model,
        candidate: CandidateSettings,
        calibration: Calibration = _IDENTITY,
    ) -> None:
        super().__init__()
        self.network = network
        self._candidate = candidate
        self._calibration = calibration

    def raw_variables(self) -> list[tf.Variable]:
        """Return TensorFlow's variables of the network, those without gradients included."""
        return [variable.value for variable in self.network.variables]

    @tf.function(reduce_retracing=True)  # the last batch may be smaller
    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return calibrated probabilities of pneumonia.

        Args:
            pixels: uint8 [n, side, side, 1], as Transform makes them.

        Returns:
            float32 [n], in [0, 1].
        """
        inputs = to_network_input(
            crop_and_resize(pixels, self._candidate), self._candidate.normalisation
        )
        answers = [
            tf.cast(self.network(view, training=False), tf.float32)[:, 0]
            for view in views(inputs, self._candidate.num_views)
        ]
        return _calibrate(tf.add_n(answers) / float(len(answers)), self._calibration)


class EnsemblePredictor(tf.Module):
    """The mean of several predictors' calibrated probabilities, itself calibrated.

    Args:
        members: At least one.
        calibration: What is applied to the mean.
    """

    def __init__(self, members: Sequence[Predictor], calibration: Calibration = _IDENTITY) -> None:
        super().__init__()
        self.members = list(members)
        self._calibration = calibration

    def raw_variables(self) -> list[tf.Variable]:
        """Return TensorFlow's variables of all members' networks."""
        return [variable for member in self.members for variable in member.raw_variables()]

    @tf.function(reduce_retracing=True)  # the last batch may be smaller
    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return calibrated probabilities of pneumonia; see `Predictor`."""
        answers = [member(pixels) for member in self.members]
        return _calibrate(tf.add_n(answers) / float(len(answers)), self._calibration)


def _calibrate(probability: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    clipped = tf.clip_by_value(probability, LOGIT_EPSILON, 1.0 - LOGIT_EPSILON)
    logits = tf.math.log(clipped) - tf.math.log1p(-clipped)
    return tf.sigmoid(calibration.slope * logits + calibration.intercept)


def predict_probabilities(
    predictor: Predictor | EnsemblePredictor, images: np.ndarray
) -> np.ndarray:
    """Return the probability of pneumonia for each image.

    Args:
        predictor: The model.
        images: uint8 [n, side, side, 1], as Transform made them.

    Returns:
        float32 [n], in [0, 1].
    """
    batches = [
        predictor(tf.constant(images[start : start + _BATCH_SIZE])).numpy()
        for start in range(0, len(images), _BATCH_SIZE)
    ]
    return np.concatenate(batches)
