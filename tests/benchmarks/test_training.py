from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.images import Sizes
from benchmarks.training import as_floats, measure, take
from models.input_data import SplitData


def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    figures = measure(drawn_images, tmp_path, tiny_sizes, lambda _: None)
    assert 0 < figures.num_images <= tiny_sizes.num_training_images + 1
    assert figures.ratio().median > 0


def test_floats_are_scaled_and_have_three_channels() -> None:
    images = np.array([0, 51, 102, 255], np.uint8).reshape(4, 1, 1, 1)
    data = SplitData(images, np.array([0, 1, 1, 0]), list("abcd"), list("efgh"), list("ijkl"))
    pixels, labels = as_floats(take(data, np.array([False, True, False, True])))
    assert pixels.dtype == labels.dtype == np.float32
    assert pixels.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(pixels[:, 0, 0, 2], [0.2, 1.0])
    assert labels.tolist() == [[1.0], [0.0]]
