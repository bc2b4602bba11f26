"""The healthy chest of a drawn patient: where tissue is, and where air is.

Everything is computed from two coordinate arrays: `across`, -1 to 1 from the
image's left to its right edge (the patient's left is on the image's right), and
`down`, -1 to 1 from top to bottom. Shapes that have a border in every row are
tables over `down`, which is what makes drawing quick.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ingestion.synthetic_noise import FloatImage

_TABLE_SIZE = 1024
_TABLE_DOWN = np.linspace(-1.5, 1.5, _TABLE_SIZE)  # rotation and shift reach past the frame


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """What stays the same in all images of one patient; lengths in half sides of the image."""

    torso_half_width: float
    arms_down: bool
    lung_scale: float  # width of both lungs
    heart_scale: float  # how far the heart bulges out of the mediastinum
    thymus: float  # extra width of the upper mediastinum, large in infants
    diaphragm_down: float  # of the higher, right dome: small where breath is shallow
    dome_curvature: float
    rib_spacing: float
    rib_phase: float
    rib_slope: float
    rib_density: float
    clavicle_down: float
    clavicle_slope: float
    stomach_bubble: float  # size, 0 where none is seen
    air_contrast: float  # density that healthy lung lacks


@dataclasses.dataclass(frozen=True)
class Chest:
    """A chest without its lungs' content, on one image's grid.

    Attributes:
        tissue: Density of all but the lungs' air, about 0 to 1.
        air: Share of healthy air, 0 to 1; 0 outside of the lungs and behind the heart.
    """

    tissue: FloatImage
    air: FloatImage


def sample_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one patient's anatomy from `rng`."""
    return Anatomy(
        torso_half_width=rng.uniform(0.76, 0.88),
        arms_down=bool(rng.random() < 0.4),
        lung_scale=rng.uniform(0.92, 1.06),
        heart_scale=rng.uniform(0.8, 1.2),
        thymus=rng.uniform(0.0, 0.09) if rng.random() < 0.5 else 0.0,
        diaphragm_down=rng.uniform(0.34, 0.58),
        dome_curvature=rng.uniform(0.9, 1.8),
        rib_spacing=rng.uniform(0.135, 0.17),
        rib_phase=rng.uniform(0.0, 1.0),
        rib_slope=rng.uniform(0.5, 0.95),
        rib_density=rng.uniform(0.06, 0.11),
        clavicle_down=rng.uniform(-0.66, -0.56),
        clavicle_slope=rng.uniform(-0.25, 0.05),
        stomach_bubble=rng.uniform(0.08, 0.17) if rng.random() < 0.4 else 0.0,
        air_contrast=rng.uniform(0.4, 0.48),
    )


