"""The drawings of the synthetic set: a healthy chest, what pneumonia adds to it, and the film.

Everything is computed from two coordinate arrays: `across`, -1 to 1 from the
image's left to its right edge (the patient's left is on the image's right), and
`down`, -1 to 1 from top to bottom. Shapes that have a border in every row are
tables over `down`, which is what makes drawing quick.

Bacterial pneumonia is drawn as one focal consolidation, viral pneumonia as haze
and a net of fine lines in both lungs. Both are cartoons of the textbook picture.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

FloatImage = NDArray[np.floating[Any]]  # float32 wherever it is an image

_TABLE_SIZE = 1024
_TABLE_DOWN = np.linspace(-1.5, 1.5, _TABLE_SIZE)  # rotation and shift reach past the frame

# The lead letter on the patient's right, one character per dot.
_MARKER = np.array(
    [
        [dot == "#" for dot in line]
        for line in ("###.", "#..#", "#..#", "###.", "#.#.", "#..#", "#..#")
    ],
    dtype=np.float32,
)


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


@dataclasses.dataclass(frozen=True)
class Consolidation:
    """One patch without air; lengths in half sides of the image."""

    across: float  # of its centre, negative in the patient's right lung
    down: float
    radius: float
    elongation: float  # height over width
    strength: float  # share of air that is gone; above 1 for fluid denser than tissue
    ragged: float  # how far noise moves its border
    fissure: float | None  # slope of a straight upper or lower border, where it ends at one
    fissure_below: bool


@dataclasses.dataclass(frozen=True)
class Interstitial:
    """Haze and a net of lines in both lungs; shares of air, 0 to 1."""

    haze: float
    net: float
    hila: float  # extra haze around the roots of the lungs
    cells: int  # meshes of the net across the image


def sample_consolidation(rng: np.random.Generator) -> Consolidation:
    """Draw one bacterial finding from `rng`; right lungs are a little more often ill."""
    side = -1.0 if rng.random() < 0.55 else 1.0
    return Consolidation(
        across=side * (rng.uniform(0.26, 0.48) + (0.06 if side > 0 else 0.0)),
        down=rng.uniform(-0.42, 0.28),
        radius=rng.uniform(0.28, 0.44),
        elongation=rng.uniform(0.75, 1.5),
        strength=rng.uniform(0.85, 1.2),
        ragged=rng.uniform(0.1, 0.4),
        fissure=rng.uniform(-0.35, 0.35) if rng.random() < 0.4 else None,
        fissure_below=bool(rng.random() < 0.5),
    )


def sample_interstitial(rng: np.random.Generator) -> Interstitial:
    """Draw one viral finding from `rng`."""
    return Interstitial(
        haze=rng.uniform(0.12, 0.32),
        net=rng.uniform(0.3, 0.65),
        hila=rng.uniform(0.1, 0.35),
        cells=int(rng.integers(24, 40)),
    )


def draw_consolidation(
    across: FloatImage, down: FloatImage, finding: Consolidation, rng: np.random.Generator
) -> FloatImage:
    """Return the share of air that a consolidation takes, (height, width), 0 to 1.2."""
    x = (across - finding.across) * math.sqrt(finding.elongation)
    y = (down - finding.down) / math.sqrt(finding.elongation)
    distance = np.sqrt(np.square(x) + np.square(y)) / finding.radius
    distance += finding.ragged * smooth_noise(rng, across.shape, (10, 10))
    patch = np.clip((1.25 - distance) * 1.8, 0.0, 1.0)
    if finding.fissure is not None:
        beyond = (down - finding.down) - finding.fissure * (across - finding.across)
        beyond = (beyond if finding.fissure_below else -beyond) - 0.4 * finding.radius
        patch *= np.clip(0.5 - 18.0 * beyond, 0.0, 1.0)
    # One lung only: the patch ends where the other begins.
    patch *= np.sign(across) == np.sign(finding.across)
    return finding.strength * patch


def draw_interstitial(
    across: FloatImage, down: FloatImage, finding: Interstitial, rng: np.random.Generator
) -> FloatImage:
    """Return the share of air that an interstitial pattern takes, (height, width), 0 to 1."""
    hila = np.exp(-np.square((np.abs(across) - 0.24) / 0.2) - np.square((down + 0.05) / 0.35))
    uneven = 1.0 + 0.4 * smooth_noise(rng, across.shape, (4, 4))
    fine, coarse = finding.cells, finding.cells * 2 // 3
    net = _strands(across, rng, (fine, fine)) + _strands(across, rng, (coarse, coarse))
    taken = finding.haze + finding.hila * hila + finding.net * net
    return np.clip(taken * uneven, 0.0, 0.9)


def draw_vessels(
    across: FloatImage, down: FloatImage, strength: float, rng: np.random.Generator
) -> FloatImage:
    """Return the share of air that a healthy lung's vessels take, fading away from the hila."""
    from_hilum = np.square((np.abs(across) - 0.2) * 1.1) + np.square((down + 0.02) * 0.8)
    strands = _strands(across, rng, (22, 12))  # more along than down, as they leave the hila
    return strength * strands * np.clip(1.0 - 3.0 * from_hilum, 0.15, 1.0)


def _strands(across: FloatImage, rng: np.random.Generator, cells: tuple[int, int]) -> FloatImage:
    """Return a net of soft lines that come and go, 0 to 1."""
    lines = np.clip(1.0 - 1.3 * np.abs(smooth_noise(rng, across.shape, cells)), 0.0, 1.0)
    fading = np.clip(0.4 + smooth_noise(rng, across.shape, cells), 0.0, 1.0)
    return lines * fading


def fill_lungs(chest: Chest, taken: FloatImage, air_contrast: float) -> FloatImage:
    """Return the chest's density, the share `taken` of its air filled."""
    return chest.tissue - air_contrast * chest.air * (1.0 - taken)


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
