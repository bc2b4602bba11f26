"""configs/study.yaml says what the study says of its networks."""

import pytest

from contract.architectures import is_pretrained
from contract.settings import AugmentationSettings, FineTuningSettings, TrainingSettings
from pipeline.load_config import load_settings
from report.study.table import PUBLISHED

STILL = {"enabled": False}
MOVED = {
    "rotation_degrees": 40.0,
    "width_shift": 0.2,
    "height_shift": 0.2,
    "shear_degrees": 0.3,
    "zoom": 0.1,
}
GEOMETRY = {"enabled", "strength", *MOVED}

# Of each row: its architecture, and in what it differs from the others.
ROWS = {
    "ann_baseline_adam": ("ann_baseline", {}),
    "ann_baseline_sgd": (
        "ann_baseline",
        {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.0},
    ),
    "ann_deep": ("ann_deep", {}),
    "ann_small": ("ann_small", {}),
    "ann_dropout": ("ann_dropout", {}),
    "ann_l2": ("ann_l2", {}),
    "ann_deep_best_weights": ("ann_deep", {"restore_best_weights": True}),
    "ann_deep_rate_0005": ("ann_deep", {"restore_best_weights": True, "learning_rate": 0.0005}),
    "cnn_baseline": ("cnn_baseline", {}),
    "cnn_deep": ("cnn_deep", {}),
    "cnn_dropout": ("cnn_dropout", {}),
    "xception": ("xception", {}),
    "xception_deep": ("xception_deep", {}),
    "resnet101": ("resnet101", {}),
    "xception_augmented": ("xception", {"batch_size": 214}),
    "xception_deep_augmented": ("xception_deep", {"batch_size": 214}),
    "cnn_deep_augmented": ("cnn_deep", {"batch_size": 214}),
}
WHOLE = {"backbone": "whole", "restore_best_weights": True, "patience_epochs": 5}
STAND_INS = {
    "efficientnet_lite0": ("efficientnet_lite0", {}),
    "efficientnet_lite0_augmented": ("efficientnet_lite0", {"batch_size": 214}),
    "efficientnet_lite0_whole": ("efficientnet_lite0", WHOLE),
    "efficientnet_lite0_whole_augmented": ("efficientnet_lite0", {"batch_size": 214, **WHOLE}),
}
ALL_ROWS = {**ROWS, **STAND_INS}


@pytest.fixture(scope="module")
def settings():
    return load_settings("study")


def test_every_row_of_the_study_is_a_candidate_and_has_its_published_figures(settings):
    assert set(PUBLISHED) == set(ROWS)
    assert len(PUBLISHED) == 17
    assert list(settings.candidates)[17:] == list(STAND_INS)
    assert set(settings.candidates) == set(ALL_ROWS)


@pytest.mark.parametrize("name", ALL_ROWS)
def test_a_row_is_trained_as_the_study_says(settings, name):
    candidate = settings.candidates[name]
    architecture, changes = ALL_ROWS[name]
    augmentation = candidate.training.augmentation
    expected = TrainingSettings(
        **{
            "optimizer": "adam",
            "learning_rate": 0.001,  # Keras' default for Adam
            "schedule": "constant",
            "batch_size": 44,
            "epochs": 100,
            "patience_epochs": 10,
            "restore_best_weights": False,
            "balance": "none",
            "mixed_precision": False,
            **changes,
        },
        augmentation=augmentation,
    )
    assert candidate.training == expected
    assert candidate.architecture == architecture
    assert not candidate.tune
    pretrained = is_pretrained(architecture)
    of_imagenet = "package" if name in STAND_INS else "imagenet"
    assert candidate.weights == (of_imagenet if pretrained else "none")
    assert candidate.normalisation == "none"
    assert candidate.num_views == 1
    assert candidate.training.fine_tuning == FineTuningSettings()


@pytest.mark.parametrize("name", ALL_ROWS)
def test_augmentation_is_geometry_alone_and_of_few_rows_alone(settings, name):
    augmentation = settings.candidates[name].training.augmentation
    assert augmentation.enabled == name.endswith("_augmented")
    if augmentation.enabled:
        values = augmentation.model_dump()
        assert {key: values[key] for key in MOVED} == MOVED
        assert augmentation.strength == 1.0
        # A kind of change that is added one day must be left out here, too.
        others = {key: values[key] for key in values.keys() - GEOMETRY}
        assert others == dict.fromkeys(others, 0.0)
        assert others.keys() == AugmentationSettings.model_fields.keys() - GEOMETRY


def test_the_rest_of_the_run_serves_the_table(settings):
    assert settings.study.enabled
    assert not settings.ensemble.enabled
    assert not settings.operating_point.stress
    assert settings.transform.image_size_px == 128
    assert settings.data.validation_fraction == 0.2


def test_weights_of_one_row_can_be_given_alone():
    changed = load_settings("study", ["candidates.xception.weights=none"])
    assert changed.candidates["xception"].weights == "none"
    assert changed.candidates["xception_augmented"].weights == "imagenet"
