"""How familiar an image is, by its features."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from evaluation.referral import unfamiliar_among_known
from models.familiarity import FamiliarImages, familiarity


def _features(seed: int, num_images: int) -> np.ndarray:
    """Draw correlated features of very different scales."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(12, 12)) * np.logspace(-2, 2, 12)
    return (random.normal(size=(num_images, 12)) @ mixing + 3.0).astype(np.float32)


def test_the_distance_is_mahalanobis(tmp_path) -> None:
    known = _features(0, 4000)
    familiar = FamiliarImages.fit(known)
    familiar.write(tmp_path / "familiar.npz")
    fresh = _features(1, 50)
    measured = FamiliarImages.read(tmp_path / "familiar.npz").log_distance(tf.constant(fresh))
    difference = fresh - known.mean(axis=0)
    inverse = np.linalg.inv(np.cov(known.T))
    expected = np.log(np.einsum("ij,jk,ik->i", difference, inverse, difference) / 12)
    np.testing.assert_allclose(measured.numpy(), expected, atol=0.1)  # shrunk a little


def test_new_images_of_the_known_kind_are_unfamiliar_as_rarely_as_stated() -> None:
    known = _features(0, 2000)
    familiar = FamiliarImages.fit(known[:1000])
    distances = np.sort(familiar.log_distance(tf.constant(known[1000:])).numpy())
    fresh = familiarity(
        familiar.log_distance(tf.constant(_features(2, 5000))), tf.constant(distances)
    ).numpy()
    for fraction in (0.01, 0.1, 0.5):
        assert abs(np.mean(fresh < fraction) - fraction) < 0.25 * fraction + 0.003
    strange = familiar.log_distance(tf.constant(_features(3, 100) * 3.0))
    assert np.mean(familiarity(strange, tf.constant(distances)).numpy() < 0.01) > 0.9


def test_features_that_never_change_are_no_division_by_zero() -> None:
    known = _features(0, 100)
    known[:, 4] = 1.0
    assert np.isfinite(FamiliarImages.fit(known).log_distance(tf.constant(known)).numpy()).all()


def test_familiarity_counts_what_is_at_least_as_far() -> None:
    known = tf.constant([1.0, 2.0, 2.0, 3.0])
    values = familiarity(tf.constant([0.0, 2.0, 2.5, 9.0]), known).numpy()
    np.testing.assert_allclose(values, [1.0, 4 / 5, 2 / 5, 1 / 5])


def test_known_images_are_judged_by_the_others() -> None:
    distances = np.arange(200, dtype=np.float32)
    np.testing.assert_array_equal(np.flatnonzero(unfamiliar_among_known(distances, 0.01)), [199])
    assert not unfamiliar_among_known(distances, 0.0).any()
