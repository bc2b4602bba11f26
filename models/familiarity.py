"""How much an image is like those that a network was trained on.

A network answers for any picture: a hand, a page of text, an adult where it saw children. What it
makes of a familiar image lies where the training images' features lie, so the distance from them
tells (Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"):
the Mahalanobis distance by a shrunk covariance (Ledoit and Wolf 2004). The features are the means
of the maps of a middle layer. Later layers know little but the finding, earlier ones do not see
that an image stands on its head; docs/adr/0014 has the figures. A network without maps has the
statistics of `models.image_statistics` instead.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.covariance import LedoitWolf

_SCALE_OFFSET = 1e-6  # against features that never change


@dataclasses.dataclass(frozen=True)
class FamiliarImages:
    """Where the features of familiar images lie.

    Attributes:
        mean: float32 [d].
        whitening: float32 [d, d]; familiar features minus the mean, times it, have about unit
            covariance.
    """

    mean: np.ndarray
    whitening: np.ndarray

    @classmethod
    def fit(cls, features: npt.ArrayLike) -> FamiliarImages:
        """Estimate mean and covariance.

        Args:
            features: [n, d], n at least 2, of the training images.
        """
        known = np.asarray(features, np.float64)
        mean, scale = known.mean(axis=0), known.std(axis=0) + _SCALE_OFFSET
        # The shrinkage is towards equal variances, so that features must be on one scale.
        precision = LedoitWolf().fit((known - mean) / scale).precision_
        whitening = np.linalg.cholesky(precision) / scale[:, np.newaxis]
        return cls(mean.astype(np.float32), whitening.astype(np.float32))

    def log_distance(self, features: tf.Tensor) -> tf.Tensor:
        """Return the logarithm of the squared Mahalanobis distance by number of features.

        Args:
            features: float32 [n, d].

        Returns:
            float32 [n]; about 0 for familiar images.
        """
        whitened = tf.matmul(features - self.mean, self.whitening)
        return tf.math.log(tf.reduce_mean(tf.square(whitened), axis=1) + _SCALE_OFFSET)

    def write(self, path: Path) -> None:
        """Write as a NumPy archive."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, mean=self.mean, whitening=self.whitening)

    @classmethod
    def read(cls, path: Path) -> FamiliarImages:
        """Read what `write` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            return cls(archive["mean"], archive["whitening"])


def familiarity(log_distances: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """Return which part of the known images are at least as unusual: a conformal p-value.

    Of new images like the known ones a part of at most a is below a, for each a (Bates et al.
    2023, "Testing for outliers with conformal p-values").

    Args:
        log_distances: float32 [n].
        known: float32 [m], ascending: those of images that the network was not trained on.

    Returns:
        float32 [n], (1 + number at least as far) / (m + 1), in (0, 1].
    """
    num_known = tf.size(known)
    num_as_far = num_known - tf.searchsorted(known, log_distances, side="left")
    return tf.cast(1 + num_as_far, tf.float32) / tf.cast(1 + num_known, tf.float32)
