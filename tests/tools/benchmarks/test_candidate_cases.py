from __future__ import annotations

import pytest

from contract.architectures import ARCHITECTURES, is_pretrained
from tools.benchmarks.candidate_cases import CASES, FEATURES, case_of
from tools.benchmarks.images import FULL, QUICK, Sizes


def test_every_architecture_is_measured_as_it_is_trained_by_default() -> None:
    assert (*ARCHITECTURES, FEATURES) == CASES
    for name in ARCHITECTURES:
        case = case_of(name, FULL)
        assert case.candidate.architecture == name
        assert case.candidate.training.augmentation.enabled
        assert not case.features_once


def test_features_are_computed_once_where_nothing_changes_the_images() -> None:
    case = case_of(FEATURES, FULL)
    assert is_pretrained(case.candidate.architecture)
    assert not case.candidate.training.augmentation.enabled
    assert case.features_once


@pytest.mark.parametrize("sizes", [FULL, QUICK])
def test_networks_on_a_backbone_train_on_few_images(sizes: Sizes) -> None:
    numbers = {name: case_of(name, sizes).num_images for name in ARCHITECTURES}
    with_backbone = {name for name in ARCHITECTURES if is_pretrained(name)}
    most = max(numbers[name] for name in with_backbone)
    assert 0 < most < min(numbers[name] for name in numbers.keys() - with_backbone) / 4
