"""LIME on superpixels (Ribeiro et al. 2016), by the `lime` package."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from lime.lime_image import LimeImageExplainer
from skimage.segmentation import slic

from report.explanations.log_odds import LogOdds

_MASK_REGIONS = 5  # as many as lime itself shows
# Of log-odds: showing the superpixel multiplies the odds by 1.1. Less is not worth an outline,
# however surely it was measured.
SMALLEST_WEIGHT = 0.1
# Of the fit's noise: one of 48 weights passes it by chance in about one image of fifteen.
_NOISE_ERRORS = 3.0
_BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True)
class LimeExplanation:
    """A linear stand-in for the network near one image.

    Attributes:
        weights: float64 [regions], what showing each superpixel adds to the log-odds of pneumonia;
            below 0 it speaks against it. Near a sure answer they are as large as elsewhere, where
            weights on the probability would all be 0.
        noise: Standard error of a weight, in log-odds, at least 0.
        smallest: Superpixels of at least this weight, in log-odds, are outlined: the larger of
            `SMALLEST_WEIGHT` and three standard errors.
        mask: bool [s, s], the up to five superpixels that speak most for the answer, each by more
            than `smallest`.
        fit: R² of the stand-in on the changed images, weighted by nearness; at most 1. A low one
            says that the log-odds are not a sum of superpixels.
    """

    weights: np.ndarray
    noise: float
    smallest: float
    mask: np.ndarray
    fit: float


def explain_by_lime(
    log_odds: LogOdds,
    image: np.ndarray,
    regions: np.ndarray,
    *,
    num_samples: int,
    seed: int,
    is_pneumonia: bool,
) -> LimeExplanation:
    """Fit a ridge regression to the log-odds for images with superpixels greyed out.

    A sum of evidence is a sum in log-odds, which is what a linear stand-in can be; in probability
    it bends at both ends.

    Args:
        log_odds: The network, with all that comes before and after it.
        image: uint8 [s, s, 1].
        regions: int64 [s, s], its superpixels.
        num_samples: Changed images that the network judges.
        seed: Of which superpixels are greyed out.
        is_pneumonia: The answer that the mask is for.
    """
    explainer = _BatchedExplainer(random_state=seed)
    answers: list[np.ndarray] = []

    def answer_both(images: np.ndarray) -> np.ndarray:
        """Return the log-odds of normal and of pneumonia: lime fits any number, not only shares."""
        answers.append(log_odds(images[..., :1]))
        return np.stack([-answers[-1], answers[-1]], axis=1)

    found = explainer.explain_instance(
        np.repeat(image, 3, axis=-1),
        answer_both,
        labels=(0, 1),
        top_labels=None,
        num_samples=num_samples,
        batch_size=_BATCH_SIZE,
        segmentation_fn=lambda _: regions,
        random_seed=seed,
    )
    weights = np.zeros(int(regions.max()) + 1)
    for region, weight in found.local_exp[1]:
        weights[region] = weight
    fit = float(found.score)
    noise = _standard_error(np.concatenate(answers), fit, len(weights))
    smallest = max(SMALLEST_WEIGHT, _NOISE_ERRORS * noise)
    _, mask = found.get_image_and_mask(
        int(is_pneumonia), positive_only=True, num_features=_MASK_REGIONS, min_weight=smallest
    )
    return LimeExplanation(
        weights=weights, noise=noise, smallest=smallest, mask=mask.astype(bool), fit=fit
    )


def _standard_error(answers: np.ndarray, fit: float, num_weights: int) -> float:
    """Return the standard error of a least-squares weight.

    Each superpixel is shown in half of the images, independently of the others, and these are all
    about equally near: a column of the design has the variance 1/4, so that the error is
    2 sigma / sqrt(n), with sigma of the residuals.
    """
    num_samples = len(answers)
    degrees = max(1, num_samples - num_weights - 1)
    residual_variance = max(0.0, 1.0 - fit) * float(answers.var()) * num_samples / degrees
    return 2.0 * float(np.sqrt(residual_variance / num_samples))


class _BatchedExplainer(LimeImageExplainer):
    """lime's explainer without its progress bar, which would write over ours."""

    def data_labels(
        self,
        image: np.ndarray,
        fudged_image: np.ndarray,
        segments: np.ndarray,
        classifier_fn: Callable[[np.ndarray], np.ndarray],
        num_samples: int,
        batch_size: int = _BATCH_SIZE,
    ) -> tuple[Any, Any]:
        shown = self.random_state.randint(0, 2, (num_samples, int(segments.max()) + 1))
        shown[0] = 1  # lime takes the first for the image itself
        answers = [
            classifier_fn(
                np.where(shown[start : start + batch_size, segments, None], image, fudged_image)
            )
            for start in range(0, num_samples, batch_size)
        ]
        return shown, np.concatenate(answers)


# About as many as LIME's default number of samples can separate.
NUM_REGIONS = 48
# Between patches that follow edges and patches that are squares, for grey values in [0, 1].
_COMPACTNESS = 0.1
_SMOOTHING_PX = 1.0


def segment(image: np.ndarray, num_regions: int = NUM_REGIONS) -> np.ndarray:
    """Cut an image into patches of like grey by SLIC (Achanta et al. 2012).

    Args:
        image: uint8 [s, s, 1].
        num_regions: About how many; a small image has fewer.

    Returns:
        int64 [s, s], the number of each pixel's patch, from 0 on without a gap.
    """
    regions = slic(
        image[..., 0] / 255.0,
        n_segments=num_regions,
        compactness=_COMPACTNESS,
        sigma=_SMOOTHING_PX,
        start_label=0,
        channel_axis=None,
    )
    numbers: np.ndarray = np.unique(regions, return_inverse=True)[1].reshape(regions.shape)
    return numbers.astype(np.int64)


def mean_by_region(values: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return the mean of a map in each patch.

    Args:
        values: float [s, s].
        regions: int64 [s, s], as `segment` numbers them.

    Returns:
        float64 [number of regions].
    """
    flat = regions.ravel()
    return np.bincount(flat, weights=values.ravel()) / np.bincount(flat)
