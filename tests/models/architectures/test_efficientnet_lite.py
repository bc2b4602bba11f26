import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import data as pictures

from contract.errors import InputError
from models.architectures.efficientnet_lite import build_efficientnet_lite, load_torch_file
from models.architectures.pretrained import build_pretrained
from models.architectures.weights import PACKAGES, packaged_file

# Of the original's own PyTorch code (efficientnet-lite-pytorch 0.1.0, PyTorch 2.15) for `drawn`:
# norm and sum of the 1,280 features, and some of them by their index.
ORIGINAL = {
    ("EfficientNetLite0", 224): (
        16.26453,
        163.6505,
        {113: 5.24348, 897: 4.9793, 755: 4.66451, 2: 0.23865, 7: 0.28563, 9: 0.87612},
    ),
    ("EfficientNetLite0", 128): (
        23.62355,
        300.6005,
        {755: 5.0149, 403: 4.9072, 1184: 4.34012, 2: 0.31845, 7: 1.30615, 9: 0.03326},
    ),
    ("EfficientNetLite1", 160): (
        19.78591,
        226.5206,
        {485: 5.65274, 605: 4.97146, 388: 4.55513, 7: 0.3792, 8: 0.13873, 10: 0.25926},
    ),
    ("EfficientNetLite2", 128): (
        39.09515,
        583.466,
        {467: 5.70797, 482: 5.58852, 154: 5.52321, 1: 0.23832, 2: 2.89453, 5: 3.45551},
    ),
}
CATS = set(range(281, 286))
CUPS = {504, 967, 968}  # mug, espresso, cup
PARAMETERS = {"EfficientNetLite0": 4_694_024, "EfficientNetLite1": 5_470_344}
PARAMETERS["EfficientNetLite2"] = 6_150_168


def drawn(side_px: int) -> np.ndarray:
    """Draw a picture of three different channels, float32 [1, s, s, 3] in [0, 1]."""
    down, right = np.mgrid[0:side_px, 0:side_px] / side_px
    channels = (
        0.5 + 0.5 * np.sin(7 * right + 3 * down),
        0.5 + 0.5 * np.cos(11 * right * down),
        (right + down) / 2,
    )
    return np.stack(channels, axis=-1)[None].astype(np.float32)


def architecture_of(application: str) -> str:
    return f"efficientnet_lite{application[-1]}"


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    network = build_efficientnet_lite("EfficientNetLite0", (224, 224, 3), include_top=True)
    load_torch_file(network, packaged_file("efficientnet_lite0"))
    return network


@pytest.mark.parametrize("application", PARAMETERS)
def test_networks_have_the_originals_parameters(application):
    network = build_efficientnet_lite(application, (64, 64, 3), include_top=True)
    assert network.count_params() == PARAMETERS[application]


@pytest.mark.slow
@pytest.mark.parametrize(("application", "side_px"), ORIGINAL)
def test_features_are_the_originals(application, side_px):
    network = build_pretrained(
        architecture_of(application), (side_px, side_px, 3), "package", None, None
    )
    images = network.get_layer("preprocessing")(drawn(side_px))
    features = network.get_layer("backbone")(images).numpy()[0]
    norm, total, values = ORIGINAL[application, side_px]
    assert np.linalg.norm(features) == pytest.approx(norm, abs=1e-4)
    assert features.sum(dtype=np.float64) == pytest.approx(total, abs=1e-2)
    np.testing.assert_allclose(features[list(values)], list(values.values()), atol=1e-4)


@pytest.mark.parametrize(("picture", "classes"), [("chelsea", CATS), ("coffee", CUPS)])
def test_a_cat_and_a_cup_of_coffee_are_recognised(classifier, picture, classes):
    image = getattr(pictures, picture)()[None].astype(np.float32)
    image = tf.image.resize(image, (224, 224), antialias=True)
    (logits,) = classifier((image - 127.0) / 128.0).numpy()
    assert set(np.argsort(-logits)[:2]) <= classes


def test_weights_of_another_size_are_refused(tmp_path):
    network = build_efficientnet_lite("EfficientNetLite2", (64, 64, 3))
    for size in (0, 1):  # one has fewer layers, the other as many of other shapes
        with pytest.raises(InputError, match=r"weights of EfficientNetLite2, got those of another"):
            load_torch_file(network, packaged_file(f"efficientnet_lite{size}"))


def test_every_package_has_its_file():
    names = [packaged_file(architecture).name for architecture in PACKAGES]
    assert [name.partition("-lite")[2][:1] for name in names] == ["0", "1", "2"]
