import keras_tuner
import pytest

from contract.settings import (
    CandidateRun,
    CandidateSettings,
    OperatingPointSettings,
    TrainingSettings,
    TunerSettings,
)
from models.search_spaces import apply_hyperparameters, declare_space


def run_of(backbone: str, **tuner) -> CandidateRun:
    return CandidateRun(
        name="lite",
        seed=0,
        image_size_px=64,
        candidate=CandidateSettings(
            architecture="efficientnet_lite0",
            training=TrainingSettings(backbone=backbone, learning_rate=1e-3),
        ),
        tuner=TunerSettings(**tuner),
        operating_point=OperatingPointSettings(),
    )


def declared(run: CandidateRun) -> dict[str, object]:
    found = keras_tuner.HyperParameters()
    declare_space(found, run)
    return found.values


def test_rates_of_stages_are_searched_where_all_layers_are_trained():
    assert declared(run_of("whole"))["layer_decay"] == 1.0
    assert "layer_decay" not in declared(run_of("frozen"))


def test_a_chosen_rate_of_stages_reaches_the_training():
    run = apply_hyperparameters(run_of("whole"), {"layer_decay": 0.6})
    assert run.candidate.training.layer_decay == 0.6
    assert run.candidate.training.backbone == "whole"


def test_a_name_that_cannot_be_searched_is_refused():
    with pytest.raises(ValueError, match=r"got \['head_epochs'\]"):
        declared(run_of("whole", space={"head_epochs": [1, 2]}))
