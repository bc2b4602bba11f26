"""Following a run to its end, over passing failures of the network."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from rich.console import Console
from rich.text import Text

from contract.command_line import EXIT_BROKEN
from pipeline.kubeflow.submission.client import Client, quiet
from pipeline.kubeflow.submission.errors import (
    NETWORK_ERRORS,
    ApiException,
    describe,
    may_pass,
)
from pipeline.kubeflow.submission.file import CompiledPipeline
from pipeline.kubeflow.submission.log import log_reader
from pipeline.kubeflow.submission.tasks import TaskState, read_tasks
from pipeline.kubeflow.submission.verdict import RUN_ENDED, VERDICT_TASK, Verdict, judge
from pipeline.stages import format_seconds

_MAX_FAILURES = 8  # in a row; with the pauses between them some four minutes
_LONGEST_PAUSE_S = 60.0
_ABSENT = (404, 405, 410, 501)  # of an API that is not there
_STYLES = {"SUCCEEDED": "green", "CACHED": "cyan", "FAILED": "bold red", "SKIPPED": "dim"}


@dataclasses.dataclass
class Watch:
    """Follows one run.

    Attributes:
        client: Of KFP.
        address: Of KFP, for messages.
        console: Where a line goes for each task that changes its state.
        pipeline: What runs.
        namespace: Where its pods are, None for KFP's own.
    """

    client: Client
    address: str
    console: Console
    pipeline: CompiledPipeline
    namespace: str | None
    _warned: bool = dataclasses.field(default=False, init=False)

    def follow(self, run_id: str, poll_s: float, timeout_s: float | None) -> Verdict:
        """Follow a run to its end.

        Args:
            run_id: The run's.
            poll_s: Seconds between two looks.
            timeout_s: After which to stop following, None for never.

        Raises:
            InputError: KFP did not answer for some minutes, or refuses to.
        """
        begin_s = time.monotonic()
        shown: dict[str, str] = {}
        while True:
            run, workflow = self._look(run_id, poll_s)
            tasks = read_tasks(workflow, self.pipeline.tasks, self.pipeline.dags)
            for task in tasks:
                if task.state != shown.get(task.name):
                    shown[task.name] = task.state
                    self._show(task, time.monotonic() - begin_s)
            if run.state in RUN_ENDED:
                error = run.error.message if run.error and run.error.message else ""
                read_log = log_reader(self.client, run_id, self.namespace)
                has_verdict = VERDICT_TASK in self.pipeline.tasks
                return judge(run.state, error, tasks, has_verdict, read_log)
            if timeout_s is not None and time.monotonic() - begin_s > timeout_s:
                return Verdict(f"TIMEOUT: the run goes on after {timeout_s:g} s", EXIT_BROKEN)
            time.sleep(poll_s)

    def _look(self, run_id: str, poll_s: float) -> tuple[Any, dict[str, Any]]:
        """Return the run and its workflow; the run first, so that its end has all tasks' ends."""
        for failures in range(1, _MAX_FAILURES + 1):
            try:
                with quiet():
                    run = self.client.get_run(run_id)
                return run, self._workflow(run_id)
            except NETWORK_ERRORS as error:
                problem = describe(error, self.address)
                if not may_pass(error) or failures == _MAX_FAILURES:
                    raise problem from error
                pause_s = min(poll_s * 2 ** (failures - 1), _LONGEST_PAUSE_S)
                cause = str(problem).partition(" How to fix:")[0]
                self.console.print(
                    Text(
                        f"KFP did not answer ({cause}); look {failures} of {_MAX_FAILURES - 1} "
                        f"again in {format_seconds(pause_s)}",
                        style="yellow",
                    )
                )
                time.sleep(pause_s)
        raise AssertionError("the last failure raises")

    def _workflow(self, run_id: str) -> dict[str, Any]:
        """Return the run's workflow, {} where this KFP or what is before it does not give it."""
        try:
            with quiet():
                return self.client.get_workflow(run_id)
        except ValueError:
            problem = "no JSON"
        except ApiException as error:
            if error.status not in _ABSENT:
                raise
            problem = f"{error.status} {error.reason}"
        if not self._warned:
            self._warned = True
            self.console.print(
                Text(
                    f"Tasks cannot be shown: expected the run's workflow below /apis/v1beta1, got "
                    f"{problem}. The run's state alone decides",
                    style="yellow",
                )
            )
        return {}

    def _show(self, task: TaskState, elapsed_s: float) -> None:
        if task.state == "PENDING":
            return
        took = f" in {format_seconds(task.seconds)}" if task.seconds is not None else ""
        line = Text(f"{format_seconds(elapsed_s):>12}  {task.name}  ")
        line.append(f"{task.state.lower()}{took}", style=_STYLES.get(task.state, ""))
        self.console.print(line)
