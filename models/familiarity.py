"""How much an image is like those that a network was trained on.

A network answers for any picture: a hand, a page of text, an adult where it saw children. The
features of a familiar image are near those of the training images, so the measure is the distance
from them (Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"):
the Mahalanobis distance by a shrunk covariance (Ledoit and Wolf 2004). The features are the means
of the maps of a middle layer. Later layers know little but the finding, earlier ones do not see
that an image is upside down; docs/adr/0014 has the figures. A network without maps has the
statistics of `describe_images` instead.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.covariance import LedoitWolf

_SCALE_OFFSET = 1e-6  # against features that never change

_THUMBNAIL_PX = 8
_QUANTILE_THUMBNAIL_PX = 32
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_NUM_DETAIL_LEVELS = 4
# Grey levels that are added before a logarithm or a division, against flat images.
_GREY_OFFSET = 0.1
_CONTRAST_OFFSET = 5.0

NUM_STATISTICS = _THUMBNAIL_PX**2 + len(_QUANTILES) + _NUM_DETAIL_LEVELS + 2


@dataclasses.dataclass(frozen=True)
class FamiliarImages:
    """The distribution of the features of familiar images.

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


def describe_images(pixels: tf.Tensor) -> tf.Tensor:
    """Measure what images look like from afar: where they are bright, and how detailed they are.

    That needs no trained network, and shows what no network saw: noise, pages of text, images that
    are on their side, negatives.

    Args:
        pixels: uint8 [n, side, side, 1], of a static side of at least 32 px.

    Returns:
        float32 [n, `NUM_STATISTICS`]: an 8x8 thumbnail with mean 0 and standard deviation about 1,
        quantiles of the grey levels, and the logarithms of the mean difference between neighbours,
        along rows and columns, and of the detail that each halving of the side removes.
    """
    images = tf.cast(pixels, tf.float32)
    quantiles = tf.sort(
        tf.reshape(_shrink(images, _QUANTILE_THUMBNAIL_PX), [-1, _QUANTILE_THUMBNAIL_PX**2])
    )
    places = [round(part * (_QUANTILE_THUMBNAIL_PX**2 - 1)) for part in _QUANTILES]
    thumbnails = tf.reshape(_shrink(images, _THUMBNAIL_PX), [-1, _THUMBNAIL_PX**2])
    deviation = tf.math.reduce_std(thumbnails, axis=1, keepdims=True)
    centred = thumbnails - tf.reduce_mean(thumbnails, axis=1, keepdims=True)
    return tf.concat(
        [
            centred / (deviation + _CONTRAST_OFFSET),
            tf.gather(quantiles, places, axis=1) / 255.0,
            _log(tf.reduce_mean(tf.abs(images[:, :, 1:] - images[:, :, :-1]), axis=[1, 2])),
            _log(tf.reduce_mean(tf.abs(images[:, 1:] - images[:, :-1]), axis=[1, 2])),
            *_detail(images),
        ],
        axis=1,
    )


def _detail(images: tf.Tensor) -> list[tf.Tensor]:
    """Return the logarithm of the standard deviation that each halving of the side removes."""
    levels = []
    for _ in range(_NUM_DETAIL_LEVELS):
        side_px = images.shape[1]
        smaller = _shrink(images, max(1, side_px // 2))
        removed = images - tf.image.resize(smaller, [side_px, side_px], "bilinear")
        levels.append(_log(tf.math.reduce_std(removed, axis=[1, 2])))
        images = smaller
    return levels


def _shrink(images: tf.Tensor, side_px: int) -> tf.Tensor:
    return tf.image.resize(images, [side_px, side_px], "area")


def _log(values: tf.Tensor) -> tf.Tensor:
    return tf.math.log(values + _GREY_OFFSET)
