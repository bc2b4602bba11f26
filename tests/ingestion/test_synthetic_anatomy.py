from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ingestion.synthetic_anatomy import Anatomy, draw_chest, sample_anatomy

ACROSS, DOWN = np.meshgrid(
    np.linspace(-1.0, 1.0, 121, dtype=np.float32), np.linspace(-1.0, 1.0, 101, dtype=np.float32)
)


@pytest.fixture(params=range(12))
def anatomy(request: pytest.FixtureRequest) -> Anatomy:
    return sample_anatomy(np.random.default_rng(request.param))


def test_there_are_two_lungs_between_shoulders_and_abdomen(anatomy: Anatomy):
    air = draw_chest(ACROSS, DOWN, anatomy).air
    assert air.dtype == np.float32
    assert air.min() >= 0.0
    assert air.max() <= 1.0
    for lung in (air[:, :60], air[:, 61:]):
        assert 0.04 < (lung > 0.5).mean() < 0.6
    assert air[np.abs(ACROSS) < 0.04].max() < 0.05  # the spine is between them
    assert air[DOWN < -0.85].max() == 0.0
    assert air[DOWN > 0.9].max() == 0.0


def test_heart_is_more_on_the_patients_left(anatomy: Anatomy):
    air = draw_chest(ACROSS, DOWN, anatomy).air
    rows = (DOWN[:, 0] > 0.1) & (DOWN[:, 0] < 0.3)
    shadow = air[rows] < 0.3
    beside_spine = np.abs(ACROSS[0]) < 0.5
    on_image_right = shadow[:, beside_spine & (ACROSS[0] > 0)].mean()
    on_image_left = shadow[:, beside_spine & (ACROSS[0] < 0)].mean()
    assert on_image_right > on_image_left


def test_bone_and_abdomen_are_denser_than_muscle_and_background(anatomy: Anatomy):
    tissue = draw_chest(ACROSS, DOWN, anatomy).tissue
    at = tissue[np.abs(DOWN[:, 0] - 0.1).argmin()]
    spine, flank = at[60], at[np.abs(ACROSS[0] - anatomy.torso_half_width + 0.06).argmin()]
    assert spine > flank > 0.3
    low_down = dataclasses.replace(anatomy, stomach_bubble=0.0)
    abdomen = draw_chest(ACROSS, DOWN, low_down).tissue[DOWN > 0.9]
    assert np.percentile(abdomen, 60) > flank
    outside = tissue[:, np.abs(ACROSS[0]) > 0.99][60:]
    assert outside.max() < spine


def test_patients_differ_and_repeat():
    first, again, other = (sample_anatomy(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
