"""Superpixels: the patches of an image that explanations count with."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import slic

# About as many as LIME's default number of samples can tell apart.
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
