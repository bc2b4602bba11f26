"""From a drawn chest's density to 8-bit film: pose, exposure, noise, borders, marker."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ingestion.synthetic_noise import FloatImage, resize, smooth_noise

# The lead letter on the patient's right, one character per dot.
_MARKER = np.array(
    [
        [dot == "#" for dot in line]
        for line in ("###.", "#..#", "#..#", "###.", "#.#.", "#..#", "#..#")
    ],
    dtype=np.float32,
)


@dataclasses.dataclass(frozen=True)
class Film:
    """What differs between two images of one patient."""

    rotation_radians: float
    shift_across: float  # in half sides
    shift_down: float
    zoom: float
    exposure: float  # added to the density
    contrast: float
    gamma: float
    noise: float  # standard deviation, share of full scale
    blur_px: float  # of 256 px
    vessels: float
    uneven: float  # of the soft tissue's density
    collimation: tuple[float, float, float, float]  # left, right, top, bottom: share of a side
    marker_at: tuple[float, float] | None  # across, down: share of a side


def sample_film(rng: np.random.Generator) -> Film:
    """Draw the pose and the exposure of one image from `rng`."""
    collimated = rng.random() < 0.3
    edges = rng.uniform(0.0, 0.07, size=4) * (rng.random(4) < 0.5) * collimated
    return Film(
        rotation_radians=float(np.deg2rad(np.clip(rng.normal(0.0, 3.5), -9.0, 9.0))),
        shift_across=rng.uniform(-0.06, 0.06),
        shift_down=rng.uniform(-0.06, 0.06),
        zoom=rng.uniform(0.93, 1.08),
        exposure=rng.uniform(-0.06, 0.06),
        contrast=rng.uniform(0.85, 1.15),
        gamma=rng.uniform(0.75, 1.3),
        noise=rng.uniform(0.005, 0.02),
        blur_px=rng.uniform(0.3, 1.0),
        vessels=rng.uniform(0.1, 0.3),
        uneven=rng.uniform(0.01, 0.035),
        collimation=(float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3])),
        marker_at=(rng.uniform(0.02, 0.08), rng.uniform(0.05, 0.3)) if rng.random() < 0.6 else None,
    )


def body_coordinates(height_px: int, width_px: int, film: Film) -> tuple[FloatImage, FloatImage]:
    """Return `across` and `down` of every pixel, each (height, width), float32."""
    x = np.linspace(-1.0, 1.0, width_px, dtype=np.float32)[None, :] - film.shift_across
    y = np.linspace(-1.0, 1.0, height_px, dtype=np.float32)[:, None] - film.shift_down
    cosine = math.cos(film.rotation_radians) / film.zoom
    sine = math.sin(film.rotation_radians) / film.zoom
    return x * cosine + y * sine, y * cosine - x * sine


def expose(
    density: FloatImage, height: int, width: int, film: Film, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn density into an 8-bit image.

    Args:
        density: Any two sides, about 0 (air) to 1 (bone), float32.
        height: Of the image, px.
        width: Of the image, px.
        film: Exposure and borders of this image.
        rng: Source of the noise.

    Returns:
        (height, width), uint8, bright where dense.
    """
    density = density + film.uneven * smooth_noise(rng, density.shape, (6, 6))
    # Focus in proportion to the image, so that size and sharpness stay independent.
    sigma_px = film.blur_px * max(density.shape) / 256.0
    density = ndimage.gaussian_filter(density, sigma_px, truncate=2.5)
    density = resize(density, height, width)
    value = (density - 0.45) * film.contrast + 0.47 + film.exposure
    value = np.power(np.clip(value, 0.0, 1.0), film.gamma)
    value += film.noise * rng.standard_normal(value.shape, dtype=np.float32)
    if film.marker_at is not None:
        _stamp_marker(value, film.marker_at)
    left, right, top, bottom = film.collimation
    value[:, : round(left * width)] = 0.0
    value[:, width - round(right * width) :] = 0.0
    value[: round(top * height)] = 0.0
    value[height - round(bottom * height) :] = 0.0
    return (np.clip(value, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _stamp_marker(value: FloatImage, marker_at: tuple[float, float]) -> None:
    """Draw the letter R into `value`, in place."""
    height, width = value.shape
    dot_px = max(1, round(min(height, width) / 110))
    letter = np.kron(_MARKER, np.ones((dot_px, dot_px), dtype=np.float32))
    top, left = round(marker_at[1] * height), round(marker_at[0] * width)
    region = value[top : top + letter.shape[0], left : left + letter.shape[1]]
    np.maximum(region, 0.95 * letter[: region.shape[0], : region.shape[1]], out=region)
