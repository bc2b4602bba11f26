"""What the API server, Argo or the driver would refuse, found before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from contract.errors import InputError
from tools.kfp_emulator import executor_rules, input_rules
from tools.kfp_emulator.documents import Documents
from tools.kfp_emulator.tasks import find_cycle, is_exit_task

_PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# Argo takes 128, and the driver's task is called like its task with "-driver" behind.
_ARGO_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,120}")


def check_pipeline(documents: Documents) -> None:
    """Refuse a compiled pipeline that KFP refuses, or that is not emulated.

    Raises:
        InputError: With a line for each problem, which says where it is.
    """
    _raise([*_refused(documents)])


def check_compiled(documents: Documents) -> None:
    """Refuse also what KFP accepts and then ignores, or gets wrong in the middle of a run.

    Raises:
        InputError: With a line for each problem, which says where it is.
    """
    problems = [*_refused(documents), *documents.dropped, *executor_rules.passed_over(documents)]
    for dag_name, component in dags(documents.spec).items():
        for task_name, task in sorted(component.dag.tasks.items()):
            place = f"{dag_name}.dag.tasks.{task_name}"
            if is_exit_task(task) and not task.dependent_tasks:
                # It hangs on that task as a hook: without one it never runs.
                problems.append(f"{place}: expected one dependent task of an exit handler, got 0")
            if task.component_ref.name in documents.spec.components:
                problems += input_rules.passed_over(documents.spec, component, task, place)
    _raise(problems)


def _raise(problems: Sequence[str]) -> None:
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise InputError(
            f"expected a pipeline that KFP accepts, got {len(problems)} problem"
            f"{'s' if len(problems) > 1 else ''}:{lines}\n"
            "How to fix: change what compiles it, not the YAML."
        )


def dags(spec: Any) -> dict[str, Any]:
    """Return component specs of all DAGs by component name, `root` among them."""
    return {"root": spec.root} | {
        name: component
        for name, component in sorted(spec.components.items())
        if component.WhichOneof("implementation") == "dag"
    }


def _refused(documents: Documents) -> Iterator[str]:
    spec = documents.spec
    if not _PIPELINE_NAME.fullmatch(spec.pipeline_info.name):
        yield (
            f"pipelineInfo.name: expected {_PIPELINE_NAME.pattern}, got {spec.pipeline_info.name!r}"
        )
    yield from executor_rules.refused(documents)
    owners: dict[str, str] = {}
    for dag_name, component in dags(spec).items():
        if not _ARGO_NAME.fullmatch(dag_name):
            yield f"components.{dag_name}: {_argo_name(dag_name)}"
        if all(is_exit_task(task) for task in component.dag.tasks.values()):
            yield f"{dag_name}: expected a task that is not an exit handler, got none"
        for task_name, task in sorted(component.dag.tasks.items()):
            place = f"{dag_name}.dag.tasks.{task_name}"
            if not _ARGO_NAME.fullmatch(task_name):
                yield f"{place}: {_argo_name(task_name)}"
            if task_name in owners:
                yield (
                    f"{place}: expected names that no other DAG has, which the emulator's "
                    f"results are filed under, got one of {owners[task_name]}"
                )
            owners[task_name] = dag_name
            if not task.task_info.name:
                yield f"{place}: expected taskInfo.name, got none"
            yield from _task_problems(spec, component, task, place)
        yield from _output_problems(component.dag, f"{dag_name}.dag.outputs")
        cycle = find_cycle(component.dag)
        if cycle:
            yield f"{dag_name}: expected no cycle, got one of {', '.join(cycle)}"


def _argo_name(name: str) -> str:
    return (
        "expected a name that Argo takes (letters, digits and '-', a letter first, at most "
        f"121), got {name!r}"
    )


def _output_problems(dag: Any, place: str) -> Iterator[str]:
    producers = [
        (name, selector.producer_subtask)
        for name, output in dag.outputs.artifacts.items()
        for selector in output.artifact_selectors
    ]
    for name, output in dag.outputs.parameters.items():
        if output.WhichOneof("kind") != "value_from_parameter":
            yield f"{place}.{name}: expected valueFromParameter, others are not emulated"
        producers.append((name, output.value_from_parameter.producer_subtask))
    for name, producer in producers:
        if producer not in dag.tasks:
            yield f"{place}.{name}: unknown producer subtask {producer!r}"


def _task_problems(spec: Any, parent: Any, task: Any, place: str) -> Iterator[str]:
    component = task.component_ref.name
    if component not in spec.components:
        yield f"{place}: expected a known component, got {component!r}"
        return
    if task.WhichOneof("iterator"):
        yield f"{place}: expected no iterator, which is not emulated"
    if task.trigger_policy.condition:
        yield f"{place}: expected no condition, which is not emulated"
    for name in task.dependent_tasks:
        if name not in parent.dag.tasks:
            yield f"{place}.dependentTasks: expected tasks of this DAG, got {name!r}"
    if is_exit_task(task) and len(task.dependent_tasks) > 1:
        yield (
            f"{place}: expected one dependent task of an exit handler, "
            f"got {len(task.dependent_tasks)}"
        )
    yield from input_rules.refused(spec, parent, task, place)