def draw_chest(across: FloatImage, down: FloatImage, anatomy: Anatomy) -> Chest:
    """Draw one patient's chest on a grid.

    Args:
        across: (height, width), horizontal body coordinate of each pixel.
        down: (height, width), vertical body coordinate of each pixel.
        anatomy: The patient.

    Returns:
        The chest, each map of shape (height, width), float32.
    """
    side = np.abs(across)
    row = np.clip((down + 1.5) * ((_TABLE_SIZE - 1) / 3.0), 0, _TABLE_SIZE - 1).astype(np.int16)
    outer = _table(
        (-0.8, -0.72, -0.62, -0.4, 0.0, 0.3, 0.7), (0.1, 0.26, 0.4, 0.53, 0.64, 0.69, 0.71)
    )
    outer_border = (outer * anatomy.lung_scale)[row]
    diaphragm = _draw_diaphragm(across, anatomy)
    above_diaphragm = _inside(diaphragm - down, 0.03)
    mediastinum = _draw_mediastinum(across, row, anatomy)

    lungs = _inside(outer_border - side, 0.03) * _inside(side - 0.09, 0.03)
    lungs *= above_diaphragm * _inside(down + 0.76, 0.06)
    # Air is deepest in the middle of a lung and thins out towards its borders.
    depth = np.clip((outer_border - side) * 4.0 + 0.45, 0.0, 1.0)
    air = lungs * depth * (1.0 - 0.96 * mediastinum)

    body = _draw_body(side, down, row, anatomy)
    tissue = body * (0.5 + 0.08 * np.clip(1.0 - side, 0.0, 1.0))
    tissue += 0.09 * mediastinum + 0.15 * body * (1.0 - above_diaphragm)
    tissue += _draw_spine(side, down, anatomy) * body
    tissue += _draw_ribs(side, down, outer_border, anatomy)
    top = slice(0, tissue.shape[0] // 2)  # the shoulders are never lower, however turned
    tissue[top] += _draw_shoulders(side[top], down[top], anatomy) * body[top]
    if anatomy.stomach_bubble:
        radius = anatomy.stomach_bubble
        centre_down = anatomy.diaphragm_down + 0.1 + radius
        bubble = _inside_circle((across - 0.36) * 0.8, down - centre_down, radius, 0.06)
        tissue -= 0.16 * bubble
    return Chest(tissue=tissue, air=air)


def _inside(distance: FloatImage, softness: float) -> FloatImage:
    """Return 0 outside, 1 inside, and a ramp `softness` wide around distance 0."""
    return np.clip(distance * 1.0 / softness + 0.5, 0.0, 1.0)


def _inside_circle(x: FloatImage, y: FloatImage, radius: float, softness: float) -> FloatImage:
    """Return 0 outside and 1 inside of a circle; near its border as `_inside` of the distance."""
    return _inside((radius**2 - np.square(x) - np.square(y)) * (0.5 / radius), softness)


def _fraction(phase: FloatImage) -> FloatImage:
    """Return `phase` modulo 1, several times faster than the `%` operator."""
    return phase - np.floor(phase)


def _table(down: tuple[float, ...], value: tuple[float, ...]) -> FloatImage:
    """Return a rounded curve through the points, as a table over `_TABLE_DOWN`."""
    straight = np.interp(_TABLE_DOWN, down, value)
    return ndimage.gaussian_filter1d(straight, sigma=0.05 * _TABLE_SIZE / 3.0).astype(np.float32)


def _draw_diaphragm(across: FloatImage, anatomy: Anatomy) -> FloatImage:
    """Return `down` of the diaphragm in each column: two domes, the right one higher."""
    curvature = anatomy.dome_curvature
    right = anatomy.diaphragm_down + curvature * np.square(across + 0.34)
    left = anatomy.diaphragm_down + 0.05 + curvature * np.square(across - 0.4)
    return np.minimum(np.where(across < 0, right, left), 0.85)


def _draw_mediastinum(across: FloatImage, row: NDArray[np.int16], anatomy: Anatomy) -> FloatImage:
    """Return the shadow of heart, great vessels and thymus, 0 to 1."""
    heart, thymus = anatomy.heart_scale, anatomy.thymus
    rows = (-0.9, -0.6, -0.45, -0.25, 0.0, 0.2, 0.4, 0.6)
    bulge_right = (0.0, 0.0, 0.0, 0.0, 0.05, 0.09, 0.08, 0.06)
    bulge_left = (0.0, 0.0, 0.03, 0.02, 0.1, 0.22, 0.29, 0.28)
    widening = (0.3, 0.6, 1.0, 1.0, 0.4, 0.0, 0.0, 0.0)
    right = tuple(0.13 + b * heart + thymus * w for b, w in zip(bulge_right, widening, strict=True))
    left = tuple(0.12 + b * heart + thymus * w for b, w in zip(bulge_left, widening, strict=True))
    both = np.concatenate((_table(rows, right), _table(rows, left)))
    border = both[row + np.int16(_TABLE_SIZE) * (across >= 0)]
    return _inside(border - np.abs(across), 0.06)


def _draw_body(
    side: FloatImage, down: FloatImage, row: NDArray[np.int16], anatomy: Anatomy
) -> FloatImage:
    """Return the body's outline with shoulders, neck and, perhaps, hanging arms, 0 to 1."""
    width = anatomy.torso_half_width
    outline = _table(
        (-1.2, -1.0, -0.86, -0.78, -0.6, -0.45, -0.2, 0.4, 1.2),
        (0.34, 0.36, 0.7, 1.15, 1.15, width + 0.08, width, width, width - 0.03),
    )
    body = _inside(outline[row] - side, 0.035)
    if anatomy.arms_down:
        arm = _inside(0.13 - np.abs(side - width - 0.2 - 0.04 * down), 0.05) * (down > -0.7)
        body = np.maximum(body, 0.75 * arm)
    return body


def _draw_spine(side: FloatImage, down: FloatImage, anatomy: Anatomy) -> FloatImage:
    """Return the vertebral column's density: a column with a gap at every disc."""
    column = _inside(0.085 - side, 0.05)
    phase = _fraction(down / (anatomy.rib_spacing * 0.8))
    vertebra = np.clip(4.0 * np.minimum(phase, 1.0 - phase), 0.0, 1.0)
    return column * (0.1 + 0.05 * vertebra)


def _draw_ribs(
    side: FloatImage, down: FloatImage, outer_border: FloatImage, anatomy: Anatomy
) -> FloatImage:
    """Return the ribs' density: posterior arcs, fainter anterior ones, bright at the flank."""
    beyond = outer_border - side
    cage = _inside(beyond + 0.045, 0.03) * _inside(side - 0.07, 0.03) * _inside(down + 0.8, 0.1)
    cage *= _inside(anatomy.diaphragm_down + 0.25 - down, 0.4)
    bend = anatomy.rib_slope * (1.1 - 0.5 * down)
    posterior = _rib_bands(
        (down + 0.2 * side - bend * np.square(side)) / anatomy.rib_spacing, anatomy
    )
    anterior = _rib_bands((down + 0.8 * bend * side) / (anatomy.rib_spacing * 1.1) + 0.4, anatomy)
    anterior *= _inside(side - 0.3, 0.15)
    flank = np.clip(1.0 - np.abs(beyond) * 9.0, 0.0, 1.0)  # seen along their length
    density = posterior * (1.0 + 0.8 * flank) + 0.5 * anterior
    return anatomy.rib_density * cage * density


def _rib_bands(phase: FloatImage, anatomy: Anatomy) -> FloatImage:
    """Return one band per unit of `phase`, brighter at its two edges (the cortex)."""
    from_middle = np.abs(_fraction(phase + anatomy.rib_phase) - 0.5)
    band = np.clip((0.23 - from_middle) * 14.0, 0.0, 1.0)
    return band * (0.6 + 2.0 * np.minimum(from_middle, 0.2))


def _draw_shoulders(side: FloatImage, down: FloatImage, anatomy: Anatomy) -> FloatImage:
    """Return the density of clavicles, shoulder blades, humeral heads and the jaw."""
    curve = anatomy.clavicle_down + anatomy.clavicle_slope * (side - 0.1)
    curve = curve + 0.035 * np.sin(side * 8.0)
    clavicle = _inside(0.024 - np.abs(down - curve), 0.02)
    clavicle *= _inside(side - 0.1, 0.04) * _inside(0.72 - side, 0.06)
    humerus = _inside_circle((side - 0.9) * 0.8, down + 0.72, 0.1, 0.04)
    blade = _inside(0.1 - np.abs(side - 0.7 + 0.25 * (down + 0.4)), 0.05)
    blade *= _inside(0.3 - np.abs(down + 0.45), 0.15)
    jaw = _inside_circle(side * 0.9, down + 1.2, 0.3, 0.08)
    return 0.13 * clavicle + 0.13 * humerus + 0.035 * blade + 0.2 * jaw
