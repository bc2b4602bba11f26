"""What nodes of the DAG get beside their inputs: a version in the cache key, Beam's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_node import BaseNode

from contract.errors import InputError


def stamp(nodes: list[BaseNode], version: str) -> None:
    """Put the code's fingerprint into the cache key of TFX's own nodes; ours declare it."""
    for node in nodes:
        node.exec_properties["code_version"] = version


def add_beam_arguments(nodes: Sequence[BaseNode], arguments: Mapping[str, Sequence[str]]) -> None:
    """Give single nodes Beam arguments of their own.

    Raises:
        InputError: A node is not in the pipeline, or does not use Beam.
    """
    beam_nodes = {node.id: node for node in nodes if isinstance(node, BaseBeamComponent)}
    for node_id, its_arguments in arguments.items():
        if node_id not in beam_nodes:
            raise InputError(
                f"beam.node_pipeline_args: expected nodes that use Beam, which are "
                f"{', '.join(beam_nodes)}, got {node_id!r}"
            )
        beam_nodes[node_id].with_beam_pipeline_args(list(its_arguments))
