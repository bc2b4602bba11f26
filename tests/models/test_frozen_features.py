import keras
import numpy as np
import pytest
import tensorflow as tf

from models.architectures.fine_tuning import unfreeze_upper_layers
from models.architectures.pretrained import assemble_network, build_head, preprocessing_of
from models.frozen_features import backbone_features, has_frozen_backbone, head_of

SHAPE = (16, 16, 3)
NUM_IMAGES = 20


class CountImages(keras.layers.Layer):
    """Pass images on, and count them, in graphs too."""

    def build(self, _):
        self.seen = tf.Variable(0, trainable=False)

    def call(self, images):
        self.seen.assign_add(tf.shape(images)[0])
        return images


@pytest.fixture
def network() -> keras.Model:
    keras.utils.set_random_seed(4)
    layers = keras.layers
    backbone = keras.Sequential(
        [
            keras.Input(SHAPE),
            CountImages(name="count"),
            layers.Conv2D(5, 3, strides=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ],
        name="backbone",
    )
    head = build_head(5, 0.0, (8,), None)
    return assemble_network(preprocessing_of("Xception", SHAPE), backbone, head, "tiny")


def count(network: keras.Model) -> int:
    return int(network.get_layer("backbone").get_layer("count").seen.numpy())


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (NUM_IMAGES, *SHAPE)).astype(np.float32)


@pytest.fixture
def labels(images) -> np.ndarray:
    return np.ones((len(images), 1), np.float32)


@pytest.fixture
def batches(images, labels) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)


def test_the_head_on_features_is_the_network_on_images(network, images, batches):
    features = backbone_features(network, batches)
    assert features.shape == (NUM_IMAGES, 5)
    assert features.dtype == np.float32
    np.testing.assert_allclose(head_of(network)(features), network(images), atol=1e-5)


def test_training_the_head_trains_the_network(network, images, labels, batches):
    before = network(images).numpy()
    features = backbone_features(network, batches)
    head = head_of(network)
    head.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    head.fit(features, labels, epochs=3, verbose=0)
    after = network(images).numpy()
    assert np.max(np.abs(after - before)) > 1e-3
    np.testing.assert_allclose(head(features), after, atol=1e-5)


def test_every_image_meets_the_backbone_once_whatever_the_epochs(network, labels, batches):
    already = count(network)
    features = backbone_features(network, batches)
    head = head_of(network)
    head.compile("sgd", "binary_crossentropy")
    head.fit(features, labels, epochs=7, verbose=0)
    assert count(network) - already == NUM_IMAGES


def test_training_the_whole_network_meets_it_every_epoch(network, batches):
    # What the count above is measured against.
    already = count(network)
    network.compile("sgd", "binary_crossentropy")
    network.fit(batches, epochs=7, shuffle=False, verbose=0)
    assert count(network) - already == 7 * NUM_IMAGES


def test_features_of_half_precision_come_in_full(images):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        backbone = keras.Sequential(
            [keras.Input(SHAPE), keras.layers.GlobalAveragePooling2D()], name="backbone"
        )
        half = assemble_network(
            preprocessing_of("Xception", SHAPE), backbone, build_head(3, 0.0, (), None), "half"
        )
    finally:
        keras.config.set_dtype_policy(policy)
    features = backbone_features(half, tf.data.Dataset.from_tensor_slices(images).batch(8))
    assert features.dtype == np.float32
    np.testing.assert_allclose(head_of(half)(features), half(images), atol=1e-2)


def test_a_backbone_is_frozen_until_it_is_fine_tuned(network):
    assert has_frozen_backbone(network)
    unfreeze_upper_layers(network, 10)
    assert not has_frozen_backbone(network)


def test_networks_without_a_backbone_are_refused():
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="plain")
    assert not has_frozen_backbone(plain)
    for use in (head_of, lambda network: backbone_features(network, None)):
        with pytest.raises(ValueError, match="'plain', which has no frozen backbone"):
            use(plain)
