"""What runs in a pod: TFX's executor, between what KFP hands over and what it expects back.

TFX's own entrypoint is written for another service: it cannot read KFP's inputs, knows no object
store, and leaves outputs that KFP refuses. This one prepares the input, runs TFX's with it, and
prepares the output. docs/adr/0011 explains what is done and why.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.long_lived import end_program, lasting_imports
from pipeline.kubeflow.pod_paths import pod_root, to_remote_everywhere

OUTPUT_FILE = "/tmp/kfp_outputs/output_metadata.json"  # where KFP gives none
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
        force=True,  # a library that was imported before may have configured it
    )
    try:
        run_task(options, beam_arguments)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        _leave_message(f"{options.node}: {message}")
        _note_error(options, message)
        raise
    _note_error(options, None)
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
    with lasting_imports():
        from pipeline.job_server import explained_job_servers
        from pipeline.kubeflow.executor_input import for_tfx, make_output_folders, outputs_of_kfp
        from pipeline.kubeflow.local_copies import local_copies, with_locations
        from pipeline.kubeflow.run_folder import KEPT_FILES, keep_verdict
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
    with (
        local_copies(executor_input["inputs"]["parameterValues"]) as moved,
        explained_job_servers([beam_arguments]),
    ):
        executor_output = run_tfx_executor(
            options.executor_class_path, executor_input, inputs_spec, beam_arguments
        )
    if options.node in KEPT_FILES:
        keep_verdict(options.node, runs_dir, run_id, outputs, moved)
    for_pages = {
        name: artifact
        for name, artifact in outputs_of_kfp(handed_over).items()
        if name != "executor-logs"  # the launcher's own
    }
    try:
        shown = fill_ui_outputs(
            options.node,
            inputs,
            outputs,
            {name: Path(artifact["uri"]) for name, artifact in for_pages.items()},
        )
    except Exception as error:  # what is shown decides nothing: the task has done its work
        _LOGGER.exception("The outputs for KFP's pages could not be made")
        shown = {name: {"error": f"{type(error).__name__}: {error}"} for name in for_pages}
    for name, metadata in shown.items():
        executor_output["artifacts"][name] = {
            "artifacts": [{**for_pages[name], "metadata": metadata}]
        }
    Path(executor_input["outputs"]["outputFile"]).write_text(
        with_locations(json.dumps(to_remote_everywhere(executor_output)), moved), encoding="utf-8"
    )


def _folders(side: Mapping[str, Any]) -> dict[str, Path]:
    return {
        name: Path(entry["artifacts"][0]["uri"])
        for name, entry in side.get("artifacts", {}).items()
        if entry["artifacts"]
    }


def _note_error(options: argparse.Namespace, message: str | None) -> None:
    """Leave an error in the run's folder for the summary, or remove that of an earlier attempt.

    A pod that does not reach the folder does its own work without it.
    """
    from contract.errors import InputError
    from pipeline.kubeflow.run_folder import RUN_ID_VARIABLE, forget_error, keep_error

    run_id = os.environ.get(RUN_ID_VARIABLE)
    runs_dir = _runs_dir(options)
    if not runs_dir or not run_id:
        return
    try:
        if message is None:
            forget_error(options.node, runs_dir, run_id)
        else:
            keep_error(options.node, runs_dir, run_id, message)
    except InputError as error:
        _LOGGER.warning("The summary of the run will not mention this task: %s", error)


def _runs_dir(options: argparse.Namespace) -> str | None:
    try:
        handed_over = json.loads(options.json_serialized_invocation_args)
    except ValueError:  # which was the task's error, then
        return None
    parameters: Json = handed_over.get("inputs", {}).get("parameterValues", {})
    return parameters.get(RUNS_DIR)


def _leave_message(message: str) -> None:
    """Leave an error where Kubernetes, and so KFP's page of the run, shows it."""
    log = pod_root() / _TERMINATION_LOG
    if log.exists() and os.access(log, os.W_OK):
        beginning = message.encode("utf-8")[:_MAX_MESSAGE_BYTES]
        # Not half a character: Kubernetes takes whole ones only.
        log.write_text(beginning.decode("utf-8", errors="ignore"), encoding="utf-8")


if __name__ == "__main__":
    end_program(main())
