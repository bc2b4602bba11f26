from __future__ import annotations

from typing import Any

import pytest

from contract.settings import GateSettings, PipelineSettings
from pipeline.kubeflow.run_parameters import run_parameters
from pipeline.kubeflow.task_parameters import RUN_ID, bind_parameters

PARAMETERS = run_parameters(PipelineSettings())
# Bounds of external sets are a mapping, which no run parameter holds.
GATE = {f"gate_{name}" for name in GateSettings.model_fields if name != "external"}
Json = dict[str, Any]


def _bind(node: str, *declared: str) -> tuple[dict[str, str], Json]:
    """Return which run parameter each input is, and the inputs' definitions."""
    task: Json = {"inputs": {"parameters": {name: _constant("x") for name in declared}}}
    types = {name: {"parameterType": "STRING"} for name in declared}
    component: Json = {"inputDefinitions": {"parameters": types}}
    bind_parameters(node, task, component, PARAMETERS)
    sources = task["inputs"]["parameters"]
    bound = {
        name: source["componentInputParameter"]
        for name, source in sources.items()
        if "componentInputParameter" in source
    }
    definitions = component["inputDefinitions"]["parameters"]
    # KFP refuses a task whose inputs and definitions differ.
    assert set(sources) == set(definitions)
    assert {name for name in sources if name not in bound} <= {*declared, "set_run_id"}
    return bound, definitions


def _constant(value: str) -> Json:
    return {"runtimeValue": {"constant": value}}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("Transform", set()),
        ("Tuner-small", {"target_sensitivity", "max_trials", "max_minutes"}),
        ("Trainer-small", {"target_sensitivity", "epochs"}),
        ("Ensemble", {"target_sensitivity"}),
        ("Pusher", {"push_dir"}),
        ("ModelGate", GATE),
        (
            "Evaluator",
            {f"gate_{name}" for name in ("min_recall", "min_specificity", "min_auc")}
            | {"gate_max_recall_drop", "gate_max_auc_drop"},
        ),
    ],
)
def test_a_task_gets_the_parameters_that_change_it(node: str, expected: set[str]) -> None:
    bound, definitions = _bind(node)
    assert bound == {f"set_{name}": name for name in expected | {"runs_dir"}}
    types = {each.name: each.type for each in PARAMETERS}
    for name, parameter in bound.items():
        assert definitions[name] == {"parameterType": types[parameter]}


def test_inputs_that_are_a_parameter_as_they_stand() -> None:
    assert _bind("ImportExampleGen", "input_base", "input_config")[0] == {
        "input_base": "data_dir",
        "set_runs_dir": "runs_dir",
    }
    assert _bind("RunSummary", "runs_dir", "run_id")[0] == {"runs_dir": "runs_dir"}


def test_the_baseline_is_told_whether_one_is_required_as_a_truth_value() -> None:
    bound, definitions = _bind("Baseline", "push_dir")
    assert bound == {
        "push_dir": "push_dir",
        "set_gate_require_baseline": "gate_require_baseline",
        "set_runs_dir": "runs_dir",
    }
    assert definitions["set_gate_require_baseline"] == {"parameterType": "BOOLEAN"}


@pytest.mark.parametrize(("node", "has"), [("ModelGate", True), ("Pusher", True), ("Tuner", False)])
def test_only_nodes_that_leave_a_verdict_get_the_runs_id(node: str, has: bool) -> None:
    """In the others it would be in the cache's key, which no other run has."""
    task: Json = {}
    bind_parameters(node, task, {}, PARAMETERS)
    run_id = task["inputs"]["parameters"].get("set_run_id")
    assert run_id == (_constant(RUN_ID) if has else None)
