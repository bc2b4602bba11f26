"""The tasks of a DAG, each as soon as what it needs is there, as Argo runs them."""

from __future__ import annotations

import dataclasses
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from tools.kfp_emulator.resolve_inputs import DriverError, dag_scope
from tools.kfp_emulator.results import TaskResult
from tools.kfp_emulator.run_context import Outcome, RunContext, Scope
from tools.kfp_emulator.task_run import TaskRun
from tools.kfp_emulator.tasks import dependencies, is_exit_task


@dataclasses.dataclass(frozen=True)
class _Ended:
    """A task that has ended, with the results of all tasks in it, exit handlers included."""

    outcome: Outcome
    results: dict[str, TaskResult]


class DagRun:
    """Runs a DAG: the root's, or one inside it."""

    def __init__(self, dag: Any, run: RunContext) -> None:
        """Take the `DagSpec` and the run."""
        self._dag = dag
        self._run = run

    def execute(self, scope: Scope) -> tuple[Outcome, dict[str, TaskResult]]:
        """Run all tasks; what does not depend on a failed one goes on.

        Args:
            scope: With the DAG's inputs, and no outcomes.

        Returns:
            The DAG's outcome and the results of all tasks below it by name. Exit handlers play
            no part in the outcome.
        """
        waiting = {name: it for name, it in sorted(self._dag.tasks.items()) if not is_exit_task(it)}
        outcomes: dict[str, Outcome] = {}
        results: dict[str, TaskResult] = {}
        running: dict[Future[_Ended], str] = {}
        with ThreadPoolExecutor(max_workers=len(waiting), thread_name_prefix="task") as pool:
            try:
                while waiting or running:
                    ready = [
                        name for name, it in waiting.items() if dependencies(it) <= set(outcomes)
                    ]
                    for name in ready:
                        task = waiting.pop(name)
                        now = dataclasses.replace(scope, outcomes=dict(outcomes))
                        running[pool.submit(self._run_task, name, task, now)] = name
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        ended = future.result()
                        outcomes[running.pop(future)] = ended.outcome
                        results |= ended.results
            except BaseException:
                self._run.stop.set()
                raise
        return self._outcome(outcomes), results

    def _run_task(self, name: str, task: Any, scope: Scope) -> _Ended:
        missing = [it for it in sorted(dependencies(task)) if not scope.outcomes[it].is_success]
        if missing:
            ended = self._skip(name, task, f"{', '.join(missing)} did not succeed")
        else:
            ended = self._execute(name, task, scope)
        for exit_name, exit_task in self._dag.tasks.items():
            if not is_exit_task(exit_task) or name not in exit_task.dependent_tasks:
                continue
            # A hook: it runs before anything after the task, and changes no outcome.
            if missing:
                handled = self._skip(exit_name, exit_task, f"{name} never started")
            else:
                known = dataclasses.replace(scope, outcomes={**scope.outcomes, name: ended.outcome})
                handled = self._execute(exit_name, exit_task, known)
            ended.results.update(handled.results)
        return ended

    def _execute(self, name: str, task: Any, scope: Scope) -> _Ended:
        component = self._run.documents.spec.components[task.component_ref.name]
        if component.WhichOneof("implementation") != "dag":
            stored = self._run.documents.stored_component(task.component_ref.name)
            result, outcome = TaskRun(name, task, stored, self._run).execute(scope)
            return _Ended(outcome, {name: result})
        try:
            inner = dag_scope(task, component, scope, self._run)
        except DriverError as error:
            skipped = self._skip(name, task, str(error))
            return _Ended(Outcome("FAILED"), skipped.results)
        return _Ended(*DagRun(component.dag, self._run).execute(inner))

    def _skip(self, name: str, task: Any, reason: str) -> _Ended:
        component = self._run.documents.spec.components[task.component_ref.name]
        if component.WhichOneof("implementation") == "dag":
            results: dict[str, TaskResult] = {}
            for inner_name, inner_task in component.dag.tasks.items():
                results |= self._skip(inner_name, inner_task, reason).results
            return _Ended(Outcome("SKIPPED"), results)
        result, outcome = TaskRun(name, task, component, self._run).skip(reason)
        return _Ended(outcome, {name: result})

    def _outcome(self, outcomes: dict[str, Outcome]) -> Outcome:
        if not all(outcome.is_success for outcome in outcomes.values()):
            return Outcome("FAILED")
        artifacts = {}
        for name, output in self._dag.outputs.artifacts.items():
            for selector in output.artifact_selectors:
                producer = outcomes[selector.producer_subtask]
                artifacts[name] = producer.artifacts[selector.output_artifact_key]
        parameters = {}
        for name, output in self._dag.outputs.parameters.items():
            source = output.value_from_parameter
            producer = outcomes[source.producer_subtask]
            parameters[name] = producer.parameters[source.output_parameter_key]
        return Outcome("SUCCEEDED", artifacts, parameters)
