import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.preprocessing.image import apply_affine_transform

from contract.settings import AugmentationSettings
from models.augmentation import affine_maps, move

# Keras' own reference reaches scipy by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`")

OFF = {"rotation_degrees": 0, "width_shift": 0, "height_shift": 0, "shear_degrees": 0, "zoom": 0}


def smooth_images(count: int, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(0, 255, (count, 6, 6, 1)).astype(np.float32)
    return tf.image.resize(coarse, [side, side], method="bicubic").numpy()


@pytest.mark.parametrize(
    ("setting", "bound"),
    [("rotation_degrees", 40.0), ("shear_degrees", 30.0), ("zoom", 0.4), ("width_shift", 0.2),
     ("height_shift", 0.3)],
)  # fmt: skip
def test_each_change_is_that_of_image_data_generator(setting, bound):
    settings = AugmentationSettings(**{**OFF, setting: bound})
    images = smooth_images(1)
    side = images.shape[1]
    seed = tf.constant([5, 7], tf.int64)
    draw = tf.random.stateless_uniform([6, 1], seed, minval=-1.0, maxval=1.0).numpy()[:, 0]
    arguments = {
        "rotation_degrees": {"theta": draw[0] * bound},
        "shear_degrees": {"shear": draw[1] * bound},
        "height_shift": {"ty": draw[2] * bound * side},
        "width_shift": {"tx": draw[3] * bound * side},
        "zoom": {"zy": 1 + draw[4] * bound, "zx": 1 + draw[5] * bound},
    }[setting]
    expected = apply_affine_transform(
        images[0], row_axis=0, col_axis=1, channel_axis=2, fill_mode="nearest", order=1, **arguments
    )
    got = move(tf.constant(images), seed, settings).numpy()[0]
    # The outermost pixels differ in how the two interpolate across the border.
    np.testing.assert_allclose(got[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.5)


def test_all_changes_together_compose_as_in_image_data_generator():
    settings = AugmentationSettings(
        rotation_degrees=40, width_shift=0.2, height_shift=0.2, zoom=0.1, shear_degrees=20.0
    )
    images = smooth_images(1)
    side = images.shape[1]
    seed = tf.constant([1, 2], tf.int64)
    draw = tf.random.stateless_uniform([6, 1], seed, minval=-1.0, maxval=1.0).numpy()[:, 0]
    expected = apply_affine_transform(
        images[0],
        theta=draw[0] * 40.0,
        shear=draw[1] * 20.0,
        ty=draw[2] * 0.2 * side,
        tx=draw[3] * 0.2 * side,
        zy=1 + draw[4] * 0.1,
        zx=1 + draw[5] * 0.1,
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode="nearest",
        order=1,
    )
    got = move(tf.constant(images), seed, settings).numpy()[0]
    np.testing.assert_allclose(got[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.5)


def test_without_change_the_map_is_the_identity():
    maps = affine_maps(2, 10, 20, tf.constant([1, 1], tf.int64), AugmentationSettings(**OFF))
    np.testing.assert_allclose(maps.numpy(), [[1, 0, 0, 0, 1, 0, 0, 0]] * 2, atol=1e-6)


def test_a_seed_repeats_its_maps_and_every_image_has_its_own():
    images = tf.repeat(tf.constant(smooth_images(1)), 4, axis=0)
    settings = AugmentationSettings()
    run = tf.function(lambda seed: move(images, seed, settings))
    first = run(tf.constant([1, 2], tf.int64)).numpy()
    again = run(tf.constant([1, 2], tf.int64)).numpy()
    other = run(tf.constant([1, 3], tf.int64)).numpy()
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1
    assert np.abs(first[0] - first[1]).mean() > 1


def test_outside_is_filled_with_the_nearest_pixel():
    images = tf.fill([3, 16, 16, 1], 77.0)
    augmented = move(images, tf.constant([0, 0], tf.int64), AugmentationSettings())
    np.testing.assert_allclose(augmented.numpy(), 77.0, rtol=1e-5)


def test_strength_scales_the_maps():
    seed = tf.constant([1, 1], tf.int64)
    ranges = {**OFF, "width_shift": 0.1}
    once = affine_maps(3, 20, 20, seed, AugmentationSettings(**ranges)).numpy()
    twice = affine_maps(3, 20, 20, seed, AugmentationSettings(**ranges, strength=2.0)).numpy()
    np.testing.assert_allclose(twice[:, 2], 2.0 * once[:, 2], rtol=1e-5)
    assert np.abs(once[:, 2]).min() > 0
