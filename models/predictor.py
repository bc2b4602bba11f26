"""From transformed pixels to a calibrated probability: what is trained, judged and exported."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from contract.settings import CandidateSettings
from evaluation.calibration import LOGIT_EPSILON, Calibration
from models.familiarity import FamiliarImages, describe_images
from models.inner_maps import middle_maps, tap
from models.network_input import crop_and_resize, to_network_input, views

# Calibrated probabilities, float32 [n], and how unusual the images are, float32 [n], where that is
# measured.
Answers = tuple[tf.Tensor, tf.Tensor | None]

KNOWS_NOTHING_FAMILIAR = "expected a predictor with familiar images, got one without"

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
        self._calibration = calibration
        self._familiar = familiar
        # A function of the graph, that all below share: each would trace the network anew.
        self._observe = _observer(network, candidate)

    def but(
        self, calibration: Calibration | None = None, familiar: FamiliarImages | None = None
    ) -> Predictor:
        """Return a predictor of the same network with another calibration or distribution."""
        other = copy.copy(self)
        other._calibration = calibration or self._calibration
        other._familiar = familiar or self._familiar
        return other

    @property
    def knows_familiar(self) -> bool:
        """Whether `answer` can be asked."""
        return self._familiar is not None

    def raw_variables(self) -> list[tf.Variable]:
        """Return TensorFlow's variables of the network, those without gradients included."""
        return [variable.value for variable in self.network.variables]

    def compute(self, pixels: tf.Tensor) -> Answers:
        """Return what `answer` does as operations of the graph that is being built, for an export.

        A function that is called in another one is optimised by itself, each time a server loads
        the graph. Without familiar images there are probabilities alone.
        """
        return self._judge(*self._observe.python_function(pixels))

    @tf.function(reduce_retracing=True, autograph=False)  # the last batch may be smaller
    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return calibrated probabilities of pneumonia.

        Args:
            pixels: uint8 [n, side, side, 1], as Transform makes them.

        Returns:
            float32 [n], in [0, 1].
        """
        _, probability = self._observe(pixels)
        return _calibrate(probability, self._calibration)

    @tf.function(reduce_retracing=True, autograph=False)
    def features(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return what familiarity is measured on, float32 [n, d]; see `models.familiarity`."""
        seen, _ = self._observe(pixels)
        return seen

    @tf.function(reduce_retracing=True, autograph=False)
    def answer(self, pixels: tf.Tensor) -> Answers:
        """Return calibrated probabilities and how unusual the images are.

        Args:
            pixels: uint8 [n, side, side, 1], as Transform makes them.

        Returns:
            float32 [n] in [0, 1], and float32 [n], see `FamiliarImages.log_distance`.

        Raises:
            ValueError: The predictor does not know what is familiar.
        """
        if self._familiar is None:
            raise ValueError(KNOWS_NOTHING_FAMILIAR)
        return self._judge(*self._observe(pixels))

    def _judge(self, seen: tf.Tensor, probability: tf.Tensor) -> Answers:
        distance = None if self._familiar is None else self._familiar.log_distance(seen)
        return _calibrate(probability, self._calibration), distance


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

    def compute(self, pixels: tf.Tensor) -> Answers:
        """Return what `answer` does as operations; see `Predictor.compute`."""
        return self._mean_answers([member.compute(pixels) for member in self.members])

    @tf.function(reduce_retracing=True, autograph=False)  # the last batch may be smaller
    def __call__(self, pixels: tf.Tensor) -> tf.Tensor:
        """Return calibrated probabilities of pneumonia; see `Predictor`."""
        return self._mean_probability([member(pixels) for member in self.members])

    @tf.function(reduce_retracing=True, autograph=False)
    def answer(self, pixels: tf.Tensor) -> Answers:
        """Return calibrated probabilities and the mean of the members' distances.

        See `Predictor.answer`.
        """
        return self._mean_answers([member.answer(pixels) for member in self.members])

    def _mean_answers(self, answers: Sequence[Answers]) -> Answers:
        distances = [distance for _, distance in answers if distance is not None]
        return (
            self._mean_probability([probability for probability, _ in answers]),
            _mean(distances) if len(distances) == len(answers) else None,
        )

    def _mean_probability(self, probabilities: list[tf.Tensor]) -> tf.Tensor:
        return _calibrate(_mean(probabilities), self._calibration)


def _mean(values: list[tf.Tensor]) -> tf.Tensor:
    return tf.add_n(values) / float(len(values))


def _observer(
    network: keras.Model, candidate: CandidateSettings
) -> tf.types.experimental.PolymorphicFunction:
    """Return the function from transformed pixels to what a network makes of them.

    It gives what familiarity is measured on, float32 [n, d], and the mean probability, float32 [n].
    """
    maps_layer = middle_maps(network)
    tapped = None if maps_layer is None else tap(network, [maps_layer])

    @tf.function(reduce_retracing=True, autograph=False)
    def observe(pixels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        cropped = crop_and_resize(pixels, candidate)
        inputs = to_network_input(cropped, candidate.normalisation)
        whole, *zoomed = views(inputs, candidate.num_views)
        if tapped is None:
            seen = describe_images(cropped)
            first = tf.cast(network(whole, training=False), tf.float32)[:, 0]
        else:
            # Once through the network for both.
            (maps,), logits = tapped.maps_and_logits(whole)
            seen = tf.reduce_mean(tf.cast(maps, tf.float32), axis=[1, 2])
            first = tf.sigmoid(logits)
        others = [tf.cast(network(view, training=False), tf.float32)[:, 0] for view in zoomed]
        return seen, tf.add_n([first, *others]) / float(1 + len(others))

    return observe


def _calibrate(probability: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    clipped = tf.clip_by_value(probability, LOGIT_EPSILON, 1.0 - LOGIT_EPSILON)
    logits = tf.math.log(clipped) - tf.math.log1p(-clipped)
    return tf.sigmoid(calibration.slope * logits + calibration.intercept)


def familiar_images(predictor: Predictor, images: Iterable[np.ndarray]) -> FamiliarImages:
    """Estimate the distribution of the features of training images.

    Args:
        predictor: Of the trained network.
        images: Parts of them, uint8 [n, side, side, 1] each, as Transform made them.
    """
    seen = [in_batches(predictor.features, part)[0] for part in images]
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
    probabilities, distances = in_batches(predictor.answer, images)
    return probabilities, distances


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
    (probabilities,) = in_batches(predictor.__call__, images)
    return probabilities


def in_batches(
    function: tf.types.experimental.PolymorphicFunction, images: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the outputs of a function of the graph for all images, [n, ...] each.

    Args:
        function: From uint8 [b, side, side, 1], as Transform makes them.
        images: uint8 [n, side, side, 1].
    """
    # One graph for every number of images: it would be traced for whole batches, and again where
    # the last one is smaller.
    function.get_concrete_function(tf.TensorSpec([None, *images.shape[1:]], tf.uint8))
    batches = [
        [output.numpy() for output in tf.nest.flatten(function(tf.constant(batch)))]
        for batch in (
            images[start : start + _BATCH_SIZE] for start in range(0, len(images), _BATCH_SIZE)
        )
    ]
    return tuple(np.concatenate(outputs) for outputs in zip(*batches, strict=True))
