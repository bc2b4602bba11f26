from pathlib import Path

import keras
import numpy as np
import pytest

from contract.errors import InputError
from models.architectures.pretrained import build_pretrained
from models.architectures.weights import PACKAGES, check_weights, packaged_file

pytestmark = pytest.mark.slow

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


def weights_of(network: keras.Model) -> list[np.ndarray]:
    return network.get_layer("backbone").get_weights()


def test_a_package_its_file_and_a_file_of_keras_give_the_same_weights(tmp_path):
    of_package = build_pretrained("efficientnet_lite0", SHAPE, "package", None, None)
    path = packaged_file("efficientnet_lite0")
    of_torch = build_pretrained("efficientnet_lite0", SHAPE, str(path), None, None)
    of_package.get_layer("backbone").save_weights(tmp_path / "lite.weights.h5")
    saved = str(tmp_path / "lite.weights.h5")
    of_keras = build_pretrained("efficientnet_lite0", SHAPE, saved, None, None)
    for others in (of_torch, of_keras):
        for value, expected in zip(weights_of(others), weights_of(of_package), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_a_file_of_keras_of_another_size_is_refused(tmp_path):
    saved = tmp_path / "lite.weights.h5"
    network = build_pretrained("efficientnet_lite0", SHAPE, "none", None, None)
    network.get_layer("backbone").save_weights(saved)
    with pytest.raises(InputError, match=r"the weights of EfficientNetLite1 without its top"):
        build_pretrained("efficientnet_lite1", SHAPE, str(saved), None, None)


@pytest.mark.parametrize("architecture", PACKAGES)
def test_keras_has_no_weights_of_efficientnet_lite(architecture):
    with pytest.raises(InputError, match=r"`package` .* got `imagenet`: Keras has none of it"):
        check_weights(architecture, "imagenet", has_backbone=True)
    check_weights(architecture, "package", has_backbone=True)


def test_networks_without_a_package_say_so():
    with pytest.raises(InputError, match=r"got `package`: no package of its weights is known"):
        check_weights("xception", "package", has_backbone=True)


def test_a_file_of_pytorch_is_for_networks_with_a_package(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    check_weights("efficientnet_lite0", str(path), has_backbone=True)
    with pytest.raises(InputError, match=r"got the file .*weights\.pth"):
        check_weights("xception", str(path), has_backbone=True)


@pytest.mark.parametrize("found", ["none", "another one"])
def test_a_missing_package_names_the_lock(monkeypatch, tmp_path, found):
    name = "no_such_package" if found == "none" else "empty_package"
    (tmp_path / "empty_package").mkdir()
    (tmp_path / "empty_package" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(PACKAGES, "efficientnet_lite0", name)
    with pytest.raises(
        InputError, match=rf"package {name} .* got {found}: .*requirements-weights\.txt"
    ):
        build_pretrained("efficientnet_lite0", SHAPE, "package", None, None)
