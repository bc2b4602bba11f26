from __future__ import annotations

import numpy as np
import pytest

from ingestion.synthetic_noise import resize, smooth_noise


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
