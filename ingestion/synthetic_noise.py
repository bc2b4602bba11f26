"""Smooth random texture, the raw material of everything that is not anatomy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatImage = NDArray[np.floating[Any]]  # float32 wherever it is an image


def resize(image: FloatImage, height: int, width: int) -> FloatImage:
    """Return a (height, width) float32 array, interpolated bicubically."""
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, ...], cells: tuple[int, int]
) -> FloatImage:
    """Return noise of standard deviation about 0.6 with `cells` bumps down and across."""
    coarse = rng.standard_normal(cells, dtype=np.float32)
    return resize(coarse, shape[0], shape[1])
