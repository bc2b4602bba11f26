import json

import pytest
from tfx.utils import proto_utils

from contract.errors import InputError
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    CandidateRun,
    CandidateSettings,
    EnsembleRun,
    EnsembleSettings,
    GateSettings,
    OperatingPointSettings,
    PipelineSettings,
    TunerSettings,
)
from evaluation.tfma_config import create_eval_config
from pipeline.kubeflow.run_parameters import apply_run_parameters, run_parameters


def candidate_properties(**given):
    run = CandidateRun(
        name="small",
        seed=0,
        image_size_px=32,
        candidate=CandidateSettings(),
        tuner=TunerSettings(),
        operating_point=OperatingPointSettings(),
    )
    config = json.dumps({CUSTOM_CONFIG_KEY: run.model_dump_json()})
    return run, {"custom_config": config, "run_fn": "models.train.run_fn", **given}


def changed_run(properties):
    config = json.loads(apply_run_parameters(properties)["custom_config"])
    return CandidateRun.model_validate_json(config[CUSTOM_CONFIG_KEY])


def test_all_parameters_have_a_default_of_their_type():
    types = {"STRING": str, "NUMBER_DOUBLE": float, "NUMBER_INTEGER": int, "BOOLEAN": bool}
    parameters = run_parameters(PipelineSettings())
    for each in parameters:
        assert type(each.default) is types[each.type], each
    names = {each.name for each in parameters}
    assert {"data_dir", "push_dir", "target_sensitivity", "epochs", "max_trials"} <= names
    gate = {f"gate_{name}" for name in GateSettings.model_fields}
    assert gate - names == {"gate_external"}  # its names are the configuration's


def test_defaults_follow_the_configuration():
    settings = PipelineSettings(
        gate=GateSettings(min_recall=0.97), tuner=TunerSettings(max_trials=7)
    )
    defaults = {each.name: each.default for each in run_parameters(settings)}
    assert defaults["gate_min_recall"] == 0.97
    assert defaults["max_trials"] == 7


def test_a_task_without_parameters_stays_as_it_is():
    assert apply_run_parameters({"input_base": "/mnt/data"}) == {"input_base": "/mnt/data"}


def test_a_candidate_is_changed():
    _, properties = candidate_properties(
        set_epochs=3.0, set_target_sensitivity=0.9, set_max_trials=5.0, set_max_minutes=1.5
    )
    run = changed_run(properties)
    assert run.candidate.training.epochs == 3
    assert run.operating_point.target_sensitivity == 0.9
    assert run.tuner.max_trials == 5
    assert run.tuner.max_minutes == 1.5


def test_zero_leaves_epochs_and_means_no_limit_of_time():
    run, properties = candidate_properties(set_epochs=0.0, set_max_minutes=0.0)
    assert changed_run(properties) == run


def test_defaults_leave_the_text_of_the_settings_alone():
    _, properties = candidate_properties(set_epochs=0.0)
    assert apply_run_parameters(properties)["custom_config"] == properties["custom_config"]
    assert "set_epochs" not in apply_run_parameters(properties)


def test_the_gate_is_changed():
    changed = apply_run_parameters(
        {
            "settings": GateSettings().model_dump_json(),
            "set_gate_min_recall": 0.99,
            "set_gate_min_slice_positives": 12.0,
            "set_gate_require_baseline": True,
        }
    )
    gate = GateSettings.model_validate_json(changed["settings"])
    assert gate == GateSettings(min_recall=0.99, min_slice_positives=12, require_baseline=True)


def test_the_ensemble_is_changed():
    run = EnsembleRun(
        seed=0,
        image_size_px=32,
        ensemble=EnsembleSettings(),
        operating_point=OperatingPointSettings(),
    )
    changed = apply_run_parameters(
        {"settings": run.model_dump_json(), "set_target_sensitivity": 0.8}
    )
    sensitivity = EnsembleRun.model_validate_json(
        changed["settings"]
    ).operating_point.target_sensitivity
    assert sensitivity == 0.8


def test_the_baseline_and_the_push_get_their_places():
    assert apply_run_parameters({"require_baseline": 0.0, "set_gate_require_baseline": True}) == {
        "require_baseline": 1
    }
    changed = apply_run_parameters({"push_destination": "{}", "set_push_dir": "s3://models/p"})
    assert json.loads(changed["push_destination"]) == {
        "filesystem": {"base_directory": "s3://models/p"}
    }


def test_the_evaluators_bounds_are_changed():
    bounds = {
        "min_recall": 0.91,
        "min_specificity": 0.5,
        "min_auc": 0.8,
        "max_recall_drop": 0.1,
        "max_auc_drop": 0.2,
    }
    changed = apply_run_parameters(
        {
            "eval_config": "{}",
            **{f"set_gate_{name}": value for name, value in bounds.items()},
        }
    )
    expected = create_eval_config(GateSettings(**bounds))
    assert changed["eval_config"] == proto_utils.proto_to_json(expected)


@pytest.mark.parametrize(
    ("parameter", "value", "told"),
    [
        ("set_target_sensitivity", 1.5, "target_sensitivity"),
        ("set_max_trials", 0.0, "max_trials"),
        ("set_epochs", 2.5, "epochs"),
    ],
)
def test_a_value_out_of_its_bounds_is_told(parameter, value, told):
    _, properties = candidate_properties(**{parameter: value})
    with pytest.raises(InputError, match=told):
        apply_run_parameters(properties)


def test_a_parameter_without_a_place_is_told():
    _, properties = candidate_properties(set_colour="red")
    with pytest.raises(InputError, match="'colour'"):
        apply_run_parameters(properties)
