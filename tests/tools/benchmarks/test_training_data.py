from __future__ import annotations

import numpy as np

from models.input_data import SplitData
from tools.benchmarks.training_data import as_floats, hold_out, take


def split_of(labels: list[int], images: np.ndarray | None = None) -> SplitData:
    pixels = np.arange(len(labels), dtype=np.uint8) if images is None else images
    names = [str(index) for index in range(len(labels))]
    return SplitData(np.array(labels), *[names] * 5, images=pixels.reshape(-1, 1, 1, 1))


def test_floats_are_scaled_and_have_three_channels() -> None:
    data = split_of([0, 1, 1, 0], np.array([0, 51, 102, 255], np.uint8))
    pixels, labels = as_floats(take(data, np.array([False, True, False, True])))
    assert pixels.dtype == labels.dtype == np.float32
    assert pixels.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(pixels[:, 0, 0, 2], [0.2, 1.0])
    assert labels.tolist() == [[1.0], [0.0]]


def test_validation_is_held_out_of_both_classes() -> None:
    everything = split_of([0] * 20 + [1] * 20)
    train, validation = hold_out(everything, 8)
    assert len(validation.labels) == 8
    assert set(validation.labels) == set(train.labels) == {0, 1}
    assert sorted(train.subtypes + validation.subtypes) == sorted(everything.subtypes)
