"""One task of a compiled pipeline, started as KFP's launcher does, without the tasks before it."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from tools.benchmarks.command_seconds import REPOSITORY
from tools.kfp_emulator.cluster import DEFAULT_ROOT
from tools.kfp_emulator.container_process import container_environment, run_process
from tools.kfp_emulator.documents import read_documents
from tools.kfp_emulator.launcher import Launch, run_attempt
from tools.kfp_emulator.metadata_store import MetadataStore
from tools.kfp_emulator.object_store import ObjectStore
from tools.kfp_emulator.parameters import resolve_parameters
from tools.kfp_emulator.provision_outputs import provision_outputs
from tools.kfp_emulator.resolve_inputs import dag_scope, resolve_inputs
from tools.kfp_emulator.run_context import RunContext, Scope

_DAG = "tfx-dag"
_EXECUTOR_OPTION = "--executor_class_path"


@dataclasses.dataclass(frozen=True)
class LoneTask:
    """A task that has no inputs from others.

    Attributes:
        task: Its `PipelineTaskSpec`.
        component: Its `ComponentSpec`.
        scope: Of its DAG, with the run parameters' defaults.
        run: A run in which nothing else happens.
    """

    task: Any
    component: Any
    scope: Scope
    run: RunContext

    def attempt(self) -> None:
        """Run it once, in a new pod and with new outputs.

        Raises:
            LaunchError: It failed.
        """
        execution_id = uuid.uuid4().hex
        inputs = resolve_inputs(self.task, self.component, self.scope, self.run)
        outputs = provision_outputs(self.task, self.component, execution_id, self.run)
        log_file = self.run.folder / f"{execution_id}.log"
        run_attempt(Launch(self.component, inputs, outputs, fingerprint=""), log_file, self.run)

    def import_only(self, imports: str) -> None:
        """Run a program that only imports, in the same place and with the same variables.

        Args:
            imports: The program; the import path of the task's executor is its argument.

        Raises:
            RuntimeError: It failed.
        """
        container = self.run.documents.executors[self.component.executor_label].container
        executor = container.args[list(container.args).index(_EXECUTOR_OPTION) + 1]
        variables = {each.name: each.value for each in container.env}
        pod = self.run.pods / uuid.uuid4().hex
        pod.mkdir(parents=True)
        log_file = self.run.folder / f"{pod.name}.log"
        code = run_process(
            ["python", "-c", imports, executor],
            container_environment(variables, self.run.environment, pod),
            self.run.working_dir,
            log_file,
            self.run.stop,
        )
        if code:
            raise RuntimeError(f"importing {executor} ended with exit code {code}; see {log_file}")


def lone_task(pipeline_file: Path, node: str, home: Path) -> LoneTask:
    """Prepare a task of a compiled pipeline.

    Args:
        pipeline_file: The compiled pipeline.
        node: A task of its DAG that has no inputs from others.
        home: For everything that is written.

    Raises:
        InputError: KFP would not accept the pipeline.
    """
    documents = read_documents(pipeline_file)
    run_id = uuid.uuid4().hex
    run = RunContext(
        documents=documents,
        run_id=run_id,
        root=f"{DEFAULT_ROOT}/{documents.spec.pipeline_info.name}/{run_id}",
        folder=home / "logs",
        pods=home / "pods",
        objects=ObjectStore(home / "store"),
        metadata=MetadataStore(home / "metadata.sqlite"),
        environment={},
        working_dir=REPOSITORY,
        backoff_factor=0.0,
        slots=threading.Semaphore(1),
        stop=threading.Event(),
        warm=None,
        notify=lambda _: None,
        start_s=time.monotonic(),
    )
    run.folder.mkdir(parents=True)
    root, dag = documents.spec.root, documents.spec.components[_DAG]
    defaults = Scope(resolve_parameters(root.input_definitions, {}), {}, {})
    task = dag.dag.tasks[node]
    return LoneTask(
        task=task,
        component=documents.spec.components[task.component_ref.name],
        scope=dag_scope(root.dag.tasks[_DAG], dag, defaults, run),
        run=run,
    )
