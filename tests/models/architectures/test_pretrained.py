import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.architectures.pretrained import NETWORKS, build_pretrained, preprocessing_of

pytestmark = pytest.mark.slow

SHAPE = (32, 32, 3)


def build(architecture: str, **changes) -> keras.Model:
    arguments = {"weights": "none", "dropout": None, "l2": None, **changes}
    return build_pretrained(architecture, SHAPE, **arguments)


@pytest.mark.parametrize(
    ("application", "module"),
    [
        ("Xception", "xception"),
        ("ResNet101", "resnet"),
        ("EfficientNetV2B0", "efficientnet_v2"),
        ("ConvNeXtTiny", "convnext"),
    ],
)
def test_preprocessing_is_the_one_that_the_backbone_was_trained_with(application, module):
    images = np.random.default_rng(1).uniform(0, 1, (2, *SHAPE)).astype(np.float32)
    theirs = importlib.import_module(f"keras.applications.{module}").preprocess_input
    expected = np.asarray(theirs(images * 255.0))
    ours = preprocessing_of(application, SHAPE)(images).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_preprocessing_of_efficientnet_lite_is_the_originals():
    images = np.array([0.0, 127.0, 255.0], np.float32).reshape(1, 1, 3, 1).repeat(3, -1) / 255.0
    ours = preprocessing_of("EfficientNetLite0", (1, 3, 3))(images).numpy()
    np.testing.assert_allclose(ours[0, 0, :, 0], [-127 / 128, 0.0, 1.0], atol=1e-6)


def test_only_the_head_is_trained(tiny_applications, images):
    network = build("efficientnet_v2_b0")
    backbone, head = network.get_layer("backbone"), network.get_layer("head")
    before = [value.copy() for value in backbone.get_weights()]
    head_before = [value.copy() for value in head.get_weights()]
    network.compile("sgd", "binary_crossentropy")
    network.fit(images, np.ones((6, 1)), epochs=2, batch_size=3, verbose=0)
    for value, kept in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    changed = [
        np.any(value != old) for value, old in zip(head.get_weights(), head_before, strict=True)
    ]
    assert all(changed)


def test_the_backbone_computes_as_in_inference_while_the_head_is_trained(tiny_applications, images):
    network = build("xception")  # its head has no dropout, while the backbone came with some
    np.testing.assert_array_equal(network(images, training=True), network(images, training=False))


def test_xception_deep_stacks_on_the_one_unit_output(tiny_applications):
    head = build("xception_deep").get_layer("head")
    dense = [layer for layer in head.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [1, 128, 64, 1]
    assert [layer.activation.__name__ for layer in dense] == ["sigmoid", "relu", "relu", "sigmoid"]
    rates = [layer.rate for layer in head.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.4, 0.4]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_networks_survive_saving(architecture, tiny_applications, images, tmp_path):
    network = build(architecture)
    expected = network(images).numpy()
    assert np.all((expected >= 0) & (expected <= 1))
    network.save(tmp_path / "network.keras")
    reloaded = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_allclose(reloaded(images), expected, atol=1e-6)
    assert len(reloaded.trainable_variables) == len(network.trainable_variables)
    module = tf.Module()
    module.network = network
    module.predict = tf.function(
        lambda batch: network(batch, training=False),
        input_signature=[tf.TensorSpec([None, *SHAPE], tf.float32)],
    )
    tf.saved_model.save(module, str(tmp_path / "exported"))
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.predict(images), expected, atol=1e-6)


@pytest.mark.parametrize(
    "architecture", ["efficientnet_v2_b0", "convnext_tiny", "efficientnet_lite0"]
)
def test_layers_of_the_modern_backbones_are_read_back(architecture, images, tmp_path):
    # Their own layer classes must be found again without being named.
    network = build(architecture)
    network.save(tmp_path / "network.keras")
    reloaded = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_allclose(reloaded(images), network(images), atol=1e-6)
    assert not reloaded.get_layer("backbone").trainable_variables
