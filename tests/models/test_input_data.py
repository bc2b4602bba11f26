import numpy as np
import pytest

from models.input_data import evaluation_batches, load_split, training_batches
from pipeline.config import AugmentationSettings

SIZE = 32
OFF = AugmentationSettings(enabled=False)


def test_a_split_is_read_whole_at_a_byte_a_pixel(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    assert data.images.shape == (len(tiny_set.labels), SIZE, SIZE, 1)
    assert data.images.dtype == np.uint8
    assert sorted(data.labels) == sorted(tiny_set.labels)
    assert set(data.subtypes) == {"normal", "bacterial", "viral"}
    assert set(data.size_groups) == {"under_500_px"}
    assert set(data.sharpness_groups) == {"medium"}
    is_normal = np.array(data.subtypes) == "normal"
    np.testing.assert_array_equal(data.labels == 0, is_normal)


def test_a_split_without_records_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split is empty"):
        load_split([str(tmp_path / "*.gz")], SIZE)


def test_every_epoch_shows_every_image_once_in_another_order(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    batches = training_batches(data, 7, seed=1, settings=OFF)
    epochs = [
        np.concatenate([images.numpy() for images, _ in batches]),
        np.concatenate([images.numpy() for images, _ in batches]),
    ]
    assert epochs[0].shape == (len(data.labels), SIZE, SIZE, 3)
    assert not np.array_equal(epochs[0], epochs[1])
    expected = sorted((data.images / 255).astype(np.float32).mean((1, 2, 3)))
    for epoch in epochs:
        np.testing.assert_allclose(sorted(epoch.mean((1, 2, 3))), expected, rtol=1e-4)


def test_augmentation_differs_from_epoch_to_epoch_and_repeats_with_its_seed(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)

    def two_epochs(seed):
        batches = training_batches(data, len(data.labels), seed, AugmentationSettings())
        epochs = []
        for _ in range(2):
            ((images, _),) = list(batches)
            epochs.append(np.sort(images.numpy().mean((1, 2, 3))))
        return epochs

    first, second = two_epochs(seed=3)
    assert np.abs(first - second).max() > 1e-3
    again, _ = two_epochs(seed=3)
    np.testing.assert_array_equal(first, again)
    other, _ = two_epochs(seed=4)
    assert np.abs(first - other).max() > 1e-3


def test_evaluation_keeps_order_and_pixels(tiny_set):
    data = load_split([tiny_set.transformed_pattern], SIZE)
    batches = list(evaluation_batches(data, 16))
    images = np.concatenate([images.numpy() for images, _ in batches])
    labels = np.concatenate([labels.numpy() for _, labels in batches])
    np.testing.assert_allclose(images[..., :1], data.images / 255, atol=1e-6)
    np.testing.assert_array_equal(labels[:, 0], data.labels)
