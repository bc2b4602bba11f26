"""The exported model: one graph from an X-ray's bytes to a decision.

Preprocessing, network, threshold and what is referred travel together, so that what the gate
judged is what a client gets.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from contract import features
from evaluation.decision_band import DecisionBand
from evaluation.predictions import Predictions
from evaluation.training_report import TrainingReport
from models.familiarity import familiarity
from models.image_check import check_encoded_images, check_pixels
from models.predictor import KNOWS_NOTHING_FAMILIAR, EnsemblePredictor, Predictor
from models.preprocessing import decode_transformed
from models.provenance import ASSETS_EXTRA_DIR, PROVENANCE_FILE, Provenance
from models.warmup import write_warm_up

# Inputs of signatures, by which clients name them. None of the graphs here has a branch or a loop
# of Python's to rewrite: AutoGraph would take seconds to find that out.
_IMAGES = [tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)]
_EXAMPLES = [tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)]


@dataclasses.dataclass(frozen=True)
class OperatingRule:
    """How a model's answers become decisions.

    Attributes:
        threshold: In [0, 1]; at or above it an image is called pneumonia.
        band: Scores that are referred; None for none.
        known_log_distances: float32 [m], ascending, m at least 1: how unusual the validation
            images are. None where nothing is referred as unfamiliar.
        familiarity_threshold: Images of a familiarity below it are referred, in [0, 1).
    """

    threshold: float
    band: DecisionBand | None = None
    known_log_distances: np.ndarray | None = None
    familiarity_threshold: float = 0.0

    @classmethod
    def from_validation(cls, report: TrainingReport, predictions: Predictions) -> OperatingRule:
        """Take what validation gave.

        Args:
            report: Of the candidate.
            predictions: Its predictions on validation.
        """
        limit = report.referral.settings.max_unfamiliar_fraction
        known = predictions.log_distances if limit > 0.0 else None
        return cls(
            threshold=report.threshold,
            band=report.referral.band,
            known_log_distances=None if known is None else np.sort(known),
            familiarity_threshold=0.0 if known is None else limit,
        )


class ServedModel(tf.Module):
    """A trained model between its preprocessing and its operating point.

    Args:
        predictor: uint8 [n, s, s, 1] -> calibrated probability float32 [n].
        transform_output: What Transform saved.
        image_size_px: The side s.
        rule: How its answers become decisions.
    """

    def __init__(
        self,
        predictor: Predictor | EnsemblePredictor,
        transform_output: tft.TFTransformOutput,
        image_size_px: int,
        rule: OperatingRule,
    ) -> None:
        super().__init__()
        # Behind a function, so that saving tracks the variables below and nothing else of Keras:
        # it would save each variable twice, restore the copy, and leave the one that is read
        # without a value in TF Serving (https://github.com/keras-team/keras/issues/20095). The
        # optimizer's state stays behind as well.
        self._answer = lambda pixels: predictor.compute(pixels)
        self._weights = predictor.raw_variables()
        # A method, for the same reason: the layer is a Keras model, and saved as one, which takes
        # seconds. Were a table or a vocabulary in it, saving would fail, as nothing tracks it.
        self._transform = transform_output.transform_features_layer().call
        self._image_size_px = image_size_px
        # Variables, not constants: readable from the saved model by their names, and what another
        # site sets anew.
        band = rule.band or DecisionBand(low=rule.threshold, high=rule.threshold)
        self.threshold = _variable(rule.threshold, features.THRESHOLD)
        self.decision_low = _variable(band.low, features.BAND[0])
        self.decision_high = _variable(band.high, features.BAND[1])
        self._known = rule.known_log_distances
        self._familiarity_threshold = rule.familiarity_threshold

    # A function of the graph, as `transform`, that the signatures share: they would hold a copy
    # each, which takes three times as long to trace, to save and to load.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def score(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judge encoded images; both signatures are this function.

        Args:
            image_bytes: string [n], JPEG or PNG each.

        Returns:
            `PROBABILITY` float32 [n], `PREDICTED_LABEL` string [n], `THRESHOLD` float32 [n],
            `DECISION` string [n], `FAMILIARITY` float32 [n], `FAMILIARITY_THRESHOLD` float32 [n].
            The decision is the label, or `REFER`.

        Raises:
            tf.errors.InvalidArgumentError: When run, for a batch with a bad image; see
                `models.image_check` for which ones are named.
        """
        probability, log_distance = self._answer(self.transform(image_bytes))
        threshold = tf.fill(tf.shape(probability), self.threshold)
        predicted = tf.where(probability >= threshold, features.PNEUMONIA, features.NORMAL)
        if self._known is None:
            familiar = tf.ones_like(probability)
        elif log_distance is None:
            raise ValueError(KNOWS_NOTHING_FAMILIAR)
        else:
            familiar = familiarity(log_distance, tf.constant(self._known))
        is_referred = features.is_unfamiliar(familiar, self._familiarity_threshold) | (
            probability >= self.decision_low
        ) & (probability < self.decision_high)
        return {
            features.PROBABILITY: probability,
            features.PREDICTED_LABEL: predicted,
            features.THRESHOLD: threshold,
            features.DECISION: tf.where(is_referred, features.REFER, predicted),
            features.FAMILIARITY: familiar,
            features.FAMILIARITY_THRESHOLD: tf.fill(
                tf.shape(probability), self._familiarity_threshold
            ),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def transform(self, image_bytes: tf.Tensor) -> tf.Tensor:
        """Return the transformed images, uint8 [n, s, s, 1]; raises as `score` does."""
        checked = check_encoded_images(image_bytes)
        # Transform's graph takes whole records. For what is missing, the layer would put some seven
        # operations for each feature into the graph.
        num = tf.shape(checked)
        transformed = self._transform(
            dict.fromkeys(features.RAW_BYTES_FEATURES, tf.fill(num, ""))
            | dict.fromkeys(features.RAW_INT_FEATURES, tf.fill(num, tf.constant(0, tf.int64)))
            | {features.IMAGE_BYTES: checked}
        )
        pixels = decode_transformed(transformed[features.TRANSFORMED_IMAGE], self._image_size_px)
        return check_pixels(pixels)

    @tf.function(input_signature=_IMAGES, autograph=False)
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer a client: see `score`."""
        return self.score(image_bytes)

    @tf.function(input_signature=_EXAMPLES, autograph=False)
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer the Evaluator: `score` of the images in raw records.

        Args:
            examples: string [n], serialized `tf.Example` of the feature contract.

        Returns:
            As `score`, and `CALLED_PNEUMONIA` float32 [n], 1 for a label of pneumonia, else 0:
            TFMA's fixed threshold of .5 on it is the shipped operating point.
        """
        scored = self.score(_images_of(examples))
        called = tf.cast(scored[features.PREDICTED_LABEL] == features.PNEUMONIA, tf.float32)
        return {**scored, features.CALLED_PNEUMONIA: called}

    @tf.function(input_signature=_EXAMPLES, autograph=False)
    def cases(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return, for TFMA's slices, whether each raw record is decided or referred.

        Args:
            examples: string [n], serialized `tf.Example` of the feature contract.

        Returns:
            `CASE`, string [n, 1].
        """
        decision = self.score(_images_of(examples))[features.DECISION]
        is_referred = decision == features.REFER
        case = tf.where(is_referred, features.REFERRED, features.DECIDED)
        return {features.CASE: case[:, tf.newaxis]}

    @tf.function(input_signature=_EXAMPLES, autograph=False)
    def transform_features(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Show what the network sees of the images in raw records, before normalisation.

        Args:
            examples: string [n], serialized `tf.Example` that hold an image at least.

        Returns:
            `TRANSFORMED_IMAGE_BYTES`, string [n]: 8-bit grey PNGs.
        """
        pngs = tf.map_fn(
            tf.io.encode_png, self.transform(_images_of(examples)), fn_output_signature=tf.string
        )
        return {features.TRANSFORMED_IMAGE_BYTES: pngs}


def _variable(value: float, name: str) -> tf.Variable:
    return tf.Variable(value, trainable=False, dtype=tf.float32, name=name)


def _images_of(examples: tf.Tensor) -> tf.Tensor:
    """Return the encoded images, string [n], of serialized `tf.Example`, string [n]."""
    indexes = tf.strings.as_string(tf.range(tf.size(examples)))
    parsed = tf.io.parse_example(
        examples,
        {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)},
        # For the error message of a record without an image.
        example_names=tf.strings.join(["record ", indexes, " of the batch"]),
    )
    return parsed[features.IMAGE_BYTES]


def information_function(provenance: Provenance) -> tf.types.experimental.PolymorphicFunction:
    """Return a function that answers every input row with a row that has the model's origin.

    Only the number of input rows matters. There is an input at all because TF Serving's REST API
    calls no signature without one.
    """
    facts = provenance.facts()

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name=features.INFORMATION_INPUT)],
        autograph=False,
    )
    def model_information(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: tf.fill(tf.shape(rows), text) for name, text in facts.items()}

    return model_information


def export_model(
    served: ServedModel, directory: Path, provenance: Provenance | None = None
) -> None:
    """Write a SavedModel with its signatures, and requests to warm a server up with.

    Args:
        served: The model.
        directory: A new folder; it will hold `saved_model.pb`.
        provenance: Where the model comes from; it is written beside the graph and returned by
            `INFORMATION_SIGNATURE`. None leaves out both.
    """
    signatures = {
        features.SERVING_SIGNATURE: served.serve,
        features.EXAMPLES_SIGNATURE: served.serve_examples,
        features.TRANSFORM_SIGNATURE: served.transform_features,
        features.CASE_SIGNATURE: served.cases,
    }
    if provenance is not None:
        signatures[features.INFORMATION_SIGNATURE] = information_function(provenance)
    tf.saved_model.save(served, str(directory), signatures=signatures)
    # After the graph: saving creates the folder.
    write_warm_up(directory, tuple(signatures))
    if provenance is not None:
        provenance.write(directory / ASSETS_EXTRA_DIR / PROVENANCE_FILE)
