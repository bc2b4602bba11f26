"""Nodes that take all candidates: named inputs for each, made for the configuration.

Open-source Kubeflow Pipelines v2 cannot hand a list of artifacts of several nodes to one input,
so the node's specification has one input per candidate and kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfx.dsl.components.base import base_component, base_driver, base_executor, executor_spec
from tfx.types import Artifact, BaseChannel, Channel, artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

MODEL, MODEL_RUN = "model", "model_run"  # outputs of a Trainer, and of what replaces one


def create_candidates_node(
    node_id: str,
    executor: type[base_executor.BaseExecutor],
    candidates: Mapping[str, Mapping[str, BaseChannel]],
    *,
    inputs: Mapping[str, BaseChannel],
    outputs: Mapping[str, type[Artifact]],
    parameters: Mapping[str, str],
    driver: type[base_driver.BaseDriver] = base_driver.BaseDriver,
) -> base_component.BaseComponent:
    """Return a node that takes all candidates.

    Args:
        node_id: Name of the node, and of its type.
        executor: A class at the top of a module.
        candidates: Channels by output name, such as `model`, by the candidate's name.
        inputs: Further inputs.
        outputs: Types by output name.
        parameters: Strings, in the cache key.
        driver: What comes before the executor; TFX's own looks into the cache.
    """
    channels = dict(inputs)
    for candidate, kinds in candidates.items():
        for kind, channel in kinds.items():
            channels[_input_name(kind, candidate)] = channel
    spec_class = type(
        f"{node_id}Spec",
        (ComponentSpec,),
        {
            "PARAMETERS": {name: ExecutionParameter(type=str) for name in parameters},
            "INPUTS": {
                name: ChannelParameter(type=channel.type) for name, channel in channels.items()
            },
            "OUTPUTS": {name: ChannelParameter(type=kind) for name, kind in outputs.items()},
        },
    )
    node_class = type(
        node_id,
        (base_component.BaseComponent,),
        {
            "__module__": executor.__module__,
            "SPEC_CLASS": spec_class,
            "EXECUTOR_SPEC": executor_spec.ExecutorClassSpec(executor),
            "DRIVER_CLASS": driver,
        },
    )
    spec = spec_class(
        **channels,
        **parameters,
        **{name: Channel(type=kind) for name, kind in outputs.items()},
    )
    node: base_component.BaseComponent = node_class(spec=spec).with_id(node_id)
    return node


def folders_of(input_dict: Mapping[str, list[Artifact]], kind: str) -> dict[str, Path]:
    """Return the candidates' artifacts of one kind, as folders by the candidate's name.

    Args:
        input_dict: As TFX hands it to an executor.
        kind: `MODEL` or `MODEL_RUN`.
    """
    prefix = _input_name(kind, "")
    return {
        key.removeprefix(prefix): Path(artifact_utils.get_single_uri(artifacts))
        for key, artifacts in sorted(input_dict.items())
        if key.startswith(prefix)
    }


def _input_name(kind: str, candidate: str) -> str:
    return f"{kind}_of_{candidate}"
