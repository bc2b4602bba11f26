"""Which run parameters each task gets, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contract import nodes as node_names
from pipeline.kubeflow.run_folder import KEPT_FILES
from pipeline.kubeflow.run_parameters import (
    BOOLEAN,
    DATA_DIR,
    EPOCHS,
    GATE_PREFIX,
    MAX_MINUTES,
    MAX_TRIALS,
    PREFIX,
    PUSH_DIR,
    REQUIRE_BASELINE,
    RUNS_DIR,
    STRING,
    TARGET_SENSITIVITY,
    RunParameter,
)

Json = dict[str, Any]
RUN_ID = "{{$.pipeline_job_uuid}}"  # where a constant is exactly this, KFP puts the run's id
# Inputs that are a run parameter unchanged, by node and input.
_DIRECT: Mapping[str, Mapping[str, str]] = {
    node_names.EXAMPLE_GEN: {"input_base": DATA_DIR},
    node_names.BASELINE: {"push_dir": PUSH_DIR},
    node_names.REPORT: {"records_dir": DATA_DIR},
    node_names.RUN_SUMMARY: {"runs_dir": RUNS_DIR},
}
# Parameters that change a part of a task's settings, by the node or its first word.
_WITHIN: Mapping[str, Sequence[str]] = {
    "Tuner": (TARGET_SENSITIVITY, MAX_TRIALS, MAX_MINUTES),
    "Trainer": (TARGET_SENSITIVITY, EPOCHS),
    node_names.ENSEMBLE: (TARGET_SENSITIVITY,),
    node_names.PUSHER: (PUSH_DIR,),
}
# TFMA's bounds; the gate node has these and all others.
_EVALUATOR_BOUNDS = tuple(
    GATE_PREFIX + name
    for name in ("min_recall", "min_specificity", "min_auc", "max_recall_drop", "max_auc_drop")
)


def bind_parameters(
    node: str, task: Json, component: Json, parameters: Sequence[RunParameter]
) -> None:
    """Connect a task with the run parameters that change it.

    Args:
        node: Id of the task's node.
        task: Its `PipelineTaskSpec`; changed in place.
        component: Its `ComponentSpec`; changed in place.
        parameters: All parameters of the run.
    """
    types = {each.name: each.type for each in parameters}
    for name, parameter in _DIRECT.get(node, {}).items():
        _connect(task, name, parameter)
    if node == node_names.BASELINE:
        # The node declares a number, and KFP would not take a truth value for it.
        _add(task, component, PREFIX + REQUIRE_BASELINE, BOOLEAN, REQUIRE_BASELINE)
    for parameter in _within(node, types):
        _add(task, component, PREFIX + parameter, types[parameter], parameter)
    if RUNS_DIR not in _DIRECT.get(node, {}).values():
        _add(task, component, PREFIX + RUNS_DIR, STRING, RUNS_DIR)
    if node in KEPT_FILES:
        _define(component, PREFIX + "run_id", STRING)
        _inputs(task)[PREFIX + "run_id"] = {"runtimeValue": {"constant": RUN_ID}}


def _within(node: str, types: Mapping[str, str]) -> Sequence[str]:
    if node == node_names.EVALUATOR:
        return _EVALUATOR_BOUNDS
    if node == node_names.GATE:
        return [name for name in types if name.startswith(GATE_PREFIX)]
    return _WITHIN.get(node.split("-", maxsplit=1)[0], ())


def _add(task: Json, component: Json, name: str, type_name: str, parameter: str) -> None:
    _define(component, name, type_name)
    _connect(task, name, parameter)


def _define(component: Json, name: str, type_name: str) -> None:
    definitions = component.setdefault("inputDefinitions", {}).setdefault("parameters", {})
    definitions[name] = {"parameterType": type_name}


def _connect(task: Json, name: str, parameter: str) -> None:
    _inputs(task)[name] = {"componentInputParameter": parameter}


def _inputs(task: Json) -> Json:
    parameters: Json = task.setdefault("inputs", {}).setdefault("parameters", {})
    return parameters
