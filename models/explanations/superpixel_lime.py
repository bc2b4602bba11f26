"""LIME on superpixels (Ribeiro et al. 2016), by the `lime` package."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from lime.lime_image import LimeImageExplainer

Predict = Callable[[np.ndarray], np.ndarray]
"""uint8 [n, s, s, 1] -> probability of pneumonia [n]."""

_MASK_REGIONS = 5  # as many as lime itself shows
# Of probability. A smaller one is the fit's noise, which must not be outlined as if it were found.
SMALLEST_WEIGHT = 0.005
_BATCH_SIZE = 64


@dataclasses.dataclass(frozen=True)
class LimeExplanation:
    """A linear stand-in for the network near one image.

    Attributes:
        weights: float64 [regions], what showing each superpixel adds to the probability of
            pneumonia; below 0 it speaks against it.
        mask: bool [s, s], the up to five superpixels that speak most for the answer, each by more
            than `SMALLEST_WEIGHT`.
        fit: R² of the stand-in on the changed images, weighted by nearness; at most 1. A low one
            says that the answer is no sum of superpixels.
    """

    weights: np.ndarray
    mask: np.ndarray
    fit: float


def explain_by_lime(
    predict: Predict,
    image: np.ndarray,
    regions: np.ndarray,
    *,
    num_samples: int,
    seed: int,
    is_pneumonia: bool,
) -> LimeExplanation:
    """Fit a ridge regression to the answers for images with superpixels greyed out.

    Args:
        predict: The network, with all that comes before and after it.
        image: uint8 [s, s, 1].
        regions: int64 [s, s], its superpixels.
        num_samples: Changed images that the network is asked for.
        seed: Of which superpixels are greyed out.
        is_pneumonia: The answer that the mask is for.
    """
    explainer = _BatchedExplainer(random_state=seed)

    def classify(images: np.ndarray) -> np.ndarray:
        probabilities = predict(images[..., :1])
        return np.stack([1.0 - probabilities, probabilities], axis=1)

    found = explainer.explain_instance(
        np.repeat(image, 3, axis=-1),
        classify,
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
    _, mask = found.get_image_and_mask(
        int(is_pneumonia),
        positive_only=True,
        num_features=_MASK_REGIONS,
        min_weight=SMALLEST_WEIGHT,
    )
    return LimeExplanation(weights=weights, mask=mask.astype(bool), fit=float(found.score))


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
