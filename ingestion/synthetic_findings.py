"""What pneumonia adds to a drawn chest: how much of the lungs' air is gone.

Bacterial pneumonia is drawn as one focal consolidation, viral pneumonia as haze
and a net of fine lines in both lungs. Both are cartoons of the textbook picture.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ingestion.synthetic_anatomy import Chest
from ingestion.synthetic_noise import FloatImage, smooth_noise


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
