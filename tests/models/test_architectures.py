import numpy as np
import pytest

from models.architectures import build_network


def test_cnn_deep_has_the_studys_parameters():
    assert build_network("cnn_deep", 128).count_params() == 3_312_961


def test_networks_answer_a_probability():
    network = build_network("cnn_deep", 32)
    images = np.random.default_rng(0).uniform(0, 1, (3, 32, 32, 3)).astype(np.float32)
    probabilities = network(images).numpy()
    assert probabilities.shape == (3, 1)
    assert np.all((probabilities > 0) & (probabilities < 1))


def test_an_unknown_architecture_is_named():
    with pytest.raises(ValueError, match=r"cnn_deep.*got 'vgg'"):
        build_network("vgg", 128)
