"""The second document of a compiled pipeline: what Kubernetes gives to each pod.

Its fields are those of the `kfp-kubernetes` protos. With a field that KFP does not know the whole
document is dropped without a word, and one that it knows may still be read by nobody:
tests/pipeline/kubeflow/test_platform_document.py lists what the backend reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contract import nodes as node_names
from contract.settings import PipelineSettings
from pipeline.kubeflow.resources import gpu_nodes
from pipeline.kubeflow.run_folder import RUN_ID_VARIABLE

Json = dict[str, Any]
# What reads data, or writes outside the run.
BOUNDARY_NODES = (
    node_names.EXAMPLE_GEN,
    node_names.BASELINE,
    node_names.EXTERNAL_EVALUATION,
    node_names.GATE,
    node_names.SERVABILITY_CHECK,
    node_names.PUSHER,
    node_names.RUN_SUMMARY,
)
_LABEL_ENDING = "_executor"
_RUN_ID_LABEL = "metadata.labels['pipeline/runid']"  # KFP puts it on every pod of a run
_SHARED_MEMORY_NAME = "shm"


def platform_document(settings: PipelineSettings, executor_labels: Sequence[str]) -> Json:
    """Return the document for all executors.

    Args:
        settings: The whole configuration.
        executor_labels: Labels of the executors in the pipeline's deployment.
    """
    executors = {
        label: _executor(label.removesuffix(_LABEL_ENDING), settings) for label in executor_labels
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _executor(node: str, settings: PipelineSettings) -> Json:
    cluster = settings.kubeflow
    executor: Json = {
        "imagePullPolicy": cluster.image_pull_policy,
        # As an argument it would be in the cache key, and no task would be answered from it.
        "fieldPathAsEnv": [{"name": RUN_ID_VARIABLE, "fieldPath": _RUN_ID_LABEL}],
    }
    if cluster.image_pull_secrets:
        executor["imagePullSecret"] = [{"secretName": name} for name in cluster.image_pull_secrets]
    is_boundary = node in BOUNDARY_NODES
    if cluster.volume.claim and (is_boundary or cluster.volume.mounted_by == "all"):
        executor["pvcMount"] = [
            {"constant": cluster.volume.claim, "mountPath": cluster.volume.mount_path}
        ]
    if is_boundary and cluster.secrets:
        executor["secretAsEnv"] = [
            {"secretName": name, "keyToEnv": keys} for name, keys in _secrets(settings).items()
        ]
    if node in gpu_nodes(settings):
        executor |= _gpu(settings)
    return executor


def _secrets(settings: PipelineSettings) -> dict[str, list[Json]]:
    by_name: dict[str, list[Json]] = {}
    for each in settings.kubeflow.secrets:
        by_name.setdefault(each.secret, []).append({"secretKey": each.key, "envVar": each.variable})
    return by_name


def _gpu(settings: PipelineSettings) -> Json:
    gpu = settings.kubeflow.gpu
    # TensorFlow and NCCL share memory there, and a container has 64 MiB of it. KFP's own field
    # `enabledSharedMemory` is in the protos, and read by no version.
    fields: Json = {
        "emptyDirMounts": [
            {
                "volumeName": _SHARED_MEMORY_NAME,
                "mountPath": "/dev/shm",
                "medium": "Memory",
                "sizeLimit": gpu.shared_memory,
            }
        ]
    }
    if gpu.node_selector:
        fields["nodeSelector"] = {"labels": dict(gpu.node_selector)}
    if gpu.tolerations:
        fields["tolerations"] = [
            {key: value for key, value in toleration.model_dump().items() if value}
            for toleration in gpu.tolerations
        ]
    return fields
