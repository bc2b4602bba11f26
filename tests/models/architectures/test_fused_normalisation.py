"""One operation gives what Keras' layer gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.architectures.fused_normalisation import FusedBatchNormalization

MOMENTUM, EPSILON = 0.9, 1e-3


@pytest.fixture
def layers():
    """Return Keras' layer and ours, with the same weights."""
    rng = np.random.default_rng(3)
    pair = [
        kind(momentum=MOMENTUM, epsilon=EPSILON)
        for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)
    ]
    weights = [rng.uniform(0.5, 2.0, 5).astype("float32") for _ in range(4)]
    for layer in pair:
        layer.build((None, 6, 7, 5))
        layer.set_weights(weights)
    return pair


def maps(seed: int = 0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(3.0, 2.0, (4, 6, 7, 5)), tf.float32)


def test_learns_as_keras_layer_does(layers):
    outputs, gradients = [], []
    for layer in layers:
        for seed in range(3):  # the moving statistics follow several batches
            inputs = maps(seed)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                output = layer(inputs, training=True)
                loss = tf.reduce_sum(tf.sin(output))
            found = tape.gradient(loss, [inputs, *layer.trainable_variables])
        outputs.append(output)
        gradients.append(found)
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)
    for ours, kept in zip(gradients[1], gradients[0], strict=True):
        np.testing.assert_allclose(ours, kept, rtol=1e-5, atol=2e-5)
    for ours, kept in zip(layers[1].get_weights(), layers[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, kept, rtol=1e-5)


@pytest.mark.parametrize("training", [False, None])
def test_answers_as_keras_layer_does(layers, training):
    kept, ours = (layer(maps(), training=training) for layer in layers)
    np.testing.assert_allclose(ours, kept, atol=1e-5)


def test_a_frozen_layer_keeps_its_statistics(layers):
    _, layer = layers
    before = layer.get_weights()
    layer.trainable = False
    frozen = layer(maps(), training=True)
    np.testing.assert_array_equal(frozen, layer(maps(), training=False))
    for ours, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, kept)


def test_half_precision_keeps_float32_statistics():
    layer = FusedBatchNormalization(dtype="mixed_float16")
    output = layer(maps(), training=True)
    assert output.dtype == tf.float16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    whole = FusedBatchNormalization()(maps(), training=True)
    np.testing.assert_allclose(tf.cast(output, tf.float32), whole, atol=5e-3)


def test_a_network_of_it_is_saved_and_loaded(tmp_path):
    inputs = keras.Input((6, 7, 5))
    network = keras.Model(inputs, FusedBatchNormalization()(inputs))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert isinstance(loaded.layers[-1], FusedBatchNormalization)
    np.testing.assert_array_equal(loaded(maps()), network(maps()))
