import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from models.normalisation import normalise

METHODS = ["none", "standardise", "stretch", "equalise", "clahe"]


def pictures(count: int = 3, side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(2)
    coarse = rng.uniform(30, 200, (count, 8, 8, 1)).astype(np.float32)
    return np.round(tf.image.resize(coarse, [side, side], method="bicubic").numpy().clip(0, 255))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_in_full_scale_also_for_a_flat_image(method):
    images = np.concatenate([pictures(), np.full((1, 64, 64, 1), 90.0, np.float32)])
    answer = normalise(tf.constant(images), method).numpy()
    assert answer.shape == images.shape
    assert answer.dtype == np.float32
    assert np.all(np.isfinite(answer))
    assert answer.min() >= 0.0
    assert answer.max() <= 1.0 + 1e-6


@pytest.mark.parametrize("method", ["standardise", "stretch", "equalise"])
def test_brightness_and_contrast_no_longer_matter(method):
    images = pictures() * 0.5
    changed = images * 1.4 + 20.0
    if method == "equalise":  # levels are whole numbers
        images, changed = np.round(images), np.round(images) * 2 + 20
    np.testing.assert_allclose(
        normalise(tf.constant(changed), method), normalise(tf.constant(images), method), atol=0.03
    )


def test_standardised_images_have_the_stated_mean_and_deviation():
    answer = normalise(tf.constant(pictures()), "standardise").numpy()
    np.testing.assert_allclose(answer.mean((1, 2, 3)), 0.5, atol=0.01)
    np.testing.assert_allclose(answer.std((1, 2, 3)), 0.2, atol=0.02)


def test_equalising_agrees_with_pillow():
    image = pictures(1)
    expected = np.asarray(ImageOps.equalize(Image.fromarray(image[0, ..., 0].astype(np.uint8))))
    got = normalise(tf.constant(image), "equalise").numpy()[0, ..., 0] * 255.0
    # Pillow centres each level's step; half the largest level's share is the most it can differ.
    largest = np.bincount(image.astype(int).ravel()).max() / image.size * 255.0
    assert np.abs(got - expected).max() <= largest + 2.0


def test_clahe_raises_local_contrast_but_less_than_equalising_would():
    flat = pictures(1) * 0.1 + 100.0  # little contrast
    plain, limited, full = (
        normalise(tf.constant(flat), method).numpy().std()
        for method in ("none", "clahe", "equalise")
    )
    assert plain < limited < full


@pytest.mark.parametrize("side", [64, 100])
@pytest.mark.parametrize("method", METHODS)
def test_compiled_for_training_it_is_the_same_but_for_rounding(method, side):
    images = tf.constant(pictures(side=side))
    np.testing.assert_allclose(
        normalise(images, method, compiled=True), normalise(images, method), atol=1e-6
    )


def test_the_plain_form_has_no_operation_that_only_xla_knows():
    plain = tf.function(lambda images: normalise(images, "clahe")).get_concrete_function(
        tf.TensorSpec([None, 64, 64, 1])
    )
    definition = plain.graph.as_graph_def()
    assert "_XlaMustCompile" not in str(definition)
    assert not definition.library.function


def test_clahe_gives_the_values_that_the_published_networks_saw():
    row, column = np.ogrid[:64, :64]
    waves = np.round(128 + 70 * np.sin(0.1 * row) + 50 * np.cos(0.2 * column))
    got = normalise(tf.constant(waves[np.newaxis, ..., np.newaxis], tf.float32), "clahe").numpy()
    expected = [
        [0.6700832, 0.4963627, 0.6958972, 0.4911194],
        [0.7854331, 0.5953178, 0.7695507, 0.6135241],
        [0.5190781, 0.3202668, 0.5010986, 0.3369703],
        [0.451978, 0.2299473, 0.4345703, 0.2612275],
    ]
    np.testing.assert_allclose(got[0, 4::16, 4::16, 0], expected, atol=1e-6)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="normalisation of"):
        normalise(tf.zeros([1, 16, 16, 1]), "magic")
