import numpy as np
import pytest
import tensorflow as tf

from contract.settings import CandidateSettings
from models.network_input import crop_and_resize, to_network_input, views


def test_network_input_is_three_equal_channels_in_zero_to_one():
    images = tf.constant(np.array([[[[0]], [[255]]]], np.uint8))
    for network_input in (
        to_network_input(images, "none"),
        tf.function(to_network_input)(images, "none"),
    ):
        assert network_input.shape == (1, 2, 1, 3)
        np.testing.assert_allclose(network_input[0, :, 0], [[0, 0, 0], [1, 1, 1]])


def test_the_whole_image_at_its_own_size_is_left_alone():
    images = tf.constant(np.random.default_rng(1).integers(0, 256, (2, 20, 20, 1)), tf.uint8)
    np.testing.assert_array_equal(crop_and_resize(images, CandidateSettings()), images)


@pytest.mark.parametrize("num_views", [1, 3, 5])
def test_views_begin_with_the_image_and_show_its_middle(num_views):
    side = 40
    ramp = np.tile(np.linspace(0, 1, side, dtype=np.float32)[:, None, None], (1, side, 1))
    copies = views(tf.constant(ramp[np.newaxis]), num_views)
    assert len(copies) == num_views
    np.testing.assert_array_equal(copies[0][0], ramp)
    for copy in copies[1:]:
        assert copy.shape == (1, side, side, 1)
        assert np.ptp(copy.numpy()) < np.ptp(ramp)  # nearer
        assert abs(float(tf.reduce_mean(copy)) - 0.5) < 0.06
        # A ramp stays one: no row or column is read from beyond the edge.
        assert np.all(np.diff(copy.numpy()[0, :, :, 0], axis=0) > 0)
        np.testing.assert_allclose(np.ptp(copy.numpy()[0], axis=1), 0, atol=1e-6)
