"""What runs in a pod: TFX's executor, between what KFP hands over and what it expects back.

TFX's own entrypoint is written for another service: it cannot read KFP's inputs, knows no object
store, and leaves outputs that KFP refuses. This one prepares the input, runs TFX's with it, and
prepares the output. docs/adr/0011 tells what is done and why.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.kubeflow.pod_paths import pod_root, to_remote_everywhere

OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"  # where KFP gives none
PACKAGE_PREFIX = "package:"  # of a file that the image brings, by its path in the project
RUNS_DIR, RUN_ID = "set_runs_dir", "set_run_id"
_TERMINATION_LOG = "dev/termination-log"  # Kubernetes shows its text beside the pod's state
_MAX_MESSAGE_BYTES = 4096

_LOGGER = logging.getLogger(__name__)
Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task; return the exit code.

    Raises:
        Exception: What the task raises, after Kubernetes was left its message.
    """
    options, beam_arguments = parse_arguments(arguments)
    # TFX's executors have absl parse the command line as their own.
    sys.argv = sys.argv[:1]
    logging.basicConfig(
        level=logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        force=True,  # a library that was imported before may have set one of its own
    )
    try:
        run_task(options, beam_arguments)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        _leave_message(f"{options.node}: {message}")
        _note_error(options, message)
        raise
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; what is left over is for Beam."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.kubeflow.entrypoint",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("--node", required=True, help="id of the node in the pipeline")
    parser.add_argument("--executor_class_path", required=True, help="TFX executor to run")
    parser.add_argument(
        "--json_serialized_invocation_args", required=True, help="KFP's ExecutorInput"
    )
    parser.add_argument(
        "--json_serialized_inputs_spec_args", required=True, help="KFP's ComponentInputsSpec"
    )
    return parser.parse_known_args(arguments)


def run_task(options: argparse.Namespace, beam_arguments: Sequence[str]) -> None:
    """Run a node's executor on what KFP handed over.

    Args:
        options: The command line.
        beam_arguments: For Beam, where the node uses it.

    Raises:
        InputError: What KFP handed over does not fit the node.
    """
    # Imported here: they bring TensorFlow and TFX, which `--help` and errors need not wait for.
    from pipeline.kubeflow.executor_input import for_tfx, make_output_folders, outputs_of_kfp
    from pipeline.kubeflow.run_folder import (
        KEPT_FILES,
        RUN_ID_VARIABLE,
        forget_error,
        keep_verdict,
    )
    from pipeline.kubeflow.tfx_executor import run_tfx_executor
    from pipeline.kubeflow.ui_artifacts import fill_ui_outputs

    handed_over = json.loads(options.json_serialized_invocation_args)
    handed_over["outputs"].setdefault("outputFile", OUTPUT_FILE)
    parameters = handed_over.get("inputs", {}).get("parameterValues", {})
    runs_dir, run_id = parameters.pop(RUNS_DIR, None), parameters.pop(RUN_ID, None)
    inputs_spec = json.loads(options.json_serialized_inputs_spec_args)
    executor_input = for_tfx(handed_over, inputs_spec)
    make_output_folders(executor_input)
    inputs, outputs = _folders(executor_input["inputs"]), _folders(executor_input["outputs"])
    with local_copies(executor_input["inputs"]["parameterValues"]) as moved:
        executor_output = run_tfx_executor(
            options.executor_class_path, executor_input, inputs_spec, beam_arguments
        )
    if options.node in KEPT_FILES:
        keep_verdict(options.node, runs_dir, run_id, outputs, moved)
    if runs_dir and os.environ.get(RUN_ID_VARIABLE):
        forget_error(options.node, runs_dir, os.environ[RUN_ID_VARIABLE])
    for_pages = {
        name: artifact
        for name, artifact in outputs_of_kfp(handed_over).items()
        if name != "executor-logs"  # the launcher's own
    }
    shown = fill_ui_outputs(
        options.node,
        inputs,
        outputs,
        {name: Path(artifact["uri"]) for name, artifact in for_pages.items()},
    )
    for name, metadata in shown.items():
        executor_output["artifacts"][name] = {
            "artifacts": [{**for_pages[name], "metadata": metadata}]
        }
    text = json.dumps(to_remote_everywhere(executor_output))
    for local, remote in moved.items():
        text = text.replace(local, remote)
    Path(executor_input["outputs"]["outputFile"]).write_text(text, encoding="utf-8")


@contextlib.contextmanager
def local_copies(properties: Json) -> Iterator[dict[str, str]]:
    """Point properties that name places outside the run at local folders, while a task runs.

    Args:
        properties: The task's execution properties; changed in place.

    Yields:
        Local folders with the locations that they stand for.

    Raises:
        InputError: A location cannot be read or written.
    """
    from pipeline.kubeflow.object_store import local_data, local_push_dir

    moved: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if str(properties.get("schema_file", "")).startswith(PACKAGE_PREFIX):
            properties["schema_file"] = _package_file(properties["schema_file"])
        if "input_base" in properties:
            location = properties["input_base"]
            properties["input_base"] = stack.enter_context(local_data(location))
            moved[properties["input_base"]] = location
        if "push_dir" in properties:
            location = properties["push_dir"]
            properties["push_dir"] = stack.enter_context(local_push_dir(location))
            moved[properties["push_dir"]] = location
        if "push_destination" in properties:
            destination = json.loads(properties["push_destination"])
            location = destination["filesystem"]["base_directory"]
            folder = stack.enter_context(local_push_dir(location))
            destination["filesystem"]["base_directory"] = folder
            properties["push_destination"] = json.dumps(destination)
            moved[folder] = location
        yield moved


def _package_file(name: str) -> str:
    return str(Path(__file__).resolve().parents[2] / name.removeprefix(PACKAGE_PREFIX))


def _folders(side: Mapping[str, Any]) -> dict[str, Path]:
    return {
        name: Path(entry["artifacts"][0]["uri"])
        for name, entry in side.get("artifacts", {}).items()
        if entry["artifacts"]
    }


def _note_error(options: argparse.Namespace, message: str) -> None:
    """Leave an error in the run's folder, for the summary, if this pod reaches the folder."""
    from components.errors import InputError
    from pipeline.kubeflow.run_folder import RUN_ID_VARIABLE, keep_error

    handed_over = json.loads(options.json_serialized_invocation_args)
    runs_dir = handed_over.get("inputs", {}).get("parameterValues", {}).get(RUNS_DIR)
    run_id = os.environ.get(RUN_ID_VARIABLE)
    if not runs_dir or not run_id:
        return
    try:
        keep_error(options.node, runs_dir, run_id, message)
    except InputError as error:
        _LOGGER.warning("The summary of the run will not tell this error: %s", error)


def _leave_message(message: str) -> None:
    """Leave an error where Kubernetes, and so KFP's page of the run, shows it."""
    log = pod_root() / _TERMINATION_LOG
    if log.exists() and os.access(log, os.W_OK):
        log.write_bytes(message.encode("utf-8")[:_MAX_MESSAGE_BYTES])


if __name__ == "__main__":
    sys.exit(main())
