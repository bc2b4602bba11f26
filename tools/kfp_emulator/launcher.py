"""KFP's launcher: one attempt of a task, from its inputs' download to its outputs' record."""

from __future__ import annotations

import dataclasses
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.container_process import (
    POD_ROOT_VARIABLE,
    container_environment,
    run_process,
)
from tools.kfp_emulator.executor_output import collect_outputs
from tools.kfp_emulator.executor_rules import EXECUTOR_LOGS, MAX_ARGUMENT_BYTES
from tools.kfp_emulator.metadata_store import Outputs
from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.placeholders import fill_in
from tools.kfp_emulator.protojson import to_json
from tools.kfp_emulator.provision_outputs import in_pod, of_attempt
from tools.kfp_emulator.run_context import RunContext

RUN_ID_LABEL = "metadata.labels['pipeline/runid']"  # the one of a pod's fields that is emulated


class LaunchError(Exception):
    """An attempt failed; the task's retry policy says whether there is another."""


@dataclasses.dataclass(frozen=True)
class Launch:
    """A task that the driver has prepared.

    Attributes:
        component: Its `ComponentSpec`.
        inputs: Its resolved `ExecutorInput.Inputs`.
        outputs: Its `ExecutorInput.Outputs`, the same in each attempt.
        fingerprint: For the cache; empty keeps it out.
    """

    component: Any
    inputs: Any
    outputs: Any
    fingerprint: str


def run_attempt(
    launch: Launch,
    log_file: Path,
    run: RunContext,
    *,
    retries: int = 0,
    kill_at_s: float | None = None,
) -> tuple[Outputs, list[str]]:
    """Run a task once, in a new file system.

    Beside the log, the JSON that the process got and wrote is kept.

    Args:
        launch: The task.
        log_file: For the process's output.
        run: The run.
        retries: Argo's number of the attempt, from 0.
        kill_at_s: The monotonic clock at which the process is killed; None is never.

    Returns:
        What was recorded, and the launcher's warnings.

    Raises:
        LaunchError: Anything went wrong.
    """
    pod = run.pods / uuid.uuid4().hex[:12]
    pod.mkdir(parents=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        outputs = of_attempt(launch.outputs, retries)
        return _run_in(pod, dataclasses.replace(launch, outputs=outputs), log_file, run, kill_at_s)
    except (OSError, ValueError) as error:
        raise LaunchError(f"{error}") from error
    finally:
        if run.containers is not None:
            run.containers.remove(pod)
        shutil.rmtree(pod, ignore_errors=True)


def _run_in(
    pod: Path, launch: Launch, log_file: Path, run: RunContext, kill_at_s: float | None
) -> tuple[Outputs, list[str]]:
    executor_input = pipeline_spec_pb2.ExecutorInput(
        inputs=_with_defaults(launch), outputs=in_pod(launch.outputs, pod)
    )
    # What the process sees: in a container the pod's folder is its root.
    root = pod if run.containers is None else Path("/")
    seen = pipeline_spec_pb2.ExecutorInput(
        inputs=executor_input.inputs, outputs=in_pod(launch.outputs, root)
    )
    _download(executor_input, pod, run)
    for folder in _output_folders(executor_input, pod):
        folder.mkdir(parents=True, exist_ok=True)
    log_file.with_suffix(".input.json").write_text(to_json(seen), encoding="utf-8")
    container = run.documents.container(launch.component)
    if not container.image:
        raise LaunchError("InvalidImageName: expected an image of the container, got none")
    command = fill_in([*container.command, *container.args], seen, root)
    for argument in command:
        size = len(argument.encode())
        if size > MAX_ARGUMENT_BYTES:
            raise LaunchError(f"argument list too long: one of {size} bytes, {argument[:80]!r}...")
    code = run_process(
        *_process(command, container.image, pod, launch, run),
        run.working_dir,
        log_file,
        run.stop,
        run.warm if run.containers is None else None,
        kill_at_s,
    )
    if run.stop.is_set():
        raise LaunchError("the run was given up")
    if code != 0:
        raise LaunchError(_describe_exit(code, log_file))
    output_file = Path(executor_input.outputs.output_file)
    if output_file.is_file():
        shutil.copyfile(output_file, log_file.with_suffix(".output.json"))
    logs = parse_uri(executor_input.outputs.artifacts[EXECUTOR_LOGS].artifacts[0].uri)
    assert logs is not None  # a run's root is checked before it starts
    shutil.copyfile(log_file, logs.in_pod(pod))
    collected = collect_outputs(executor_input, launch.component, pod, run)
    outputs = run.metadata.record(
        run.pipeline, launch.fingerprint, collected.artifacts, collected.parameters
    )
    return outputs, collected.warnings


def _process(
    command: list[str], image: str, pod: Path, launch: Launch, run: RunContext
) -> tuple[list[str], dict[str, str]]:
    """Return the command to start on this machine and its variables."""
    variables = _variables(launch, run)
    if run.containers is None:
        return command, container_environment(variables, run.environment, pod)
    run.containers.prepare(pod)
    platform = run.documents.kubernetes.get(launch.component.executor_label)
    mounts = platform.pvc_mount if platform is not None else ()
    chosen = {**variables, **run.environment}
    started = run.containers.run_command(pod, image, command, chosen, mounts)
    return started, {**os.environ, POD_ROOT_VARIABLE: str(pod)}


def _variables(launch: Launch, run: RunContext) -> dict[str, str]:
    """Return the container's own variables, and those that describe the run to the pod."""
    label = launch.component.executor_label
    container = run.documents.container(launch.component)
    variables = {each.name: each.value for each in container.env}
    platform = run.documents.kubernetes.get(label)
    if platform is not None:
        for each in platform.field_path_as_env:
            if each.field_path == RUN_ID_LABEL:
                variables[each.name] = run.run_id
    return variables


def _with_defaults(launch: Launch) -> Any:
    """Fill in optional parameters that have no value; only the process sees them."""
    inputs = type(launch.inputs)()
    inputs.CopyFrom(launch.inputs)
    for name, definition in launch.component.input_definitions.parameters.items():
        if name not in inputs.parameter_values and definition.HasField("default_value"):
            inputs.parameter_values[name].CopyFrom(definition.default_value)
    return inputs


def _download(executor_input: Any, pod: Path, run: RunContext) -> None:
    for name, entries in executor_input.inputs.artifacts.items():
        uri = entries.artifacts[0].uri
        location = parse_uri(uri)
        if location is None:
            raise LaunchError(
                f"failed to parse bucketConfig for input artifact {name!r} with uri {uri!r}"
            )
        run.objects.download(location, pod)


def _output_folders(executor_input: Any, pod: Path) -> list[Path]:
    """Return what the launcher makes: of artifacts the folder above their own."""
    locations = [
        parse_uri(entries.artifacts[0].uri) for entries in executor_input.outputs.artifacts.values()
    ]
    files = [Path(it.output_file) for it in executor_input.outputs.parameters.values()]
    files += [Path(executor_input.outputs.output_file)]
    files += [location.in_pod(pod) for location in locations if location is not None]
    return [file.parent for file in files]


def _describe_exit(code: int, log_file: Path) -> str:
    text = log_file.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
    return f"{how}: {lines[-1]}" if lines else how
