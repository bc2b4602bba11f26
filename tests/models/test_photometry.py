import numpy as np
import pytest
import tensorflow as tf

from contract.settings import AugmentationSettings
from models.photometry import mix_pairs, vary_photometry

OFF = dict.fromkeys(
    ("brightness", "contrast", "gamma", "blur", "sharpen", "resample", "noise", "erasing"), 0.0
)
SEED = tf.constant([1, 2], tf.int64)


def images(count: int = 6, side: int = 128) -> tf.Tensor:
    rng = np.random.default_rng(1)
    return tf.constant(rng.uniform(60, 190, (count, side, side, 1)).astype(np.float32))


def vary(pixels, **settings) -> np.ndarray:
    return vary_photometry(pixels, SEED, AugmentationSettings(**{**OFF, **settings})).numpy()


def sharpness(pixels) -> np.ndarray:
    return np.abs(np.diff(np.asarray(pixels), axis=2)).mean((1, 2, 3))


def test_nothing_changes_where_every_range_is_nought():
    np.testing.assert_allclose(vary(images()), images(), atol=1e-3)


@pytest.mark.parametrize(
    "setting",
    ["brightness", "contrast", "gamma", "blur", "sharpen", "resample", "noise", "erasing"],
)
def test_each_kind_changes_images_within_full_scale_and_repeats_with_its_seed(setting):
    pixels = images()
    changed = vary(pixels, **{setting: 0.4})
    assert np.abs(changed - pixels).max() > 1.0
    assert changed.min() >= 0.0
    assert changed.max() <= 255.0
    np.testing.assert_array_equal(changed, vary(pixels, **{setting: 0.4}))


def test_brightness_adds_and_contrast_keeps_the_mean():
    pixels = images()
    brighter = vary(pixels, brightness=0.2) - pixels
    assert np.ptp(brighter, axis=(1, 2, 3)).max() < 1e-2
    assert np.abs(brighter).max() <= 0.2 * 255.0
    np.testing.assert_allclose(
        vary(pixels, contrast=0.3).mean((1, 2, 3)), pixels.numpy().mean((1, 2, 3)), atol=0.5
    )


def test_blur_only_softens_and_sharpening_only_sharpens():
    pixels = images(32)
    before = sharpness(pixels)
    softened, sharpened = (sharpness(vary(pixels, **{kind: 1.0})) for kind in ("blur", "sharpen"))
    assert np.all(softened <= before + 1e-3)
    assert np.any(softened < 0.8 * before)
    assert np.all(sharpened >= before - 1e-3)
    assert np.any(sharpened > 1.2 * before)


def test_resampling_loses_detail_in_a_part_of_the_images():
    pixels = images(64)
    lost = sharpness(vary(pixels, resample=0.9)) < 0.95 * sharpness(pixels)
    assert 0.2 < np.mean(lost) < 0.8


def test_strength_scales_the_ranges():
    pixels = images()
    weak = vary(pixels, brightness=0.1) - pixels
    strong = vary(pixels, brightness=0.1, strength=2.0) - pixels
    np.testing.assert_allclose(strong, 2.0 * weak, atol=1e-2)


def test_the_same_change_inside_a_dataset():
    settings = AugmentationSettings(blur=0.5, sharpen=0.5, resample=0.4, noise=0.05, erasing=0.5)
    eager = vary_photometry(images(), SEED, settings).numpy()
    dataset = tf.data.Dataset.from_tensors(images()).map(
        lambda pixels: vary_photometry(pixels, SEED, settings)
    )
    (mapped,) = list(dataset.as_numpy_iterator())
    np.testing.assert_allclose(mapped, eager, atol=1e-2)


def test_pairs_are_mixed_with_their_labels():
    pixels = tf.reshape(tf.constant([0.0, 1.0] * 20), [40, 1, 1, 1])
    labels = tf.constant([[0.0], [1.0]] * 20)
    mixed, truth = mix_pairs(pixels, labels, SEED, 1.0)
    np.testing.assert_allclose(mixed[:, 0, 0], truth, atol=1e-6)
    # The image itself stays the larger part.
    assert np.all(np.abs(truth.numpy() - labels.numpy()) <= 0.5)
    assert np.any(np.abs(truth.numpy() - labels.numpy()) > 0.05)
    unmixed, same = mix_pairs(pixels, labels, SEED, 0.0)
    assert unmixed is pixels
    assert same is labels
