"""What a run reports: for each task, for the whole run, and while it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

TaskState = Literal["SUCCEEDED", "CACHED", "FAILED", "SKIPPED"]
RunState = Literal["SUCCEEDED", "FAILED"]


@dataclasses.dataclass(frozen=True)
class OutputArtifact:
    """One artifact that a task recorded.

    Attributes:
        uri: As recorded; a path of the pod in place of a URI is a dead link, as on a cluster.
        path: Where its files are in the store; None without a URI that the store knows. It
            does not exist where the task wrote no file.
        metadata: As a later task receives it: numbers are floats, lists and structs are
            wrapped as `{"list": ...}` and `{"struct": ...}`.
        schema_title: The type, such as "tfx.Examples" or "system.Artifact".
    """

    uri: str
    path: Path | None
    metadata: Mapping[str, Any]
    schema_title: str


@dataclasses.dataclass(frozen=True)
class TaskResult:
    """How a task ended.

    Attributes:
        name: The task's name in its DAG.
        state: CACHED was answered from an earlier run; SKIPPED never started.
        attempts: How many processes were started for it.
        started_s: Seconds from the run's start to the first attempt; of a task without one,
            to its end.
        ended_s: Seconds from the run's start to its end.
        log_files: Output of each attempt, standard error included.
        error: Why it failed or was skipped, else empty.
        outputs: Artifacts by output name, of a task that succeeded or was cached.
        parameters: Output parameters by name.
        warnings: What KFP's launcher only warns of, such as an output with a local path.
    """

    name: str
    state: TaskState
    attempts: int = 0
    started_s: float = 0.0
    ended_s: float = 0.0
    log_files: tuple[Path, ...] = ()
    error: str = ""
    outputs: Mapping[str, OutputArtifact] = dataclasses.field(default_factory=dict)
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Names the run's folder below `<home>/runs`.
        state: FAILED where a task other than an exit handler failed; Argo does not let the
            failure of an exit handler change the state.
        tasks: Results of all tasks but DAGs, by name.
        wall_s: Seconds from start to end.
    """

    run_id: str
    state: RunState
    tasks: Mapping[str, TaskResult]
    wall_s: float


@dataclasses.dataclass(frozen=True)
class TaskEvent:
    """Something that happened to a task.

    Attributes:
        task: Its name.
        kind: `retrying` follows a failed attempt that is not the last.
        attempt: Counted from 1; 0 for a task without one.
        elapsed_s: Seconds since the run's start.
        state: How it ended; None before.
        error: Of the attempt or the task that failed.
    """

    task: str
    kind: Literal["started", "retrying", "finished"]
    attempt: int
    elapsed_s: float
    state: TaskState | None = None
    error: str = ""
