import dataclasses
from typing import get_args

import keras
import numpy as np
import pytest

from contract.architectures import ARCHITECTURES, is_pretrained
from contract.errors import InputError
from contract.settings import Architecture, CandidateSettings, TrainingSettings
from models.architectures import build_network

# Of 128x128x3 images: all parameters, and those that are trained.
COUNTS = {
    "ann_baseline": (491_541, 491_541),
    "ann_deep": (12_626_741, 12_626_741),
    "ann_small": (6_302_261, 6_302_261),
    "ann_dropout": (12_626_741, 12_626_741),
    "ann_l2": (12_626_741, 12_626_741),
    "cnn_baseline": (254_257, 254_257),
    "cnn_deep": (3_312_961, 3_312_961),
    "cnn_dropout": (3_312_961, 3_312_961),
    "xception": (20_863_529, 2_049),
    "xception_deep": (20_872_106, 10_626),
    "resnet101": (42_660_225, 2_049),
    "efficientnet_v2_b0": (5_920_593, 1_281),
    "convnext_tiny": (27_820_897, 769),
    "efficientnet_lite0": (3_414_305, 1_281),
    "efficientnet_lite1": (4_190_625, 1_281),
    "efficientnet_lite2": (4_870_449, 1_281),
}
TRAINED_WHOLE = [name for name in ARCHITECTURES if not is_pretrained(name)]


def build(architecture: str, image_size_px: int, **training) -> keras.Model:
    candidate = CandidateSettings(architecture=architecture, training=TrainingSettings(**training))
    return build_network(candidate, image_size_px)


def trained_parameters(network: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", COUNTS)
def test_networks_have_the_studys_parameters(architecture):
    network = build(architecture, 128)
    assert (network.count_params(), trained_parameters(network)) == COUNTS[architecture]


def test_our_own_network_stays_below_a_million_parameters():
    assert build("compact_resnet", 128).count_params() < 1_000_000


def test_every_architecture_of_the_settings_can_be_built():
    assert tuple(ARCHITECTURES) == get_args(Architecture)


@pytest.mark.parametrize("architecture", TRAINED_WHOLE)
def test_networks_answer_a_probability_down_to_their_smallest_side(architecture):
    side_px = ARCHITECTURES[architecture].smallest_px
    images = np.random.default_rng(0).uniform(0, 1, (3, side_px, side_px, 3)).astype(np.float32)
    probabilities = build(architecture, side_px)(images).numpy()
    assert probabilities.shape == (3, 1)
    assert np.all((probabilities >= 0) & (probabilities <= 1))


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_too_small_images_are_refused_with_the_smallest_side(architecture):
    smallest_px = ARCHITECTURES[architecture].smallest_px
    with pytest.raises(InputError, match=rf"at least {smallest_px} px a side for {architecture}"):
        build(architecture, smallest_px - 1)


@pytest.mark.parametrize("architecture", ["cnn_baseline", "cnn_deep"])
def test_the_smallest_side_is_not_larger_than_it_must_be(architecture, monkeypatch):
    unbounded = dataclasses.replace(ARCHITECTURES[architecture], smallest_px=0)
    monkeypatch.setitem(ARCHITECTURES, architecture, unbounded)
    with pytest.raises(ValueError, match=r"negative dimension|Computed output size"):
        build(architecture, {"cnn_baseline": 3, "cnn_deep": 21}[architecture])


def test_an_unknown_architecture_is_named():
    candidate = CandidateSettings().model_copy(update={"architecture": "vgg"})
    with pytest.raises(ValueError, match=r"cnn_deep.*got 'vgg'"):
        build_network(candidate, 128)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_output_is_computed_in_full_precision(architecture, tiny_applications):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build(architecture, 80)
    finally:
        keras.config.set_dtype_policy(policy)
    images = np.full((2, 80, 80, 3), 0.5, np.float32)
    assert network(images).dtype == "float32"
    halves = [layer for layer in network._flatten_layers() if layer.compute_dtype == "bfloat16"]
    assert halves


@pytest.mark.parametrize("architecture", TRAINED_WHOLE)
def test_networks_without_a_backbone_take_no_weights(architecture):
    candidate = CandidateSettings(architecture=architecture, weights="imagenet")
    with pytest.raises(InputError, match=f"weights: none for {architecture}"):
        build_network(candidate, 64)


@pytest.mark.parametrize("architecture", TRAINED_WHOLE)
def test_networks_without_a_backbone_have_none_to_train(architecture):
    with pytest.raises(InputError, match=rf"training\.backbone: frozen for {architecture}"):
        build(architecture, 64, backbone="whole")


@pytest.mark.slow
def test_a_whole_backbone_is_trained_with_all_its_norms():
    frozen = build("efficientnet_lite0", 64)
    whole = build("efficientnet_lite0", 64, backbone="whole")
    norms = [
        layer
        for layer in whole.get_layer("backbone").layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    statistics = sum(2 * layer.gamma.shape[0] for layer in norms)
    assert trained_parameters(whole) == whole.count_params() - statistics
    assert trained_parameters(frozen) == 1_281


@pytest.mark.slow
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_dropout_and_l2_of_the_settings_reach_every_network(architecture, tiny_applications):
    network = build(architecture, 80, dropout=0.25, l2=0.01)
    layers = list(network._flatten_layers())
    rates = {
        layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    }
    penalties = [
        layer.kernel_regularizer.l2
        for layer in layers
        if getattr(layer, "kernel_regularizer", None)
    ]
    assert rates == {0.25}
    assert penalties
    assert penalties == pytest.approx([0.01] * len(penalties))
