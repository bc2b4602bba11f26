"""KFP's launcher: one attempt of a task, from its inputs' download to its outputs' record."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from pathlib import Path
from typing import Any

from kfp.pipeline_spec import pipeline_spec_pb2

from tools.kfp_emulator.container_process import container_environment, run_process
from tools.kfp_emulator.executor_output import collect_outputs
from tools.kfp_emulator.executor_rules import MAX_ARGUMENT_BYTES
from tools.kfp_emulator.metadata_store import Outputs
from tools.kfp_emulator.object_store import parse_uri
from tools.kfp_emulator.placeholders import fill_in
from tools.kfp_emulator.protojson import to_json
from tools.kfp_emulator.provision_outputs import EXECUTOR_LOGS, in_pod
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


def run_attempt(launch: Launch, log_file: Path, run: RunContext) -> tuple[Outputs, list[str]]:
    """Run a task once, in a file system of its own.

    Beside the log, the JSON that the process got and wrote is kept.

    Args:
        launch: The task.
        log_file: For the process's output.
        run: The run.

    Returns:
        What was recorded, and the launcher's warnings.

    Raises:
        LaunchError: Anything went wrong.
    """
    pod = run.pods / uuid.uuid4().hex[:12]
    pod.mkdir(parents=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _run_in(pod, launch, log_file, run)
    except (OSError, ValueError) as error:
        raise LaunchError(f"{error}") from error
    finally:
        shutil.rmtree(pod, ignore_errors=True)


def _run_in(
    pod: Path, launch: Launch, log_file: Path, run: RunContext
) -> tuple[Outputs, list[str]]:
    executor_input = pipeline_spec_pb2.ExecutorInput(
        inputs=_with_defaults(launch), outputs=in_pod(launch.outputs, pod)
    )
    _download(executor_input, pod, run)
    for folder in _output_folders(executor_input, pod):
        folder.mkdir(parents=True, exist_ok=True)
    log_file.with_suffix(".input.json").write_text(to_json(executor_input), encoding="utf-8")
    container = run.documents.executors[launch.component.executor_label].container
    command = fill_in([*container.command, *container.args], executor_input, pod)
    for argument in command:
        size = len(argument.encode())
        if size > MAX_ARGUMENT_BYTES:
            raise LaunchError(f"argument list too long: one of {size} bytes, {argument[:80]!r}...")
    code = run_process(
        command,
        container_environment(_variables(launch, run), run.environment, pod),
        run.working_dir,
        log_file,
        run.stop,
        run.warm,
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


def _variables(launch: Launch, run: RunContext) -> dict[str, str]:
    """Return the container's own variables, and those that tell the pod of its run."""
    label = launch.component.executor_label
    variables = {each.name: each.value for each in run.documents.executors[label].container.env}
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
