import numpy as np
import tensorflow as tf

from models.bands import add_bands

SEED = tf.constant([1, 2], tf.int64)


def flat(count: int = 40, side: int = 50) -> tf.Tensor:
    return tf.fill([count, side, side, 1], 100.0)


def black(images) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of each image that are all black."""
    is_dark = images[..., 0] < 1.0
    return is_dark.all(2).sum(1), is_dark.all(1).sum(1)


def test_bands_lie_on_one_axis_and_are_as_wide_on_both_sides():
    images = add_bands(flat(), SEED, 1.0).numpy()
    rows, columns = black(images)
    assert np.all((rows == 0) | (columns == 0))
    assert rows.max() > 3
    assert columns.max() > 3
    assert max(rows.max(), columns.max()) <= 0.3 * 50
    np.testing.assert_allclose(images, images[:, ::-1, ::-1], atol=1e-2)
    np.testing.assert_array_equal(images, add_bands(flat(), SEED, 1.0))


def test_the_whole_picture_stays_between_the_bands():
    ramp = np.tile(np.linspace(10, 200, 64, dtype=np.float32)[:, None, None], (30, 1, 64, 1))
    images = add_bands(tf.constant(ramp), SEED, 1.0).numpy()
    assert np.all(images[..., 0].max((1, 2)) > 190)
    dark_rows, _ = black(images)
    for image, count in zip(images, dark_rows, strict=True):
        if count > 6:
            inner = image[count // 2 + 2 : -(count // 2 + 2), 32, 0]
            assert inner[0] < 25
            assert inner[-1] > 185


def test_the_probability_is_that_of_an_image():
    untouched = flat(400)
    assert add_bands(untouched, SEED, 0.0) is untouched
    changed = np.any(add_bands(untouched, SEED, 0.3).numpy() != 100.0, axis=(1, 2, 3))
    assert 0.15 < changed.mean() < 0.4


def test_the_same_inside_a_dataset():
    (mapped,) = (
        tf.data.Dataset.from_tensors(flat())
        .map(lambda images: add_bands(images, SEED, 0.5))
        .as_numpy_iterator()
    )
    np.testing.assert_allclose(mapped, add_bands(flat(), SEED, 0.5), atol=1e-3)
