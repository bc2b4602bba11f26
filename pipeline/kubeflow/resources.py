"""What each pod may use, and which pods ask for a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contract.nodes import trainer_id, tuner_id
from contract.settings import NodeResourceSettings, PipelineSettings, ResourceSettings
from pipeline.kubeflow.node_names import kind_of

Json = dict[str, Any]
_CPU_REQUEST = 0.5  # cores: a pod is placed where so much is free, and may use more


def gpu_nodes(settings: PipelineSettings) -> frozenset[str]:
    """Return the ids of the nodes that ask for a GPU: Tuner and Trainer of large networks."""
    names = [
        name
        for name, candidate in settings.candidates.items()
        if candidate.architecture in settings.kubeflow.gpu.architectures
    ]
    return frozenset(make_id(name) for name in names for make_id in (tuner_id, trainer_id))


def image_of(node: str, settings: PipelineSettings) -> str:
    """Return the image of a node: nodes with a GPU may have another one."""
    if node in gpu_nodes(settings) and settings.kubeflow.gpu.image:
        return settings.kubeflow.gpu.image
    return settings.kubeflow.image


def container_resources(node: str, settings: PipelineSettings) -> Json:
    """Return a node's `ResourceSpec`, in the field names that every version of KFP v2 reads."""
    cluster = settings.kubeflow
    if node in gpu_nodes(settings):
        gpu = cluster.gpu
        general = ResourceSettings(cpu=gpu.cpu, memory_gb=gpu.memory_gb)
        return {
            **_limits(general, [cluster.node_resources.get(node)]),
            "accelerator": {"type": gpu.resource, "count": str(gpu.count)},
        }
    by_name = cluster.node_resources
    return _limits(cluster.resources, [by_name.get(kind_of(node)), by_name.get(node)])


def _limits(general: ResourceSettings, special: Sequence[NodeResourceSettings | None]) -> Json:
    cpu, memory_gb = general.cpu, general.memory_gb
    for each in special:
        if each is not None:
            cpu, memory_gb = each.cpu or cpu, each.memory_gb or memory_gb
    return {
        "cpuLimit": cpu,
        "cpuRequest": min(cpu, _CPU_REQUEST),
        "memoryLimit": memory_gb,
    }
