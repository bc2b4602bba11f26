"""The exported model: one graph from an X-ray's bytes to a decision.

Preprocessing, network and threshold travel together, so that what the gate
judged is what a client gets.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
import tensorflow_transform as tft

from models import features
from models.predictor import EnsemblePredictor, Predictor
from models.preprocessing import decode_transformed


class ServedModel(tf.Module):
    """A trained model between its preprocessing and its operating point.

    Args:
        predictor: uint8 [n, s, s, 1] -> calibrated probability float32 [n].
        transform_output: What Transform saved.
        image_size_px: The side s.
        threshold: In [0, 1]; at or above it an image is called pneumonia.
    """

    def __init__(
        self,
        predictor: Predictor | EnsemblePredictor,
        transform_output: tft.TFTransformOutput,
        image_size_px: int,
        threshold: float,
    ) -> None:
        super().__init__()
        self._predictor = predictor
        self._transform = transform_output.transform_features_layer()
        self._image_size_px = image_size_px
        # A variable, not a constant: readable from the saved model by its name.
        self.threshold = tf.Variable(
            threshold, trainable=False, dtype=tf.float32, name=features.THRESHOLD
        )

    def score(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Judge encoded images; both signatures are this function.

        Args:
            image_bytes: string [n], JPEG or PNG each.

        Returns:
            `PROBABILITY` float32 [n], `PREDICTED_LABEL` string [n], `THRESHOLD`
            float32 [n].
        """
        pngs = self._transform({features.IMAGE_BYTES: image_bytes})[features.TRANSFORMED_IMAGE]
        pixels = tf.map_fn(
            lambda png: decode_transformed(png, self._image_size_px),
            pngs,
            fn_output_signature=tf.TensorSpec(
                [self._image_size_px, self._image_size_px, 1], tf.uint8
            ),
        )
        probability = self._predictor(pixels)
        threshold = tf.fill(tf.shape(probability), self.threshold)
        predicted = tf.where(probability >= threshold, features.PNEUMONIA, features.NORMAL)
        return {
            features.PROBABILITY: probability,
            features.PREDICTED_LABEL: predicted,
            features.THRESHOLD: threshold,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer a client: see `score`."""
        return self.score(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer the Evaluator: `score` of the images in raw records.

        Args:
            examples: string [n], serialized `tf.Example` of the feature contract.

        Returns:
            As `score`, and `DECISION` float32 [n], 1 for pneumonia, else 0: TFMA's
            fixed threshold of .5 on it is the shipped operating point.
        """
        parsed = tf.io.parse_example(
            examples, {features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string)}
        )
        scored = self.score(parsed[features.IMAGE_BYTES])
        decision = tf.cast(scored[features.PREDICTED_LABEL] == features.PNEUMONIA, tf.float32)
        return {**scored, features.DECISION: decision}


def export_model(served: ServedModel, directory: Path) -> None:
    """Write a SavedModel with its signatures.

    Args:
        served: The model.
        directory: A new folder; it will hold `saved_model.pb`.
    """
    tf.saved_model.save(
        served,
        str(directory),
        signatures={
            features.SERVING_SIGNATURE: served.serve,
            features.EXAMPLES_SIGNATURE: served.serve_examples,
        },
    )
