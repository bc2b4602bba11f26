"""The driver's first half: where the inputs of a task come from."""

from __future__ import annotations

from typing import Any

from google.protobuf import struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.metadata_store import StoredArtifact
from tools.kfp_emulator.metadata_values import to_struct
from tools.kfp_emulator.parameter_types import convert
from tools.kfp_emulator.run_context import RunContext, Scope

_DAG_EXECUTION_ID = "1"  # the metadata store's number of the DAG that the task is in


class DriverError(Exception):
    """The driver cannot start a task; it is not tried again."""


def resolve_inputs(task: Any, component: Any, scope: Scope, run: RunContext) -> Any:
    """Return the `ExecutorInput.Inputs` of a task.

    Args:
        task: Its `PipelineTaskSpec`.
        component: Its `ComponentSpec`.
        scope: Of its DAG.
        run: The run.

    Raises:
        DriverError: A source is missing, or has another type than the component says.
    """
    inputs = pipeline_spec_pb2.ExecutorInput.Inputs()
    definitions = component.input_definitions.parameters
    for name, source in task.inputs.parameters.items():
        value = _resolve_parameter(name, source, task, scope, run)
        if value.WhichOneof("kind") == "null_value":
            if name in definitions and definitions[name].is_optional:
                continue  # the launcher fills in the default
            raise DriverError(f"the resolved input parameter is null: {name}")
        if name in definitions:
            try:
                value = convert(value, definitions[name].parameter_type)
            except ValueError as error:
                raise DriverError(f"input parameter {name!r}: {error}") from error
        inputs.parameter_values[name].CopyFrom(value)
    for name, source in task.inputs.artifacts.items():
        inputs.artifacts[name].artifacts.append(_resolve_artifact(name, source, scope))
    return inputs


def dag_scope(task: Any, component: Any, scope: Scope, run: RunContext) -> Scope:
    """Return the scope of a sub-DAG that has no outcomes yet.

    Raises:
        DriverError: As `resolve_inputs`.
    """
    inputs = resolve_inputs(task, component, scope, run)
    parameters = {
        name: definition.default_value
        for name, definition in component.input_definitions.parameters.items()
        if definition.HasField("default_value")
    }
    artifacts = {
        name: _find_artifact(name, source, scope) for name, source in task.inputs.artifacts.items()
    }
    return Scope(parameters | dict(inputs.parameter_values), artifacts, {})


def _resolve_parameter(name: str, source: Any, task: Any, scope: Scope, run: RunContext) -> Any:
    match source.WhichOneof("kind"):
        case "component_input_parameter":
            wanted = source.component_input_parameter
            if wanted not in scope.parameters:
                raise DriverError(f"parent DAG does not have input parameter {wanted}")
            return scope.parameters[wanted]
        case "runtime_value":
            return _constant(source.runtime_value.constant, task, run)
        case "task_output_parameter":
            producer, key = (
                source.task_output_parameter.producer_task,
                source.task_output_parameter.output_parameter_key,
            )
            outcome = scope.outcomes.get(producer)
            if outcome is None or key not in outcome.parameters:
                raise DriverError(f"parameter {name!r}: task {producer} did not write {key!r}")
            return outcome.parameters[key]
        case _:
            return _final_status(task, scope, run)


def _constant(constant: Any, task: Any, run: RunContext) -> Any:
    replacement = {
        "{{$.pipeline_job_name}}": run.display_name,
        "{{$.pipeline_job_resource_name}}": run.run_name,
        "{{$.pipeline_job_uuid}}": run.run_id,
        "{{$.pipeline_job_create_time_utc}}": run.created,
        "{{$.pipeline_job_schedule_time_utc}}": run.created,
        "{{$.pipeline_task_name}}": task.task_info.name,
        "{{$.pipeline_task_uuid}}": _DAG_EXECUTION_ID,
    }.get(constant.string_value)
    if replacement is None:
        return constant
    return struct_pb2.Value(string_value=replacement)


def _final_status(task: Any, scope: Scope, run: RunContext) -> Any:
    """Return the status of the task that an exit handler waits for.

    The state is ML Metadata's, `COMPLETE` or `FAILED`, and the error has neither code nor
    message: KFP knows them, but does not fill them in.
    """
    producer = task.dependent_tasks[0]
    outcome = scope.outcomes[producer]
    value = struct_pb2.Value()
    value.struct_value.update(
        {
            "state": "COMPLETE" if outcome.is_success else "FAILED",
            "error": {},
            "pipelineJobResourceName": run.run_name,
            "pipelineTaskName": producer,
        }
    )
    return value


def _find_artifact(name: str, source: Any, scope: Scope) -> StoredArtifact:
    if source.WhichOneof("kind") == "component_input_artifact":
        wanted = source.component_input_artifact
        if wanted not in scope.artifacts:
            raise DriverError(f"parent DAG does not have input artifact {wanted}")
        return scope.artifacts[wanted]
    producer, key = (
        source.task_output_artifact.producer_task,
        source.task_output_artifact.output_artifact_key,
    )
    outcome = scope.outcomes.get(producer)
    if outcome is None or key not in outcome.artifacts:
        raise DriverError(f"artifact {name!r}: task {producer} did not record {key!r}")
    return outcome.artifacts[key]


def _resolve_artifact(name: str, source: Any, scope: Scope) -> Any:
    stored = _find_artifact(name, source, scope)
    artifact = pipeline_spec_pb2.RuntimeArtifact(name=str(stored.artifact_id), uri=stored.uri)
    artifact.metadata.CopyFrom(to_struct(stored.properties))
    if source.WhichOneof("kind") == "task_output_artifact":
        # The schema is lost on the way through the store, what is left is an empty text.
        artifact.type.instance_schema = ""
    return artifact
