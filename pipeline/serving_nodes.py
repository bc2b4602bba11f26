"""What tries the export between the gate and the push: a fresh process, maybe a TF Serving."""

from __future__ import annotations

from collections.abc import Mapping

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.candidate_inputs import MODEL, MODEL_RUN
from components.infra_validator import create_infra_validator
from components.servability_check import create_servability_check
from contract.serving_settings import ServabilityRun
from contract.settings import PipelineSettings
from models.ensemble import ENSEMBLE


def create_serving_nodes(
    settings: PipelineSettings,
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    *,
    selected: Mapping[str, BaseChannel],
    examples: BaseChannel,
    transformed_examples: BaseChannel,
    code_version: str,
) -> tuple[list[BaseNode], dict[str, BaseChannel]]:
    """Build the nodes that try the export before it is pushed.

    Args:
        settings: The whole configuration.
        candidates: Outputs `model` and `model_run` of each candidate, by its name.
        selected: The same outputs of the Selector.
        examples: Raw examples (Examples).
        transformed_examples: The same from Transform.
        code_version: Version of the project's code.

    Returns:
        The nodes in their order, and their blessings by the names of the Pusher's inputs.
    """
    servability = create_servability_check(
        # What an ensemble was put together from; any other model stands in its own run.
        {name: outputs for name, outputs in candidates.items() if name != ENSEMBLE}
        if ENSEMBLE in candidates
        else {},
        model=selected[MODEL],
        model_run=selected[MODEL_RUN],
        examples=examples,
        transformed_examples=transformed_examples,
        settings=ServabilityRun(
            image_size_px=settings.transform.image_size_px, serving=settings.serving
        ),
        code_version=code_version,
    )
    nodes: list[BaseNode] = [servability]
    blessings = {"infra_blessing": servability.outputs["blessing"]}
    if settings.serving.infra_validation != "none":
        validator = create_infra_validator(
            selected[MODEL], examples, settings.serving, model_name=settings.name
        )
        # After it: a container takes longer, and a wrong answer is known before that.
        validator.add_upstream_node(servability)
        nodes.append(validator)
        blessings["server_blessing"] = validator.outputs["blessing"]
    return nodes, blessings
