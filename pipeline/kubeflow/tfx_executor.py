"""TFX's own Kubeflow entrypoint, called in this process with an input that it can read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver
from tfx.utils import import_utils

from contract.long_lived import lasting_imports

Json = dict[str, Any]
_INPUT_BASE = "input_base"  # what a file-based ExampleGen reads


def run_tfx_executor(
    executor_class_path: str,
    executor_input: Json,
    inputs_spec: Mapping[str, Any],
    beam_arguments: Sequence[str],
) -> Json:
    """Run an executor, and before it the driver of a file-based ExampleGen.

    TFX compiles that driver as a hook that runs before the cache is consulted; KFP knows no such
    hook. Without the driver the node has no span, and its examples no fingerprint.

    Args:
        executor_class_path: Import path of the executor's class.
        executor_input: See `pipeline.kubeflow.executor_input.for_tfx`.
        inputs_spec: KFP's `ComponentInputsSpec`, with the types of parameters.
        beam_arguments: For Beam, where the executor uses it.

    Returns:
        KFP's `ExecutorOutput`; its URIs are local.
    """
    arguments = argparse.Namespace(
        executor_class_path=executor_class_path,
        json_serialized_invocation_args=json.dumps(executor_input),
        json_serialized_inputs_spec_args=json.dumps(inputs_spec),
    )
    with lasting_imports():
        executor_class = import_utils.import_class_by_path(executor_class_path)
    parameters = executor_input["inputs"].get("parameterValues", {})
    if issubclass(executor_class, BaseExampleGenExecutor) and _INPUT_BASE in parameters:
        driver._run_driver(
            json_format.ParseDict(executor_input, pipeline_spec_pb2.ExecutorInput()),
            json_format.ParseDict(inputs_spec, pipeline_spec_pb2.ComponentInputsSpec()),
        )
    kubeflow_v2_run_executor._run_executor(arguments, list(beam_arguments))
    output_file = Path(executor_input["outputs"]["outputFile"])
    output: Json = json.loads(output_file.read_text(encoding="utf-8"))
    output.setdefault("artifacts", {})
    return output
