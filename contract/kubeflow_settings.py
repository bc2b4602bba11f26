"""The section `kubeflow` of the configuration: what a cluster gives the pipeline.

Only compiling reads it. Amounts are Kubernetes limits of one pod.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from contract import __version__
from contract.architectures import Architecture
from contract.settings_base import Settings

_IMMUTABLE_IMAGE = re.compile(
    r"[^\s@]+@sha256:[0-9a-f]{64}|[^\s@]+:(?!latest$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
)
_Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)?$")]
_AbsolutePath = Annotated[str, Field(pattern=r"^/[^\s]+$")]
LOCATION_PATTERN = r"^(/|s3://|file://)\S+$"
_Location = Annotated[str, Field(pattern=LOCATION_PATTERN)]


class ResourceSettings(Settings):
    """What a node's pod may use at most."""

    cpu: float = Field(2.0, gt=0.0)  # cores
    memory_gb: float = Field(4.0, gt=0.0)


class NodeResourceSettings(Settings):
    """What differs for a node; what is not given is that of its first word, or of all nodes."""

    cpu: float | None = Field(None, gt=0.0)  # cores
    memory_gb: float | None = Field(None, gt=0.0)


class TolerationSettings(Settings):
    """A Kubernetes toleration."""

    key: str = "nvidia.com/gpu"
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute", ""] = "NoSchedule"


class GpuSettings(Settings):
    """Which nodes ask for a GPU, and where they find one."""

    # Tuner and Trainer of a candidate with one of these ask for a GPU; nothing else does.
    # EfficientNet-Lite0 trains in a quarter of an hour on two cores.
    architectures: tuple[Architecture, ...] = (
        "xception",
        "xception_deep",
        "resnet101",
        "efficientnet_v2_b0",
        "convnext_tiny",
        "efficientnet_lite1",
        "efficientnet_lite2",
    )
    resource: str = "nvidia.com/gpu"
    count: int = Field(1, ge=1)
    image: str = ""  # of these nodes, such as the variant with CUDA; "": the one of all nodes
    cpu: float = Field(4.0, gt=0.0)
    memory_gb: float = Field(16.0, gt=0.0)
    node_selector: dict[str, str] = {"nvidia.com/gpu.present": "true"}
    tolerations: tuple[TolerationSettings, ...] = (TolerationSettings(),)
    shared_memory: _Quantity = "2Gi"

    @field_validator("image")
    @classmethod
    def _image_does_not_move(cls, image: str) -> str:
        return _check_image(image) if image else image


class VolumeSettings(Settings):
    """The volume with data and pushed models; `claim: ""` mounts none."""

    claim: str = Field("pneumonia-data", pattern=r"^([a-z0-9][-a-z0-9.]*)?$")
    mount_path: _AbsolutePath = "/mnt/data"
    # `all`: every pod, which also keeps interrupted searches; over several machines that needs a
    # volume that many may write (ReadWriteMany). `boundary`: only what reads data or pushes.
    mounted_by: Literal["all", "boundary"] = "all"


class SecretVariable(Settings):
    """One key of a Kubernetes Secret, as an environment variable of the boundary nodes."""

    secret: str
    key: str
    variable: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


class RetrySettings(Settings):
    """How often a failed pod is tried again, and after what time."""

    max_retries: int = Field(2, ge=0, le=10)
    backoff_s: int = Field(60, ge=0)
    backoff_factor: float = Field(2.0, ge=1.0)
    max_backoff_s: int = Field(600, ge=0)


class KubeflowSettings(Settings):
    """One section for everything that a cluster decides."""

    image: str = f"pneumonia-pipeline:{__version__}"  # a tag that never moves, or a digest
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    # Defaults of run parameters: a path on the volume, or an object store such as s3://.
    data_dir: _Location = "/mnt/data/records"  # TFRecords, as pipeline.convert writes them
    push_dir: _Location = "/mnt/data/serving/pneumonia"
    runs_dir: _Location = "/mnt/data/runs"  # a folder with the summary of each run
    trials_dir: str = "/mnt/data/trials"  # interrupted searches; "" keeps none
    # Whether a data folder never changes once it is there, as with folders named by content: only
    # then may reading it be answered from the cache.
    immutable_data: bool = False
    webhook_variable: str = "PNEUMONIA_WEBHOOK_URL"  # variable with the address told of a run's end
    resources: ResourceSettings = ResourceSettings()
    # By node id, or by its first word for all candidates: Trainer stands for Trainer-NAME. A node
    # with a GPU has `gpu`'s, and only an entry with its own id changes them.
    node_resources: dict[str, NodeResourceSettings] = {
        "Evaluator": NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        "ExternalEvaluation": NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        "Report": NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        # Two processes with TensorFlow: the one that it starts, and its own.
        "ServabilityCheck": NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        "Trainer": NodeResourceSettings(cpu=4.0, memory_gb=8.0),
        "Transform": NodeResourceSettings(cpu=2.0, memory_gb=6.0),
        "Tuner": NodeResourceSettings(cpu=4.0, memory_gb=8.0),
    }
    gpu: GpuSettings = GpuSettings()
    volume: VolumeSettings = VolumeSettings()
    secrets: tuple[SecretVariable, ...] = ()
    environment: dict[str, str] = {}  # of every pod; nothing secret
    retries: RetrySettings = RetrySettings()

    @field_validator("image")
    @classmethod
    def _image_does_not_move(cls, image: str) -> str:
        return _check_image(image)


def _check_image(image: str) -> str:
    if not _IMMUTABLE_IMAGE.fullmatch(image):
        raise ValueError(
            f"expected an image with a tag other than `latest`, or with a digest, got {image!r}: "
            "the cluster's cache knows an image by its name, so that a tag that moves would be "
            "answered with what the old image made"
        )
    return image
