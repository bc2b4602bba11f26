"""What each pod may use, and which pods ask for a GPU."""

from __future__ import annotations

from typing import Any

from pipeline.config import PipelineSettings
from pipeline.kubeflow.node_names import kind_of
from pipeline.kubeflow_settings import ResourceSettings
from pipeline.pipeline import trainer_id, tuner_id

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
    """Return the image of a node: nodes with a GPU may have one of their own."""
    if node in gpu_nodes(settings) and settings.kubeflow.gpu.image:
        return settings.kubeflow.gpu.image
    return settings.kubeflow.image


def container_resources(node: str, settings: PipelineSettings) -> Json:
    """Return a node's `ResourceSpec`, in the field names that every version of KFP v2 reads."""
    gpu = settings.kubeflow.gpu
    if node in gpu_nodes(settings):
        return {
            **_limits(ResourceSettings(cpu=gpu.cpu, memory_gb=gpu.memory_gb)),
            "accelerator": {"type": gpu.resource, "count": str(gpu.count)},
        }
    by_name = settings.kubeflow.node_resources
    return _limits(by_name.get(node) or by_name.get(kind_of(node)) or settings.kubeflow.resources)


def _limits(resources: ResourceSettings) -> Json:
    return {
        "cpuLimit": resources.cpu,
        "cpuRequest": min(resources.cpu, _CPU_REQUEST),
        "memoryLimit": resources.memory_gb,
    }
