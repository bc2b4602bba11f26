"""The Evaluator node: TFX's, with a baseline that may say of itself that it is absent."""

from __future__ import annotations

import itertools
import logging
import os
from typing import Any

import tensorflow_model_analysis as tfma
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.dsl.io import fileio
from tfx.types import Artifact, BaseChannel, Channel, standard_artifacts, standard_component_specs
from tfx.types.component_spec import ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from components.baseline import is_baseline_present
from contract import nodes

CODE_VERSION_KEY = "code_version"

_LOGGER = logging.getLogger(__name__)


class BaselineAwareExecutor(tfx_evaluator.Executor):
    """TFX's executor, which compares with a baseline only where there is one."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluate the candidate; an absent baseline is dropped from the inputs."""
        super().Do(_without_absent_baseline(input_dict), output_dict, exec_properties)
        for artifact in itertools.chain.from_iterable(output_dict.values()):
            remove_temporary_folders(artifact.uri)


def remove_temporary_folders(uri: str) -> None:
    """Remove what Beam's writers were at in a worker that was lost; they leave it in an output."""
    for folder in fileio.glob(os.path.join(uri, "beam-temp-*")):
        fileio.rmtree(folder)


def _without_absent_baseline(input_dict: dict[str, list[Artifact]]) -> dict[str, list[Artifact]]:
    key = standard_component_specs.BASELINE_MODEL_KEY
    if all(is_baseline_present(artifact) for artifact in input_dict.get(key, [])):
        return input_dict
    _LOGGER.info("No baseline: change thresholds do not apply")
    return {name: artifacts for name, artifacts in input_dict.items() if name != key}


class EvaluatorSpec(ComponentSpec):
    """TFX's Evaluator, with the code version among what the cache key holds."""

    PARAMETERS = {  # noqa: RUF012 - TFX reads a plain class attribute
        **standard_component_specs.EvaluatorSpec.PARAMETERS,
        CODE_VERSION_KEY: ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.EvaluatorSpec.INPUTS
    OUTPUTS = standard_component_specs.EvaluatorSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.EvaluatorSpec.TYPE_ANNOTATION


class Evaluator(base_beam_component.BaseBeamComponent):
    """Evaluates a candidate, and a baseline where there is one, with TFMA.

    Outputs: `evaluation` (ModelEvaluation) and `blessing` (ModelBlessing), as TFX's Evaluator.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BaselineAwareExecutor)


def create_evaluator(
    examples: BaseChannel,
    model: BaseChannel,
    baseline_model: BaseChannel,
    eval_config: tfma.EvalConfig,
    example_splits: list[str],
    code_version: str,
    schema: BaseChannel | None = None,
) -> Evaluator:
    """Return the Evaluator node.

    Args:
        examples: Raw examples (Examples).
        model: The candidate (Model), exported with the `serving_examples` signature.
        baseline_model: Output of the baseline node (Model).
        eval_config: See `evaluation.tfma_config.create_eval_config`.
        example_splits: Names of the splits to judge on.
        code_version: Version of the project's code, in the cache key.
        schema: Schema of the raw examples (Schema), where features shall be read by it.

    Returns:
        A node with the id `Evaluator`.
    """
    inputs = {
        standard_component_specs.EXAMPLES_KEY: examples,
        standard_component_specs.MODEL_KEY: model,
        standard_component_specs.BASELINE_MODEL_KEY: baseline_model,
    }
    if schema is not None:
        inputs[standard_component_specs.SCHEMA_KEY] = schema
    spec = EvaluatorSpec(
        **inputs,
        eval_config=eval_config,
        example_splits=json_utils.dumps(example_splits),
        # TFX's executor reads a JSON text here, "null" for none.
        fairness_indicator_thresholds=json_utils.dumps(None),
        evaluation=Channel(type=standard_artifacts.ModelEvaluation),
        blessing=Channel(type=standard_artifacts.ModelBlessing),
        code_version=code_version,
    )
    return Evaluator(spec=spec).with_id(nodes.EVALUATOR)
