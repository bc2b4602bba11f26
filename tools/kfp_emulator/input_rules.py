"""Problems of a task's inputs that the driver would meet when it resolves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.kfp_emulator.tasks import is_exit_task, producers


def input_problems(spec: Any, parent: Any, task: Any, place: str) -> Iterator[str]:
    """Yield a line for each input that cannot be resolved.

    Args:
        spec: The `PipelineSpec`.
        parent: The `ComponentSpec` of the DAG that the task stands in.
        task: The `PipelineTaskSpec`, whose component exists.
        place: Where it stands, for the messages.
    """
    yield from _source_problems(spec, parent.dag, task, place)
    for name, source in task.inputs.parameters.items():
        kind = source.WhichOneof("kind")
        at = f"{place}.inputs.parameters.{name}"
        if source.parameter_expression_selector:
            yield f"{at}: expected no parameterExpressionSelector, which is not emulated"
        if kind == "component_input_parameter":
            wanted = source.component_input_parameter
            if wanted not in parent.input_definitions.parameters:
                yield f"{at}: the DAG does not have the input parameter {wanted!r}"
        elif kind == "runtime_value" and source.runtime_value.WhichOneof("value") != "constant":
            yield f"{at}: expected a constant as runtimeValue"
        elif kind == "task_final_status" and not is_exit_task(task):
            yield f"{at}: expected taskFinalStatus in an exit handler alone"
        elif kind is None:
            yield f"{at}: expected a source, got none"
    for name, artifact in task.inputs.artifacts.items():
        at = f"{place}.inputs.artifacts.{name}"
        if artifact.WhichOneof("kind") == "component_input_artifact":
            wanted = artifact.component_input_artifact
            if wanted not in parent.input_definitions.artifacts:
                yield f"{at}: the DAG does not have the input artifact {wanted!r}"
    component = spec.components[task.component_ref.name]
    for name, definition in component.input_definitions.parameters.items():
        if not definition.parameter_type:
            yield f"components.{task.component_ref.name}: expected a parameterType of {name!r}"
        if (
            name not in task.inputs.parameters
            and not definition.is_optional
            and not definition.HasField("default_value")
        ):
            yield f"{place}: neither a value nor a default of the parameter {name!r}"


def _source_problems(spec: Any, dag: Any, task: Any, place: str) -> Iterator[str]:
    for kind, name, producer, key in producers(task):
        at = f"{place}.inputs.{kind}.{name}"
        if producer not in dag.tasks:
            yield f"{at}: unknown producer task {producer!r}"
            continue
        component = spec.components.get(dag.tasks[producer].component_ref.name)
        if component is not None and key not in getattr(component.output_definitions, kind):
            yield f"{at}: the task {producer!r} has no output {key!r}"
