import dataclasses

import pytest

from contract.settings import CandidateSettings, PipelineSettings
from tools.ablation.variants import DEFAULTS, FINE_TUNED, REFERENCE, VARIANTS


def leaves(tree: dict, at: str = "") -> dict:
    found = {}
    for key, value in tree.items():
        name = f"{at}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def settings_of(name: str) -> dict:
    variant = VARIANTS[name]
    return leaves(
        {"candidate": variant.candidate.model_dump(), "transform": variant.transform.model_dump()}
    )


def test_what_the_pipeline_does_by_default_is_among_them():
    defaults = leaves(
        {
            "candidate": CandidateSettings().model_dump(),
            "transform": PipelineSettings().transform.model_dump(),
        }
    )
    assert settings_of(DEFAULTS) == defaults
    changed = {key for key, value in defaults.items() if settings_of(REFERENCE)[key] != value}
    assert changed == {"candidate.normalisation", "candidate.training.augmentation.bands"}


OF_ONE_CHANGE = [
    name
    for name, variant in VARIANTS.items()
    if name not in (REFERENCE, DEFAULTS, FINE_TUNED) and not variant.members
]


@pytest.mark.parametrize("name", OF_ONE_CHANGE)
def test_a_variant_differs_in_one_thing_and_is_valid(name):
    variant = VARIANTS[name]
    before = settings_of(FINE_TUNED if variant.group == "pretrained" else REFERENCE)
    changed = {key for key, value in settings_of(name).items() if value != before[key]}
    assert changed
    sections = {".".join(key.split(".")[:3]) for key in changed}
    assert len(sections) == 1, changed
    CandidateSettings.model_validate(variant.candidate.model_dump())
    others = {key: dataclasses.asdict(VARIANTS[key]) for key in VARIANTS if key != name}
    assert dataclasses.asdict(variant) not in others.values()


def test_what_shares_a_network_shares_its_training():
    for variant in VARIANTS.values():
        if variant.trained_as:
            owner = VARIANTS[variant.trained_as]
            assert owner.is_trained
            assert owner.candidate.training == variant.candidate.training
            assert owner.transform == variant.transform


def test_members_of_a_mean_have_results_of_their_own():
    members = [member for variant in VARIANTS.values() for member in variant.members]
    assert members
    assert all(not VARIANTS[member].members for member in members)
