"""Problems of a task's inputs: those that KFP refuses, and those that its driver meets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.kfp_emulator.tasks import is_exit_task, producers


def refused(spec: Any, parent: Any, task: Any, place: str) -> Iterator[str]:
    """Yield a line for each input that KFP refuses, or that is not emulated.

    Args:
        spec: The `PipelineSpec`.
        parent: The `ComponentSpec` of the task's DAG.
        task: The `PipelineTaskSpec`, whose component exists.
        place: The task's path in the spec, for the messages.
    """
    for kind, name, producer, _ in producers(task):
        if producer not in parent.dag.tasks:
            yield f"{place}.inputs.{kind}.{name}: unknown producer task {producer!r}"
    for name, source in task.inputs.parameters.items():
        kind = source.WhichOneof("kind")
        at = f"{place}.inputs.parameters.{name}"
        if source.parameter_expression_selector:
            yield f"{at}: expected no parameterExpressionSelector, which is not emulated"
        if kind == "runtime_value" and source.runtime_value.WhichOneof("value") != "constant":
            yield f"{at}: expected a constant as runtimeValue"
        elif kind == "task_final_status" and not is_exit_task(task):
            yield f"{at}: expected taskFinalStatus in an exit handler alone"
        elif kind is None:
            yield f"{at}: expected a source, got none"
    component = spec.components[task.component_ref.name]
    for name, definition in component.input_definitions.parameters.items():
        if not definition.parameter_type:
            yield f"components.{task.component_ref.name}: expected a parameterType of {name!r}"


def passed_over(spec: Any, parent: Any, task: Any, place: str) -> Iterator[str]:
    """Yield a line for each input that the driver cannot resolve when the run comes to it.

    Args:
        spec: See `refused`, as the others.
        parent: The DAG's component.
        task: The task.
        place: Its path in the spec.
    """
    for kind, name, producer, key in producers(task):
        made_by = parent.dag.tasks.get(producer)
        component = spec.components.get(made_by.component_ref.name) if made_by else None
        if component is not None and key not in getattr(component.output_definitions, kind):
            at = f"{place}.inputs.{kind}.{name}"
            yield f"{at}: the task {producer!r} has no output {key!r}"
    for name, source in task.inputs.parameters.items():
        wanted = source.component_input_parameter
        if wanted and wanted not in parent.input_definitions.parameters:
            at = f"{place}.inputs.parameters.{name}"
            yield f"{at}: the DAG does not have the input parameter {wanted!r}"
    for name, artifact in task.inputs.artifacts.items():
        wanted = artifact.component_input_artifact
        if wanted and wanted not in parent.input_definitions.artifacts:
            at = f"{place}.inputs.artifacts.{name}"
            yield f"{at}: the DAG does not have the input artifact {wanted!r}"
    component = spec.components[task.component_ref.name]
    for name, definition in component.input_definitions.parameters.items():
        if (
            name not in task.inputs.parameters
            and not definition.is_optional
            and not definition.HasField("default_value")
        ):
            yield f"{place}: neither a value nor a default of the parameter {name!r}"
