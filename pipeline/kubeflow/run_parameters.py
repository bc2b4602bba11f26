"""The parameters that a run may be given at submission, and what they change.

KFP binds a parameter to a whole input of a task, while TFX's settings travel as JSON within one.
So a parameter that belongs into such a JSON reaches the task as a separate input, with the prefix
`set_`, and the entrypoint puts it in its place, under the configuration's own checks.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from contract.errors import InputError
from contract.settings import (
    CUSTOM_CONFIG_KEY,
    CandidateRun,
    EnsembleRun,
    GateSettings,
    PipelineSettings,
    Settings,
)

PREFIX = "set_"
GATE_PREFIX = "gate_"
STRING, DOUBLE, INTEGER, BOOLEAN = "STRING", "NUMBER_DOUBLE", "NUMBER_INTEGER", "BOOLEAN"
# Ways in which a parameter arrives in a task.
DATA_DIR, PUSH_DIR, RUNS_DIR = "data_dir", "push_dir", "runs_dir"
TARGET_SENSITIVITY, EPOCHS = "target_sensitivity", "epochs"
MAX_TRIALS, MAX_MINUTES = "max_trials", "max_minutes"
REQUIRE_BASELINE = "gate_require_baseline"

Value = str | float | int | bool
_SettingsT = TypeVar("_SettingsT", bound=Settings)


@dataclasses.dataclass(frozen=True)
class RunParameter:
    """One parameter of a run.

    Attributes:
        name: As it is given at submission.
        type: KFP's name of its type.
        default: What holds where it is not given.
        description: For the form in KFP's pages.
    """

    name: str
    type: str
    default: Value
    description: str


def run_parameters(settings: PipelineSettings) -> list[RunParameter]:
    """Return all parameters of a run, with the defaults that `settings` give them."""
    cluster = settings.kubeflow
    return [
        RunParameter(
            DATA_DIR,
            STRING,
            cluster.data_dir,
            "Folder of TFRecords, as pipeline.convert writes it: on the volume or s3://",
        ),
        RunParameter(
            PUSH_DIR, STRING, cluster.push_dir, "Folder of the served versions; volume or s3://"
        ),
        RunParameter(RUNS_DIR, STRING, cluster.runs_dir, "Folder for the summaries of runs"),
        RunParameter(
            TARGET_SENSITIVITY,
            DOUBLE,
            settings.operating_point.target_sensitivity,
            "What the lower 95% bound of the recall on validation must reach",
        ),
        RunParameter(EPOCHS, INTEGER, 0, "Of every candidate; 0 leaves what the candidates say"),
        RunParameter(MAX_TRIALS, INTEGER, settings.tuner.max_trials, "Of each search"),
        RunParameter(
            MAX_MINUTES,
            DOUBLE,
            settings.tuner.max_minutes or 0.0,
            "No trial of a search begins after this time; 0 sets no limit",
        ),
        *_gate_parameters(settings.gate),
    ]


def _gate_parameters(gate: GateSettings) -> list[RunParameter]:
    types = {bool: BOOLEAN, int: INTEGER, float: DOUBLE}
    return [
        RunParameter(
            GATE_PREFIX + name,
            types[type(value)],
            value,
            f"The gate's {name.replace('_', ' ')}",
        )
        for name, value in gate.model_dump().items()
        if type(value) in types  # bounds on external sets are compiled in
    ]


def apply_run_parameters(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Put a task's `set_` inputs into the settings that they change.

    Args:
        properties: The task's execution properties as KFP hands them over: numbers are doubles.

    Returns:
        The properties without those inputs, and with settings that follow them. Where nothing
        of the settings changes, their text stays what it was.

    Raises:
        InputError: A value is out of its bounds, or a task got a parameter that it has no
            place for.
    """
    given = {
        name.removeprefix(PREFIX): value
        for name, value in properties.items()
        if name.startswith(PREFIX)
    }
    rest = {name: value for name, value in properties.items() if not name.startswith(PREFIX)}
    if not given:
        return rest
    if PUSH_DIR in given:
        return {**rest, "push_destination": _push_destination(given.pop(PUSH_DIR))}
    if REQUIRE_BASELINE in given and "require_baseline" in rest:
        return {**rest, "require_baseline": int(given.pop(REQUIRE_BASELINE))}
    if "custom_config" in rest:
        config = json.loads(rest["custom_config"])
        run = CandidateRun.model_validate_json(config[CUSTOM_CONFIG_KEY])
        changed = _changed_candidate(run, given)
        if changed == run:
            return rest
        config[CUSTOM_CONFIG_KEY] = changed.model_dump_json()
        return {**rest, "custom_config": json.dumps(config)}
    if "eval_config" in rest:
        return {**rest, "eval_config": _eval_config(given)}
    if all(name.startswith(GATE_PREFIX) for name in given):
        gate = GateSettings.model_validate_json(rest["settings"])
        return {**rest, "settings": _changed_gate(gate, given).model_dump_json()}
    ensemble = EnsembleRun.model_validate_json(rest["settings"])
    return {
        **rest,
        "settings": _changed(ensemble, given, {TARGET_SENSITIVITY: _SENSITIVITY}).model_dump_json(),
    }


_SENSITIVITY = ("operating_point", "target_sensitivity")


def _changed_candidate(run: CandidateRun, given: Mapping[str, Any]) -> CandidateRun:
    values = dict(given)
    if values.get(EPOCHS) == 0:
        del values[EPOCHS]
    if values.get(MAX_MINUTES) == 0:
        values[MAX_MINUTES] = None
    return _changed(
        run,
        values,
        {
            TARGET_SENSITIVITY: _SENSITIVITY,
            EPOCHS: ("candidate", "training", "epochs"),
            MAX_TRIALS: ("tuner", "max_trials"),
            MAX_MINUTES: ("tuner", "max_minutes"),
        },
    )


def _changed_gate(gate: GateSettings, given: Mapping[str, Any]) -> GateSettings:
    return _changed(gate, given, {name: (name.removeprefix(GATE_PREFIX),) for name in given})


def _eval_config(given: Mapping[str, Any]) -> str:
    # Imported here: TensorFlow Model Analysis, which only this task needs.
    from tfx.utils import proto_utils

    from evaluation.tfma_config import create_eval_config

    return proto_utils.proto_to_json(create_eval_config(_changed_gate(GateSettings(), given)))


def _push_destination(push_dir: str) -> str:
    return json.dumps({"filesystem": {"base_directory": push_dir}})


def _changed(
    settings: _SettingsT, given: Mapping[str, Any], places: Mapping[str, Sequence[str]]
) -> _SettingsT:
    tree = settings.model_dump()
    for name, value in given.items():
        if name not in places:
            raise InputError(
                f"expected one of the run parameters {', '.join(places)} in this task, got {name!r}"
            )
        *sections, key = places[name]
        section = tree
        for each in sections:
            section = section[each]
        section[key] = value
    try:
        return type(settings).model_validate(tree)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}, got {each['input']!r}"
            for each in error.errors()
        )
        raise InputError(f"a run parameter is out of its bounds: {found}") from error
