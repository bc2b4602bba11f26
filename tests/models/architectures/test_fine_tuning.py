import keras
import numpy as np
import pytest

from models.architectures.fine_tuning import unfreeze_upper_layers
from models.architectures.pretrained import build_pretrained

SHAPE = (32, 32, 3)
HEAD_PARAMETERS = 6 + 1
UPPER_CONVOLUTION = 3 * 3 * 4 * 6 + 6
LOWER_CONVOLUTION = 3 * 3 * 3 * 4 + 4


@pytest.fixture
def network(tiny_applications) -> keras.Model:
    return build_pretrained("xception", SHAPE, "none", None, None)


@pytest.mark.parametrize(
    ("num_layers", "trained"),
    [
        (0, HEAD_PARAMETERS),
        (2, HEAD_PARAMETERS),  # pooling has no weights, and batch normalisation stays frozen
        (3, HEAD_PARAMETERS + UPPER_CONVOLUTION),
        (100, HEAD_PARAMETERS + UPPER_CONVOLUTION + LOWER_CONVOLUTION),
    ],
)
def test_the_upper_layers_are_trained_without_batch_normalisation(network, num_layers, trained):
    assert unfreeze_upper_layers(network, num_layers) == trained
    parameters = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    assert parameters == trained


def test_fine_tuning_changes_the_unfrozen_layers_and_nothing_else(network, images):
    backbone = network.get_layer("backbone")
    unfreeze_upper_layers(network, 3)
    before = {layer.name: layer.get_weights() for layer in backbone.layers if layer.weights}
    network.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    network.fit(images, np.ones((6, 1)), epochs=1, batch_size=3, verbose=0)
    changed = [
        any(
            np.any(value != old)
            for value, old in zip(backbone.get_layer(name).get_weights(), values, strict=True)
        )
        for name, values in before.items()
    ]
    # Convolution, batch normalisation, convolution, batch normalisation.
    assert changed == [False, False, True, False]


def test_an_unfrozen_backbone_still_computes_as_in_inference(network, images):
    unfreeze_upper_layers(network, 100)
    np.testing.assert_array_equal(network(images, training=True), network(images, training=False))


def test_unfreezing_again_forgets_what_was_trained_before(network):
    all_trained = HEAD_PARAMETERS + UPPER_CONVOLUTION + LOWER_CONVOLUTION
    upper_trained = HEAD_PARAMETERS + UPPER_CONVOLUTION
    counts = [unfreeze_upper_layers(network, num_layers) for num_layers in (3, 100, 3, 0, 100)]
    assert counts == [upper_trained, all_trained, upper_trained, HEAD_PARAMETERS, all_trained]


def test_only_networks_with_a_backbone_are_fine_tuned(network):
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(ValueError, match="'plain', which has no backbone"):
        unfreeze_upper_layers(plain, 1)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        unfreeze_upper_layers(network, -1)
