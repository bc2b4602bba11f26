"""A stand-in for a cluster with Kubeflow Pipelines, in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from contract.errors import InputError
from tools.kfp_emulator.container_process import end_leftovers
from tools.kfp_emulator.containers import ContainerEngine
from tools.kfp_emulator.dag_run import DagRun
from tools.kfp_emulator.documents import read_documents
from tools.kfp_emulator.metadata_store import MetadataStore
from tools.kfp_emulator.object_store import ObjectStore, parse_uri
from tools.kfp_emulator.parameters import RunParameter, resolve_parameters
from tools.kfp_emulator.results import RunResult, RunState, TaskEvent
from tools.kfp_emulator.rules import check_pipeline
from tools.kfp_emulator.run_context import RunContext, Scope
from tools.kfp_emulator.warm_start import WarmStarter

DEFAULT_ROOT = "minio://mlpipeline/v2/artifacts"
_REPOSITORY = Path(__file__).resolve().parents[2]


class Cluster:
    """Runs compiled pipelines; its cache, artifacts and logs last in its home.

    A home serves one run at a time. A run that was killed is not continued: a new one answers
    the tasks that had finished from the cache, as on a cluster.
    """

    def __init__(
        self,
        home: Path,
        *,
        max_parallel: int = 2,
        backoff_factor: float = 0.0,
        environment: Mapping[str, str] = MappingProxyType({}),
        working_dir: Path | None = None,
        warm: WarmStarter | None = None,
        containers: ContainerEngine | None = None,
    ) -> None:
        """Take the cluster's settings.

        Args:
            home: Its folder, made where missing: `store/` with objects by bucket, `runs/` with
                logs, `metadata.sqlite`, and `pods/` while tasks run.
            max_parallel: Processes at a time, at least 1.
            backoff_factor: Stretches the pauses of retry policies; 1 waits as a cluster does.
            environment: Variables for all processes, such as those that secrets would give.
            working_dir: Where processes start; the repository's root without it, as the image
                has the project installed.
            warm: Starts Python modules from a process that has imported TFX; runs may share it.
            containers: Starts tasks in containers of their image instead of processes.
        """
        if max_parallel < 1:
            raise InputError(f"expected max_parallel of at least 1, got {max_parallel}.")
        self._home = home.absolute()
        self._max_parallel = max_parallel
        self._backoff_factor = backoff_factor
        self._environment = dict(environment)
        self._working_dir = working_dir or _REPOSITORY
        self._warm = warm
        self._containers = containers

    def run(
        self,
        pipeline_file: Path,
        parameters: Mapping[str, RunParameter] | None = None,
        *,
        root: str = DEFAULT_ROOT,
        display_name: str = "Run of the emulation",
        on_event: Callable[[TaskEvent], None] | None = None,
    ) -> RunResult:
        """Run a compiled pipeline to its end.

        Args:
            pipeline_file: The YAML, with one or two documents.
            parameters: Run parameters in place of their defaults.
            root: Pipeline root: a URI with `minio`, `s3` or `gs`.
            display_name: The run's, as KFP's pages would show it.
            on_event: Gets the tasks' events, one at a time, from threads of the run.

        Raises:
            InputError: KFP would not accept the pipeline, a parameter or the root; or another
                run goes on in this home.
        """
        documents = read_documents(pipeline_file)
        check_pipeline(documents)
        inputs = resolve_parameters(documents.spec.root.input_definitions, parameters or {})
        if parse_uri(root) is None:
            raise InputError(f"root: expected a URI with minio://, s3:// or gs://, got {root!r}.")
        with self._alone():
            run_id = str(uuid.uuid4())
            run = RunContext(
                documents=documents,
                run_id=run_id,
                root=f"{root.rstrip('/')}/{documents.spec.pipeline_info.name}/{run_id}",
                folder=self._home / "runs" / run_id,
                pods=self._home / "pods",
                objects=ObjectStore(self._home / "store"),
                metadata=MetadataStore(self._home / "metadata.sqlite"),
                environment=self._environment,
                working_dir=self._working_dir,
                backoff_factor=self._backoff_factor,
                slots=threading.Semaphore(self._max_parallel),
                stop=threading.Event(),
                warm=self._warm,
                notify=_one_at_a_time(on_event),
                start_s=time.monotonic(),
                display_name=display_name,
                created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                containers=self._containers,
            )
            outcome, results = DagRun(documents.spec.root.dag, run).execute(Scope(inputs, {}, {}))
            state: RunState = "SUCCEEDED" if outcome.is_success else "FAILED"
            return RunResult(run_id, state, results, run.elapsed_s())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the home, and clear away what a killed emulator left."""
        self._home.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"{self._home}: expected a home without another run, got one that is in "
                    "use. How to fix: wait for that run, or choose another home."
                ) from error
            pods = self._home / "pods"
            if pods.is_dir():
                end_leftovers(pods)
                if self._containers is not None:
                    for pod in pods.iterdir():
                        self._containers.remove(pod)
                shutil.rmtree(pods)
            yield
        finally:
            os.close(lock)


def _one_at_a_time(on_event: Callable[[TaskEvent], None] | None) -> Callable[[TaskEvent], None]:
    lock = threading.Lock()

    def notify(event: TaskEvent) -> None:
        if on_event is not None:
            with lock:
                on_event(event)

    return notify
