from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ingestion.synthetic_film import Film, body_coordinates, expose, sample_film

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
