import importlib.metadata

import pytest

from contract.settings import CandidateSettings
from models.architectures.weights import PACKAGES
from report.model_card.origins import describe_weights


def candidate(architecture: str, weights: str, **changes) -> CandidateSettings:
    return CandidateSettings(architecture=architecture, weights=weights, **changes)


def test_own_weights_need_no_word():
    assert describe_weights([candidate("cnn_deep", "none"), candidate("xception", "none")]) == ()


@pytest.mark.parametrize("architecture", PACKAGES)
def test_the_licence_is_the_one_in_the_package(architecture):
    (text,) = describe_weights([candidate(architecture, "package")])
    package = PACKAGES[architecture].replace("_", "-")
    assert f"{package} (copyright 2020 ML Illustrated, Apache License 2.0)" in text
    assert "trained on ImageNet" in text
    files = importlib.metadata.files(package)
    (licence,) = [path.read_text() for path in files if path.name == "LICENSE"]
    assert "Copyright (c) 2020, ML Illustrated" in licence
    assert "Apache License, Version 2.0" in licence


def test_other_origins_are_named_without_folders():
    texts = describe_weights(
        [candidate("xception", "imagenet"), candidate("resnet101", "/home/someone/file.h5")]
    )
    assert "Keras provides" in texts[0]
    assert "in the file file.h5. Their origin and licence are not recorded." in texts[1]
    assert "someone" not in texts[1]


def test_networks_of_one_origin_share_a_text():
    lites = [
        candidate("efficientnet_lite0", "package", normalisation=normalisation)
        for normalisation in ("none", "clahe")
    ]
    assert len(describe_weights(lites)) == 1
    assert len(describe_weights([*lites, candidate("efficientnet_lite1", "package")])) == 2
