"""What all tasks of one run share."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.kfp_emulator.containers import ContainerEngine
from tools.kfp_emulator.documents import Documents
from tools.kfp_emulator.metadata_store import MetadataStore, StoredArtifact
from tools.kfp_emulator.object_store import ObjectStore
from tools.kfp_emulator.results import TaskEvent, TaskState
from tools.kfp_emulator.warm_start import WarmStarter


@dataclasses.dataclass(frozen=True)
class RunContext:
    """One run of a pipeline.

    Attributes:
        documents: The compiled pipeline.
        run_id: The run's id.
        root: The run's own root in the object store, `<root>/<pipeline>/<run id>`.
        folder: For logs and what each attempt got and wrote.
        pods: For the file systems of attempts while they run.
        objects: The object store.
        metadata: The metadata store.
        environment: Variables for all processes.
        working_dir: Of all processes.
        backoff_factor: Stretches the pauses between attempts; 0 is none.
        slots: One for each process that may run at a time.
        stop: Set when the run is given up.
        warm: Starts Python modules, where the cluster is warm.
        notify: Takes events, from any thread.
        start_s: The monotonic clock at the run's start.
        display_name: As KFP's pages show the run.
        created: When it was made, as RFC 3339 in UTC.
        containers: Starts tasks in containers; None for processes of this machine.
    """

    documents: Documents
    run_id: str
    root: str
    folder: Path
    pods: Path
    objects: ObjectStore
    metadata: MetadataStore
    environment: Mapping[str, str]
    working_dir: Path
    backoff_factor: float
    slots: threading.Semaphore
    stop: threading.Event
    warm: WarmStarter | None
    notify: Callable[[TaskEvent], None]
    start_s: float
    display_name: str = ""
    created: str = ""
    containers: ContainerEngine | None = None

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return str(self.documents.spec.pipeline_info.name)

    @property
    def run_name(self) -> str:
        """What the cluster would call the run's workflow."""
        return f"{self.pipeline}-{self.run_id[:8]}"

    def elapsed_s(self) -> float:
        """Return the seconds since the run's start."""
        return time.monotonic() - self.start_s


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a task of a DAG ended, as the tasks after it see it.

    Attributes:
        state: Of a DAG, SUCCEEDED or FAILED.
        artifacts: Outputs by name.
        parameters: `google.protobuf.Value` of output parameters by name.
    """

    state: TaskState
    artifacts: Mapping[str, StoredArtifact] = dataclasses.field(default_factory=dict)
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether tasks that wait for this one may start."""
        return self.state in ("SUCCEEDED", "CACHED")


@dataclasses.dataclass(frozen=True)
class Scope:
    """What the inputs of a DAG's tasks are resolved from.

    Attributes:
        parameters: The DAG's own inputs, `google.protobuf.Value` by name.
        artifacts: The DAG's own input artifacts by name.
        outcomes: Of its tasks that have ended.
    """

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, StoredArtifact]
    outcomes: Mapping[str, Outcome]
