"""Bootstrap over patients: how far figures of a split could differ by chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CONFIDENCE_PERCENTILES = (2.5, 97.5)  # of a two-sided 95% interval
# At once: 1,000 resamples of up to 2,000 images, of more images fewer. That is 16 MB of weights.
_MAX_CHUNK, _MAX_WEIGHTS = 1000, 2_000_000


@dataclasses.dataclass(frozen=True)
class Resampler:
    """Draws patients with replacement, each with all of their images.

    Images of one patient resemble each other; drawing images would take them for independent,
    and the bands would be too narrow. Source: C. A. Field and A. H. Welsh, "Bootstrapping
    clustered data", Journal of the Royal Statistical Society B 69 (2007), 369-390.

    Attributes:
        labels: int64 [n], 1 for pneumonia.
        patients: int64 [n], the number of each image's patient, from 0.
        num_samples: Resamples.
        seed: Of the draws.
    """

    labels: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]
    num_samples: int
    seed: int

    def weights(self) -> Iterator[Floats]:
        """Yield how often each image is drawn: float64 [chunk, n], the same at every call.

        Resamples without pneumonia or without normal images are left out: no curve exists there.
        """
        num_patients = int(self.patients.max()) + 1
        shares = np.full(num_patients, 1.0 / num_patients)
        generator = np.random.default_rng(self.seed)
        is_positive = self.labels == 1
        chunk = max(1, min(_MAX_CHUNK, _MAX_WEIGHTS // self.labels.size))
        for start in range(0, self.num_samples, chunk):
            size = min(chunk, self.num_samples - start)
            drawn = generator.multinomial(num_patients, shares, size=size)[:, self.patients]
            has_both = drawn[:, is_positive].any(axis=1) & drawn[:, ~is_positive].any(axis=1)
            yield drawn[has_both].astype(np.float64)


def create_resampler(
    labels: npt.ArrayLike, patient_ids: Sequence[str], num_samples: int, seed: int
) -> Resampler:
    """Return the bootstrap of a split.

    Args:
        labels: [n], 0 or 1, both present.
        patient_ids: [n].
        num_samples: Resamples, at least 1.
        seed: Of the draws.

    Raises:
        ValueError: A class has no images, or the lengths differ.
    """
    truth = np.asarray(labels, dtype=np.int64)
    if truth.shape != (len(patient_ids),):
        raise ValueError(
            f"expected a patient for each of the labels {truth.shape}, got {len(patient_ids)}"
        )
    if set(truth.tolist()) != {0, 1}:
        raise ValueError(
            "expected images with and without pneumonia, got only labels "
            f"{sorted(set(truth.tolist()))}: curves are undefined"
        )
    _, patients = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    return Resampler(truth, patients.astype(np.int64), num_samples, seed)


def percentile_interval(values: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the 2.5th and the 97.5th percentile over the first axis; NaNs are left out."""
    low, high = np.nanpercentile(np.asarray(values), CONFIDENCE_PERCENTILES, axis=0)
    return low, high


def weighted_areas(truth: npt.NDArray[np.bool_], scores: npt.ArrayLike, weights: Floats) -> Floats:
    """Return the area under the ROC curve for each of several weightings of the images.

    It is the weighted share of pairs of a pneumonia and a normal image in which the former has
    the higher score, ties counted half.

    Args:
        truth: bool [n], whether it is pneumonia.
        scores: [n].
        weights: float64 [r, n], at least 0; in each row both classes have some.

    Returns:
        float64 [r], in [0, 1].
    """
    values = np.asarray(scores)
    order = np.argsort(values, kind="stable")
    starts = np.unique(values[order], return_index=True)[1]
    ordered = weights[:, order]
    positive = np.add.reduceat(ordered * truth[order], starts, axis=1)
    negative = np.add.reduceat(ordered * ~truth[order], starts, axis=1)
    lower = np.cumsum(negative, axis=1) - negative
    won: Floats = (positive * (lower + negative / 2.0)).sum(axis=1)
    pairs: Floats = positive.sum(axis=1) * negative.sum(axis=1)
    return won / pairs
