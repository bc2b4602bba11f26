"""The driver's second half: where outputs go, and what the cache knows of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.executor_rules import EXECUTOR_LOGS
from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.protojson import to_dict
from tools.kfp_emulator.run_context import RunContext


def provision_outputs(task: Any, component: Any, execution_id: str, run: RunContext) -> Any:
    """Return the `ExecutorInput.Outputs` of a task, with files below the root of a pod.

    Args:
        task: Its `PipelineTaskSpec`.
        component: Its `ComponentSpec`.
        execution_id: Unique; a part of the outputs' URIs.
        run: The run.
    """
    folder = f"{run.root}/{task.task_info.name}/{execution_id}"
    location = parse_uri(folder)
    assert location is not None  # a run's root is checked before it starts
    outputs = pipeline_spec_pb2.ExecutorInput.Outputs(
        output_file=str(location.in_pod(Path("/")) / "output_metadata.json")
    )
    for name, definition in component.output_definitions.artifacts.items():
        if name == EXECUTOR_LOGS:
            continue  # KFP puts its own in its place
        artifact = outputs.artifacts[name].artifacts.add(name=name, uri=f"{folder}/{name}")
        artifact.type.CopyFrom(definition.artifact_type)
        if definition.HasField("metadata"):
            artifact.metadata.CopyFrom(definition.metadata)
    logs = outputs.artifacts[EXECUTOR_LOGS].artifacts.add(
        name=EXECUTOR_LOGS, uri=f"{folder}/{EXECUTOR_LOGS}"
    )
    logs.type.schema_title = "system.Artifact"
    for name in component.output_definitions.parameters:
        outputs.parameters[name].output_file = f"/tmp/kfp/outputs/{name}"
    return outputs


def of_attempt(outputs: Any, retries: int) -> Any:
    """Return outputs with the log's own URI, as each attempt of a task has it.

    Args:
        outputs: `ExecutorInput.Outputs` of the task.
        retries: Argo's number of the attempt, from 0.
    """
    own = type(outputs)()
    own.CopyFrom(outputs)
    own.artifacts[EXECUTOR_LOGS].artifacts[0].uri += f"-{retries}"
    return own


def in_pod(outputs: Any, root: Path) -> Any:
    """Return outputs with their files below the folder that stands for a pod's root."""
    local = type(outputs)()
    local.CopyFrom(outputs)
    local.output_file = str(root / outputs.output_file.lstrip("/"))
    for parameter in local.parameters.values():
        parameter.output_file = str(root / parameter.output_file.lstrip("/"))
    return local


def fingerprint(inputs: Any, outputs: Any, component: Any, run: RunContext) -> str:
    """Return what the cache knows a task by.

    It has the ids of input artifacts, the parameters, the outputs' definitions, the image, the
    command with its arguments and the names of volume claims; no content, and no URI.
    """
    container = run.documents.executors[component.executor_label].container
    kubernetes = run.documents.kubernetes.get(component.executor_label)
    claims = {mount.constant for mount in kubernetes.pvc_mount} if kubernetes else set()
    definitions = component.output_definitions
    key = {
        "inputArtifactNames": {
            name: [artifact.name for artifact in entries.artifacts]
            for name, entries in inputs.artifacts.items()
        },
        "inputParameterValues": to_dict(inputs).get("parameterValues", {}),
        "outputArtifactsSpec": {
            name: [to_dict(it.type), to_dict(it.metadata)]
            for name, entries in outputs.artifacts.items()
            for it in entries.artifacts
        },
        "outputParametersSpec": {
            name: definition.parameter_type for name, definition in definitions.parameters.items()
        },
        "containerSpec": [container.image, *container.command, *container.args],
        "pvcNames": sorted(claims),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
