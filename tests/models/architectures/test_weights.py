from pathlib import Path

import keras
import numpy as np
import pytest

from components.errors import InputError
from models.architectures.pretrained import build_pretrained
from models.architectures.weights import check_weights

SHAPE = (32, 32, 3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[keras.Model, Path]:
    """Weights of a real backbone, as a user of Keras saves them in each of its formats."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(9)
    backbone = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_shape=SHAPE
    )
    backbone.save_weights(folder / "backbone.weights.h5")
    backbone.save(folder / "backbone.h5")
    backbone.save(folder / "backbone.keras")
    return backbone, folder


@pytest.mark.parametrize("name", ["backbone.weights.h5", "backbone.h5", "backbone.keras"])
def test_a_local_file_gives_the_backbone_its_weights(saved, name):
    original, folder = saved
    network = build_pretrained("efficientnet_v2_b0", SHAPE, str(folder / name), None, None)
    loaded = network.get_layer("backbone").get_weights()
    for value, expected in zip(loaded, original.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("name", ["backbone.weights.h5", "backbone.h5", "backbone.keras"])
def test_a_file_of_another_network_is_refused(saved, name):
    _, folder = saved
    with pytest.raises(InputError, match=r"weights of keras\.applications\.ConvNeXtTiny"):
        build_pretrained("convnext_tiny", SHAPE, str(folder / name), None, None)


@pytest.mark.parametrize("name", ["noise.weights.h5", "noise.h5", "noise.keras"])
def test_a_file_that_holds_no_weights_is_refused(tiny_applications, tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(InputError, match=r"weights of keras\.applications\.Xception"):
        build_pretrained("xception", SHAPE, str(tmp_path / name), None, None)


@pytest.mark.parametrize("weights", ["image_net", "missing.weights.h5", "."])
def test_an_unknown_word_or_a_missing_file_names_the_three_choices(weights):
    with pytest.raises(InputError, match=r"`none`, `imagenet` .* or a local weights file"):
        check_weights("xception", weights, has_backbone=True)


def test_a_file_with_an_unknown_ending_names_the_endings(tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"\.weights\.h5, \.h5, \.keras"):
        check_weights("xception", str(path), has_backbone=True)


@pytest.mark.parametrize(
    "failure",
    [Exception("URL fetch failure on ..."), TimeoutError("timed out"), ValueError("corrupted")],
)
def test_a_failed_download_names_the_local_file(monkeypatch, failure):
    def refuse(**arguments):
        assert arguments["weights"] == "imagenet"
        raise failure

    monkeypatch.setattr(keras.applications, "Xception", refuse)
    with pytest.raises(InputError, match=r"network is closed.* give its path as weights") as raised:
        build_pretrained("xception", SHAPE, "imagenet", None, None)
    assert str(failure) in str(raised.value)


def test_a_defect_is_not_taken_for_a_failed_download(monkeypatch):
    def break_down(**_):
        raise TypeError("a defect")

    monkeypatch.setattr(keras.applications, "Xception", break_down)
    with pytest.raises(TypeError, match="a defect"):
        build_pretrained("xception", SHAPE, "imagenet", None, None)
