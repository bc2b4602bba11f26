"""What KFP hands to a task, turned into what TFX's own entrypoint can read.

KFP leaves the types of inputs empty, adds outputs of types that TFX does not know, wraps
structured metadata, and speaks of objects in a store. Everything here works on the JSON form of
KFP's `ExecutorInput`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.errors import InputError
from pipeline.kubeflow.pod_paths import to_local
from pipeline.kubeflow.run_parameters import apply_run_parameters

SYSTEM_TYPES = "system."  # artifacts that KFP's pages show, and its logs; none is TFX's
_INJECTED = ("display_name", "store_session_info")
_WRAPPERS = ("struct", "list")

Json = dict[str, Any]


def for_tfx(executor_input: Json, inputs_spec: Mapping[str, Any]) -> Json:
    """Return an `ExecutorInput` that TFX's entrypoint understands.

    Args:
        executor_input: As KFP's launcher fills it in for `{{$}}`.
        inputs_spec: The component's `ComponentInputsSpec`: names and types of its inputs.

    Returns:
        A new tree: inputs have their types, all URIs are local, outputs of KFP's own types are
        gone, run parameters are in their place.

    Raises:
        InputError: An input is not in the specification, or a run parameter is out of bounds.
    """
    inputs = executor_input.get("inputs", {})
    outputs = executor_input["outputs"]
    types = inputs_spec.get("artifacts", {})
    return {
        **executor_input,
        "inputs": {
            **inputs,
            "parameterValues": apply_run_parameters(_as_declared(inputs, inputs_spec)),
            "artifacts": {
                name: {"artifacts": [_input_artifact(name, each, types) for each in artifacts]}
                for name, artifacts in _lists(inputs)
            },
        },
        "outputs": {
            **outputs,
            "artifacts": {
                name: {"artifacts": [_localised(each) for each in artifacts]}
                for name, artifacts in _lists(outputs)
                if not is_of_kfp(artifacts[0])
            },
        },
    }


def outputs_of_kfp(executor_input: Json) -> dict[str, Json]:
    """Return the outputs of KFP's own types, by name, with local URIs."""
    return {
        name: _localised(artifacts[0])
        for name, artifacts in _lists(executor_input["outputs"])
        if is_of_kfp(artifacts[0])
    }


def is_of_kfp(artifact: Mapping[str, Any]) -> bool:
    """Return whether an artifact is of a type such as system.HTML."""
    return str(artifact.get("type", {}).get("schemaTitle", "")).startswith(SYSTEM_TYPES)


def make_output_folders(executor_input: Json) -> None:
    """Make the folders that outputs go to; local URIs are expected."""
    for _, artifacts in _lists(executor_input["outputs"]):
        for artifact in artifacts:
            Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)
    Path(executor_input["outputs"]["outputFile"]).parent.mkdir(parents=True, exist_ok=True)


def _as_declared(inputs: Mapping[str, Any], inputs_spec: Mapping[str, Any]) -> Json:
    """Return parameters with structures as JSON texts, where a text is declared.

    The final status of other tasks is handed over as a structure.
    """
    types = inputs_spec.get("parameters", {})
    return {
        name: json.dumps(value)
        if isinstance(value, dict | list) and types.get(name, {}).get("parameterType") == "STRING"
        else value
        for name, value in inputs.get("parameterValues", {}).items()
    }


def _lists(side: Mapping[str, Any]) -> list[tuple[str, list[Json]]]:
    return [(name, entry["artifacts"]) for name, entry in side.get("artifacts", {}).items()]


def _input_artifact(name: str, artifact: Json, types: Mapping[str, Any]) -> Json:
    if name not in types:
        raise InputError(
            f"expected the inputs {', '.join(types) or '(none)'}, got {name!r}: the compiled "
            "pipeline and this image are of different versions; compile it again"
        )
    return {**_localised(artifact), "type": types[name]["artifactType"]}


def _localised(artifact: Json) -> Json:
    changed = {**artifact, "uri": to_local(artifact["uri"])}
    if "metadata" in artifact:
        changed["metadata"] = {
            key: _unwrapped(value)
            for key, value in artifact["metadata"].items()
            if key not in _INJECTED
        }
    return changed


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _WRAPPERS:
        return next(iter(value.values()))
    return value
