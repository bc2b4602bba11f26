"""The names of nodes: what Kubernetes accepts, and what the configuration may name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from contract.errors import InputError
from contract.settings import PipelineSettings

_LEGAL = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")  # of a task, by Argo; KFP does not change names
_MAX_LENGTH = 120


def kind_of(node: str) -> str:
    """Return a node's first word, which the nodes of all candidates share."""
    return node.split("-", maxsplit=1)[0]


def check_node_names(settings: PipelineSettings, nodes: Sequence[str]) -> None:
    """Check the names of nodes, and those that the configuration gives resources to.

    Args:
        settings: The whole configuration.
        nodes: Ids of all nodes.

    Raises:
        InputError: A name is not legal, or no node has it.
    """
    for node in nodes:
        if not _LEGAL.fullmatch(node) or len(node) > _MAX_LENGTH:
            raise InputError(
                f"expected node ids of letters, digits and dashes, at most {_MAX_LENGTH} long, "
                f"got {node!r}; give its candidate a shorter name"
            )
    known = {*nodes, *map(kind_of, nodes)}
    # What the defaults name may be missing: a run without a search has no Tuner.
    known |= set(type(settings.kubeflow)().node_resources)
    unknown = sorted(set(settings.kubeflow.node_resources) - known)
    if unknown:
        raise InputError(
            f"kubeflow.node_resources: expected nodes of this pipeline, which are "
            f"{', '.join(sorted(known))}, got {', '.join(unknown)}"
        )
