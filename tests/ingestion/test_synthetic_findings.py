from __future__ import annotations

import numpy as np
import pytest

from ingestion.synthetic_anatomy import draw_chest, sample_anatomy
from ingestion.synthetic_findings import (
    draw_consolidation,
    draw_interstitial,
    draw_vessels,
    fill_lungs,
    sample_consolidation,
    sample_interstitial,
)

ACROSS, DOWN = np.meshgrid(
    np.linspace(-1.0, 1.0, 121, dtype=np.float32), np.linspace(-1.0, 1.0, 101, dtype=np.float32)
)


@pytest.mark.parametrize("seed", range(12))
def test_consolidation_is_focal_and_in_one_lung(seed: int):
    rng = np.random.default_rng(seed)
    air = draw_chest(ACROSS, DOWN, sample_anatomy(rng)).air
    taken = draw_consolidation(ACROSS, DOWN, sample_consolidation(rng), rng)
    assert taken.dtype == np.float32
    assert 0.0 <= taken.min() < taken.max() <= 1.2
    lost = air * taken
    sides = sorted((lost[:, :60].sum(), lost[:, 61:].sum()))
    assert sides[0] == 0.0
    assert 0.03 < sides[1] / air.sum() < 0.5
    assert (taken > 0.05).mean() < 0.4


@pytest.mark.parametrize("seed", range(12))
def test_interstitial_pattern_is_in_both_lungs(seed: int):
    rng = np.random.default_rng(seed)
    air = draw_chest(ACROSS, DOWN, sample_anatomy(rng)).air
    taken = draw_interstitial(ACROSS, DOWN, sample_interstitial(rng), rng)
    assert taken.dtype == np.float32
    assert taken.min() >= 0.0
    assert taken.max() <= 0.9
    for half in (np.s_[:, :60], np.s_[:, 61:]):
        assert 0.05 < (air[half] * taken[half]).sum() / air[half].sum() < 0.8


def test_vessels_fade_towards_the_borders_of_the_lungs():
    taken = draw_vessels(ACROSS, DOWN, 0.4, np.random.default_rng(0))
    near = (np.abs(np.abs(ACROSS) - 0.25) < 0.1) & (np.abs(DOWN) < 0.15)
    far = (np.abs(ACROSS) > 0.55) & (np.abs(DOWN) < 0.15)
    assert taken[near].mean() > 2.0 * taken[far].mean()
    assert taken.max() <= 0.4


def test_lungs_without_air_are_as_dense_as_tissue():
    anatomy = sample_anatomy(np.random.default_rng(3))
    chest = draw_chest(ACROSS, DOWN, anatomy)
    clear = fill_lungs(chest, np.zeros_like(ACROSS), anatomy.air_contrast)
    full = fill_lungs(chest, np.ones_like(ACROSS), anatomy.air_contrast)
    assert np.array_equal(full, chest.tissue)
    assert np.allclose(full - clear, anatomy.air_contrast * chest.air, atol=1e-6)
