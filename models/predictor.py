"""From transformed pixels to a calibrated probability: what is trained, judged and exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from contract.settings import CandidateSettings
from evaluation.calibration import LOGIT_EPSILON, Calibration
from models.familiarity import FamiliarImages, describe_images
from models.inner_maps import middle_maps, tap
from models.network_input import crop_and_resize, to_network_input, views

_BATCH_SIZE = 64
_IDENTITY = Calibration()


class Predictor(tf.Module):
    """A trained network with what comes before and after it.

    Args:
        network: float32 [n, s, s, 3] in [0, 1] -> probability [n, 1].
        candidate: Crop, size, normalisation and number of views.
        calibration: What is applied to the network's probability.
        familiar: Distribution of the features of familiar images; None where `answer` is not used.
    """

    def __init__(
        self,
        network: keras.Model,
        candidate: CandidateSettings,
        calibration: Calibration = _IDENTITY,
        familiar: FamiliarImages | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._candidate = candidate
        self._calibration = calibration
        self._familiar = familiar
        maps = middle_maps(network)
        self._tapped = None if maps is None else tap(network, [maps])

    @property
    def knows_familiar(self) -> bool:
        """Whether `answer` can be asked."""
        return self._familiar is not None

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
        _, probability = self._observe(pixels)
        return _calibrate(probability, self._calibration)

    @tf.function(reduce_retracing=True)
    def features(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return what familiarity is measured on, float32 [n, d]; see `models.familiarity`."""
        seen, _ = self._observe(pixels)
        return seen

    @tf.function(reduce_retracing=True)
    def answer(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return calibrated probabilities and how unusual the images are.

        Args:
            pixels: uint8 [n, side, side, 1], as Transform makes them.

        Returns:
            float32 [n] in [0, 1], and float32 [n], see `FamiliarImages.log_distance`.

        Raises:
            ValueError: The predictor does not know what is familiar.
        """
        if self._familiar is None:
            raise ValueError("expected a predictor with familiar images, got one without")
        seen, probability = self._observe(pixels)
        return _calibrate(probability, self._calibration), self._familiar.log_distance(seen)

    def _observe(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what familiarity is measured on, and the network's mean probability."""
        cropped = crop_and_resize(pixels, self._candidate)
        inputs = to_network_input(cropped, self._candidate.normalisation)
        whole, *zoomed = views(inputs, self._candidate.num_views)
        if self._tapped is None:
            seen = describe_images(cropped)
            first = tf.cast(self.network(whole, training=False), tf.float32)[:, 0]
        else:
            # Once through the network for both.
            (maps,), logits = self._tapped.maps_and_logits(whole)
            seen = tf.reduce_mean(tf.cast(maps, tf.float32), axis=[1, 2])
            first = tf.sigmoid(logits)
        others = [tf.cast(self.network(view, training=False), tf.float32)[:, 0] for view in zoomed]
        return seen, tf.add_n([first, *others]) / float(1 + len(others))


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

    @property
    def knows_familiar(self) -> bool:
        """Whether `answer` can be asked."""
        return all(member.knows_familiar for member in self.members)

    def raw_variables(self) -> list[tf.Variable]:
        """Return TensorFlow's variables of all members' networks."""
        return [variable for member in self.members for variable in member.raw_variables()]

    @tf.function(reduce_retracing=True)  # the last batch may be smaller
    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return calibrated probabilities of pneumonia; see `Predictor`."""
        return self._mean_probability([member(pixels) for member in self.members])

    @tf.function(reduce_retracing=True)
    def answer(self, pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return calibrated probabilities and the mean of the members' distances.

        See `Predictor.answer`.
        """
        answers = [member.answer(pixels) for member in self.members]
        distances = [distance for _, distance in answers]
        return (
            self._mean_probability([probability for probability, _ in answers]),
            tf.add_n(distances) / float(len(distances)),
        )

    def _mean_probability(self, probabilities: list[tf.Tensor]) -> tf.Tensor:
        return _calibrate(tf.add_n(probabilities) / float(len(probabilities)), self._calibration)


def _calibrate(probability: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    clipped = tf.clip_by_value(probability, LOGIT_EPSILON, 1.0 - LOGIT_EPSILON)
    logits = tf.math.log(clipped) - tf.math.log1p(-clipped)
    return tf.sigmoid(calibration.slope * logits + calibration.intercept)


def familiar_images(
    network: keras.Model, candidate: CandidateSettings, images: Iterable[np.ndarray]
) -> FamiliarImages:
    """Estimate the distribution of the features of training images.

    Args:
        network: Trained.
        candidate: As for `Predictor`.
        images: Parts of them, uint8 [n, side, side, 1] each, as Transform made them.
    """
    # Named, as a `tf.function` does not keep what it is a method of.
    predictor = Predictor(network, candidate)
    seen = [_in_batches(predictor.features, part) for part in images]
    return FamiliarImages.fit(np.concatenate(seen))


def predict_answers(
    predictor: Predictor | EnsemblePredictor, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of pneumonia for each image, and how unusual it is.

    Args:
        predictor: The model; it knows what is familiar.
        images: uint8 [n, side, side, 1], as Transform made them.

    Returns:
        float32 [n] each; see `Predictor.answer`.
    """
    answers = _in_batches(lambda pixels: tf.stack(predictor.answer(pixels), axis=1), images)
    return answers[:, 0], answers[:, 1]


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
    return _in_batches(predictor, images)


def _in_batches(function: Callable[[tf.Tensor], tf.Tensor], images: np.ndarray) -> np.ndarray:
    batches = [
        function(tf.constant(images[start : start + _BATCH_SIZE])).numpy()
        for start in range(0, len(images), _BATCH_SIZE)
    ]
    return np.concatenate(batches)
