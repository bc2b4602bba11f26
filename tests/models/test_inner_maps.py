import keras
import numpy as np
import pytest
import tensorflow as tf

from contract.architectures import ARCHITECTURES
from contract.settings import CandidateSettings
from models.architectures import build_network
from models.inner_maps import convolutions, last_maps, tap


def build(architecture):
    keras.utils.set_random_seed(1)
    return build_network(
        CandidateSettings(architecture=architecture, weights="none"),
        max(32, ARCHITECTURES[architecture].smallest_px),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    ["cnn_baseline", "cnn_deep", "compact_resnet", "efficientnet_v2_b0", "efficientnet_lite0"],
)
def test_a_tapped_network_answers_as_before_and_gives_its_last_maps(architecture):
    network = build(architecture)
    layer = last_maps(network)
    side = network.input_shape[1]
    images = np.random.default_rng(0).random((2, side, side, 3)).astype(np.float32)
    (maps,), logits = tap(network, [layer]).maps_and_logits(tf.constant(images))
    expected = network(images, training=False).numpy()[:, 0]
    np.testing.assert_allclose(tf.sigmoid(logits).numpy(), expected, rtol=1e-4)
    assert maps.shape == (2, *layer.output.shape[1:])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["cnn_deep", "compact_resnet", "efficientnet_v2_b0"])
def test_the_answer_follows_from_the_maps(architecture):
    network = build(architecture)
    images = tf.constant(np.random.default_rng(0).random((1, 32, 32, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        (maps,), logits = tap(network, [last_maps(network)]).maps_and_logits(images)
    assert np.abs(tape.gradient(logits, maps).numpy()).max() > 0.0


def test_stacked_heads_are_gone_through():
    network = build("xception_deep")
    images = np.random.default_rng(0).random((1, 71, 71, 3)).astype(np.float32)
    _, logits = tap(network, [last_maps(network)]).maps_and_logits(tf.constant(images))
    expected = network(images, training=False).numpy()[:, 0]
    np.testing.assert_allclose(tf.sigmoid(logits).numpy(), expected, rtol=1e-4)


def test_convolutions_come_in_order():
    assert [layer.filters for layer in convolutions(build("cnn_deep"))] == [32, 64, 128]


def test_a_dense_network_has_no_maps():
    network = build("ann_small")
    assert convolutions(network) == []
    assert last_maps(network) is None


def test_logits_alone_can_be_asked_for():
    network = build("cnn_deep")
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    maps, logits = tap(network, []).maps_and_logits(tf.constant(images))
    assert maps == []
    expected = network(images, training=False).numpy()[:, 0]
    np.testing.assert_allclose(tf.sigmoid(logits).numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize(("units", "activation"), [(2, "sigmoid"), (1, "linear"), (1, "softplus")])
def test_a_network_without_one_logit_is_refused(units, activation):
    inputs = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(2, 3)(inputs)
    output = keras.layers.Dense(units, activation=activation)
    network = keras.Model(inputs, output(keras.layers.Flatten()(maps)), name="other")
    with pytest.raises(ValueError, match="one dense unit with a sigmoid, got 'other'"):
        tap(network, [last_maps(network)])
