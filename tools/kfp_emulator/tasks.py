"""How the tasks of a DAG hang together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

_ON_EXIT = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED


def is_exit_task(task: Any) -> bool:
    """Return whether a task runs when another has ended, whatever became of it."""
    return bool(task.trigger_policy.strategy == _ON_EXIT)


def producers(task: Any) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, input name, producing task and output key of each input from a task.

    The kind is "parameters" or "artifacts".
    """
    for name, spec in task.inputs.parameters.items():
        if spec.WhichOneof("kind") == "task_output_parameter":
            source = spec.task_output_parameter
            yield "parameters", name, source.producer_task, source.output_parameter_key
    for name, spec in task.inputs.artifacts.items():
        if spec.WhichOneof("kind") == "task_output_artifact":
            source = spec.task_output_artifact
            yield "artifacts", name, source.producer_task, source.output_artifact_key


def dependencies(task: Any) -> set[str]:
    """Return the tasks that must succeed before this one; of an exit task, that must end."""
    if is_exit_task(task):
        return set(task.dependent_tasks)
    return set(task.dependent_tasks) | {producer for _, _, producer, _ in producers(task)}


def find_cycle(dag: Any) -> list[str]:
    """Return the tasks that wait for each other, or for such ones; empty without a cycle."""
    waiting = {name: dependencies(task) & set(dag.tasks) for name, task in dag.tasks.items()}
    while True:
        free = [name for name, needs in waiting.items() if not needs & set(waiting)]
        if not free:
            return sorted(waiting)
        for name in free:
            del waiting[name]
