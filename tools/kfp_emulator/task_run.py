"""One task of a run: its driver, the cache, and attempts until it ends."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any, Literal

from google.protobuf import struct_pb2

from tools.kfp_emulator.executor_rules import MAX_CONTAINER_BYTES
from tools.kfp_emulator.launcher import Launch, LaunchError, run_attempt
from tools.kfp_emulator.metadata_store import Outputs
from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.protojson import parse_dict, to_json
from tools.kfp_emulator.provision_outputs import fingerprint, provision_outputs
from tools.kfp_emulator.resolve_inputs import DriverError, resolve_inputs
from tools.kfp_emulator.results import OutputArtifact, TaskEvent, TaskResult, TaskState
from tools.kfp_emulator.run_context import Outcome, RunContext, Scope


class TaskRun:
    """Runs one task that is not a DAG."""

    def __init__(self, name: str, task: Any, component: Any, run: RunContext) -> None:
        """Take the task's name, its `PipelineTaskSpec`, its `ComponentSpec` and the run."""
        self._name = name
        self._task = task
        self._component = component
        self._run = run
        self._log_files: list[Path] = []
        self._warnings: tuple[str, ...] = ()
        self._started_s: float | None = None

    def execute(self, scope: Scope) -> tuple[TaskResult, Outcome]:
        """Run it; return its result for the user, and its outcome for the tasks after it."""
        try:
            launch = self._prepare(scope)
            cached = None
            if launch.fingerprint:
                cached = self._run.metadata.find(self._run.pipeline, launch.fingerprint)
            if cached is not None:
                return self._end("CACHED", cached)
            return self._end("SUCCEEDED", self._attempt_until_done(launch))
        except (DriverError, LaunchError) as error:
            return self._end("FAILED", error=str(error))

    def skip(self, reason: str) -> tuple[TaskResult, Outcome]:
        """Leave it out."""
        return self._end("SKIPPED", error=reason)

    def _prepare(self, scope: Scope) -> Launch:
        container = self._run.documents.container(self._component)
        if len(to_json(container).encode()) > MAX_CONTAINER_BYTES:
            # Argo puts a longer argument of the driver into a file, and writes @ and its path.
            raise DriverError("failed to unmarshal container spec: invalid value @")
        inputs = resolve_inputs(self._task, self._component, scope, self._run)
        outputs = provision_outputs(self._task, self._component, str(uuid.uuid4()), self._run)
        key = ""
        if self._task.caching_options.enable_cache:
            key = fingerprint(inputs, outputs, self._component, self._run)
        return Launch(self._component, inputs, outputs, key)

    def _attempt_until_done(self, launch: Launch) -> Outputs:
        policy = self._task.retry_policy
        if not policy.backoff_factor.is_integer():
            raise DriverError(f"factor {policy.backoff_factor:g} cannot be resolved to an int")
        # Argo counts it from the first attempt's start, pauses included; without one KFP writes 0.
        deadline_s = float(policy.backoff_max_duration.seconds)
        not_waited_s = 0.0
        kill_at_s: float | None = None  # the first attempt may take its time
        while True:
            try:
                with self._run.slots:
                    if self._run.stop.is_set():
                        raise LaunchError("the run was given up")
                    return self._attempt(launch, kill_at_s)
            except LaunchError as error:
                failed = len(self._log_files)
                begun_s = self._run.start_s + (self._started_s or 0.0)
                pause_s = backoff_s(policy, failed)
                not_waited_s += pause_s * (1 - self._run.backoff_factor)
                kill_at_s = begun_s + deadline_s - not_waited_s
                is_late = time.monotonic() >= kill_at_s
                if failed > policy.max_retry_count or is_late or self._run.stop.is_set():
                    raise
                self._notify("retrying", error=str(error))
                self._run.stop.wait(pause_s * self._run.backoff_factor)

    def _attempt(self, launch: Launch, kill_at_s: float | None) -> Outputs:
        if self._started_s is None:
            self._started_s = self._run.elapsed_s()
        log_file = self._run.folder / self._name / f"attempt-{len(self._log_files) + 1}.log"
        self._log_files.append(log_file)
        self._notify("started")
        outputs, warnings = run_attempt(
            launch, log_file, self._run, retries=len(self._log_files) - 1, kill_at_s=kill_at_s
        )
        self._warnings = tuple(warnings)
        return outputs

    def _end(
        self, state: TaskState, outputs: Outputs | None = None, error: str = ""
    ) -> tuple[TaskResult, Outcome]:
        outputs = outputs or Outputs({}, {})
        ended_s = self._run.elapsed_s()
        result = TaskResult(
            name=self._name,
            state=state,
            attempts=len(self._log_files),
            started_s=ended_s if self._started_s is None else self._started_s,
            ended_s=ended_s,
            log_files=tuple(self._log_files),
            error=error,
            outputs={
                name: OutputArtifact(
                    it.uri, self._store_path(it.uri), it.properties, it.schema_title
                )
                for name, it in outputs.artifacts.items()
            },
            parameters=outputs.parameters,
            warnings=self._warnings,
        )
        self._notify("finished", state, error)
        values = {
            name: parse_dict(value, struct_pb2.Value())
            for name, value in outputs.parameters.items()
        }
        return result, Outcome(state, outputs.artifacts, values)

    def _store_path(self, uri: str) -> Path | None:
        location = parse_uri(uri)
        return self._run.objects.path(location) if location else None

    def _notify(
        self,
        kind: Literal["started", "retrying", "finished"],
        state: TaskState | None = None,
        error: str = "",
    ) -> None:
        attempt = len(self._log_files)
        self._run.notify(TaskEvent(self._name, kind, attempt, self._run.elapsed_s(), state, error))


def backoff_s(policy: Any, failed_attempts: int) -> float:
    """Return the pause after a failed attempt in seconds, as Argo computes it.

    Args:
        policy: A `RetryPolicy`; without a duration there is no pause.
        failed_attempts: From 1.
    """
    duration = policy.backoff_duration.seconds + policy.backoff_duration.nanos / 1e9
    return float(duration * (policy.backoff_factor or 1.0) ** (failed_attempts - 1))
