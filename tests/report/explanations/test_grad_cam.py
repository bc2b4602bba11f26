import keras
import numpy as np
import pytest

from contract.settings import CandidateSettings
from models.architectures import build_network
from report.explanations.grad_cam import grad_cam
from tests.report.explanations.conftest import SIDE


def explain(candidate, image, is_pneumonia=True):
    return grad_cam(candidate.network, candidate.settings, image, is_pneumonia=is_pneumonia)


def test_it_lights_up_where_the_network_looks_and_nowhere_else(
    square_candidate, texture, in_square
):
    cam = explain(square_candidate, texture)
    assert cam.shape == (SIDE, SIDE)
    assert cam.max() == 1.0
    assert cam[in_square].mean() > 0.3
    assert not cam[~in_square].any()


def test_nothing_speaks_for_the_opposite_answer(square_candidate, texture):
    assert not explain(square_candidate, texture, is_pneumonia=False).any()


def test_a_saturated_answer_is_explained_too(square_candidate, texture, in_square):
    network = keras.models.clone_model(square_candidate.network)
    network.set_weights(square_candidate.network.get_weights())
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([kernel * 1000.0, bias])
    cam = grad_cam(network, square_candidate.settings, texture, is_pneumonia=True)
    assert cam[in_square].mean() > 0.3


def test_the_map_lies_where_the_crop_was(square_candidate):
    side = 80  # the centre of 64 px is what the network sees
    settings = square_candidate.settings.model_copy(
        update={"crop_fraction": SIDE / side, "image_size_px": SIDE}
    )
    image = (np.random.default_rng(2).integers(0, 2, (side, side, 1)) * 255).astype(np.uint8)
    cam = grad_cam(square_candidate.network, settings, image, is_pneumonia=True)
    inside = np.zeros((side, side), bool)
    inside[8 + 16 : 8 + 32, 8 + 36 : 8 + 52] = True
    assert cam.shape == (side, side)
    assert cam[inside].mean() > 0.3
    assert not cam[~inside].any()


@pytest.mark.parametrize(("architecture", "has_map"), [("ann_small", False), ("cnn_deep", True)])
def test_networks_without_convolution_have_none(architecture, has_map):
    settings = CandidateSettings(architecture=architecture)
    keras.utils.set_random_seed(0)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 1)).astype(np.uint8)
    cam = grad_cam(build_network(settings, 32), settings, image, is_pneumonia=True)
    assert (cam is not None) is has_map
