import keras
import numpy as np

from contract.settings import CandidateSettings
from models.architectures import build_network
from report.explanations.feature_maps import NUM_EARLY, early_feature_maps

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 1)).astype(np.uint8)


def maps_of(architecture):
    keras.utils.set_random_seed(0)
    settings = CandidateSettings(architecture=architecture, normalisation="none")
    network = build_network(settings, 32)
    return network, early_feature_maps(network, settings, IMAGE)


def test_each_convolution_gives_the_maps_that_it_computes():
    network, found = maps_of("cnn_deep")
    assert [(each.number, each.maps.shape[-1]) for each in found] == [(1, 32), (2, 64), (3, 128)]
    expected = network.layers[0](np.repeat(IMAGE[np.newaxis] / 255.0, 3, axis=-1))
    np.testing.assert_allclose(found[0].maps, expected[0], atol=1e-5)


def test_only_early_convolutions_are_shown():
    _, found = maps_of("compact_resnet")
    assert [each.number for each in found] == list(range(1, NUM_EARLY + 1))


def test_a_dense_network_has_none():
    assert maps_of("ann_small")[1] == ()
