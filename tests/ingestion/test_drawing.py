"""The drawings of a chest, of findings and of film: where things are, and how bright."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ingestion.drawing import (
    Anatomy,
    Film,
    body_coordinates,
    draw_chest,
    draw_consolidation,
    draw_interstitial,
    draw_vessels,
    expose,
    fill_lungs,
    resize,
    sample_anatomy,
    sample_consolidation,
    sample_film,
    sample_interstitial,
    smooth_noise,
)

ACROSS, DOWN = np.meshgrid(
    np.linspace(-1.0, 1.0, 121, dtype=np.float32), np.linspace(-1.0, 1.0, 101, dtype=np.float32)
)
PLAIN = Film(
    rotation_radians=0.0,
    shift_across=0.0,
    shift_down=0.0,
    zoom=1.0,
    exposure=0.0,
    contrast=1.0,
    gamma=1.0,
    noise=0.0,
    blur_px=0.3,
    vessels=0.0,
    uneven=0.0,
    collimation=(0.0, 0.0, 0.0, 0.0),
    marker_at=None,
)
GREY = np.full((70, 90), 0.45, dtype=np.float32)


def test_noise_is_smooth_repeats_and_has_unit_scale():
    noise, again = (smooth_noise(np.random.default_rng(5), (120, 160), (12, 16)) for _ in range(2))
    assert np.array_equal(noise, again)
    assert noise.shape == (120, 160)
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(0.7, abs=0.2)
    assert np.abs(np.diff(noise, axis=0)).max() < 1.0
    assert abs(noise.mean()) < 0.3


def test_more_cells_are_finer():
    coarse, fine = (
        smooth_noise(np.random.default_rng(5), (120, 120), (cells, cells)) for cells in (4, 30)
    )
    assert np.abs(np.diff(fine)).mean() > 3.0 * np.abs(np.diff(coarse)).mean()


def test_resize_keeps_values_and_takes_height_first():
    ramp = np.tile(np.linspace(0.0, 1.0, 20, dtype=np.float32), (10, 1))
    resized = resize(ramp, 30, 60)
    assert resized.shape == (30, 60)
    assert resized.dtype == np.float32
    assert resized[:, 30].mean() == pytest.approx(0.5, abs=0.05)
    assert np.allclose(resized, resized[:1], atol=1e-5)


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


def exposed(density: np.ndarray, film: Film) -> np.ndarray:
    return expose(density, 100, 130, film, np.random.default_rng(0))


def test_image_has_the_asked_sides_and_is_brighter_where_denser():
    density = GREY + np.linspace(-0.3, 0.3, 90, dtype=np.float32)
    image = exposed(density, PLAIN)
    assert image.shape == (100, 130)
    assert image.dtype == np.uint8
    assert np.all(np.diff(image[50].astype(int)) >= 0)
    assert image[50, -1] > image[50, 0] + 100


@pytest.mark.parametrize("change", [{"exposure": 0.06}, {"gamma": 0.7}])
def test_exposure_changes_brightness(change: dict[str, float]):
    brighter = exposed(GREY, dataclasses.replace(PLAIN, **change))
    assert brighter.mean() > exposed(GREY, PLAIN).mean() + 5


def test_noise_has_the_asked_strength():
    image = exposed(GREY, dataclasses.replace(PLAIN, noise=0.02))
    assert image.std() == pytest.approx(0.02 * 255, rel=0.1)


def test_collimated_borders_are_black():
    image = exposed(GREY, dataclasses.replace(PLAIN, collimation=(0.1, 0.0, 0.0, 0.05)))
    assert image[:, :13].max() == 0
    assert image[95:].max() == 0
    assert image[:95, 13:].min() > 0


def test_marker_is_bright_and_at_its_place():
    marked = exposed(GREY, dataclasses.replace(PLAIN, marker_at=(0.05, 0.2)))
    rows, columns = np.nonzero(marked > 230)
    assert rows.min() == 20
    assert columns.min() == 6
    assert rows.max() < 40
    assert columns.max() < 20


def test_marker_that_reaches_past_the_border_is_cut():
    marked = exposed(GREY, dataclasses.replace(PLAIN, marker_at=(0.98, 0.98)))
    assert (marked > 230).any()


def test_coordinates_follow_the_pose():
    across, down = body_coordinates(51, 101, PLAIN)
    assert across.dtype == down.dtype == np.float32
    assert across.shape == down.shape == (51, 101)
    assert (across[0, 0], across[0, -1], down[0, 0], down[-1, 0]) == (-1.0, 1.0, -1.0, 1.0)

    shifted, _ = body_coordinates(51, 101, dataclasses.replace(PLAIN, shift_across=0.1))
    assert shifted[25, 55] == pytest.approx(0.0, abs=1e-6)  # the body's middle moved right

    zoomed, _ = body_coordinates(51, 101, dataclasses.replace(PLAIN, zoom=1.25))
    assert zoomed[0, -1] == pytest.approx(0.8)

    turned = dataclasses.replace(PLAIN, rotation_radians=0.1)
    across, down = body_coordinates(51, 101, turned)
    assert np.hypot(across, down)[0, 0] == pytest.approx(np.sqrt(2.0), rel=1e-5)
    assert down[25, -1] < down[25, 0]


def test_poses_stay_small():
    films = [sample_film(np.random.default_rng(seed)) for seed in range(200)]
    assert max(abs(film.rotation_radians) for film in films) < np.deg2rad(9.1)
    assert len({film.exposure for film in films}) == 200
    with_marker = sum(film.marker_at is not None for film in films)
    assert 80 < with_marker < 160
