"""What Kubernetes gives to pods, as KFP's own protos read it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as pb

from contract.errors import InputError
from contract.settings import PipelineSettings
from pipeline.kubeflow.platform_document import BOUNDARY_NODES, platform_document
from pipeline.load_config import load_settings

CANDIDATES = "candidates={small: {architecture: cnn_baseline}, large: {architecture: xception}}"
NODES = (*BOUNDARY_NODES, "Transform", "Trainer-small", "Trainer-large")
SECRETS = (
    "kubeflow.secrets=[{secret: s3, key: id, variable: AWS_ACCESS_KEY_ID},"
    " {secret: s3, key: key, variable: AWS_SECRET_ACCESS_KEY},"
    " {secret: chat, key: url, variable: PNEUMONIA_WEBHOOK_URL}]"
)


# What `extendPodSpecPatch` reads, in backend/src/v2/driver/k8s.go of kubeflow/pipelines. It does
# not read `enabledSharedMemory`, which is in the protos, too.
READ_BY_KFP = {
    "emptyDirMounts.medium",
    "emptyDirMounts.mountPath",
    "emptyDirMounts.sizeLimit",
    "emptyDirMounts.volumeName",
    "fieldPathAsEnv.fieldPath",
    "fieldPathAsEnv.name",
    "imagePullPolicy",
    "imagePullSecret.secretName",
    "nodeSelector.labels",
    "pvcMount.constant",
    "pvcMount.mountPath",
    "secretAsEnv.keyToEnv.envVar",
    "secretAsEnv.keyToEnv.secretKey",
    "secretAsEnv.secretName",
    "tolerations.effect",
    "tolerations.key",
    "tolerations.operator",
    "tolerations.value",
}


def _paths(tree: Any, path: str = "") -> set[str]:
    if isinstance(tree, list):
        return set().union(*(_paths(each, path) for each in tree))
    if isinstance(tree, dict) and path != "nodeSelector.labels":
        return set().union(*(_paths(it, f"{path}.{key}".lstrip(".")) for key, it in tree.items()))
    return {path}


def _settings(*overrides: str) -> PipelineSettings:
    return load_settings(None, [CANDIDATES, *overrides])


def _executors(*overrides: str) -> dict[str, Any]:
    """Return the protos by node; a field that they do not have is an error."""
    document = platform_document(_settings(*overrides), [f"{node}_executor" for node in NODES])
    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert list(executors) == [f"{node}_executor" for node in NODES]
    return {
        label.removesuffix("_executor"): json_format.ParseDict(
            executor, pb.KubernetesExecutorConfig()
        )
        for label, executor in executors.items()
    }


def _mounting(*overrides: str) -> set[str]:
    return {node for node, executor in _executors(*overrides).items() if executor.pvc_mount}


def test_the_volume_is_mounted_by_all_by_the_boundary_or_by_none() -> None:
    assert _mounting() == set(NODES)
    assert _mounting("kubeflow.volume.mounted_by=boundary") == set(BOUNDARY_NODES)
    assert _mounting("kubeflow.volume.claim=''") == set()


def test_the_volume_is_that_of_the_configuration() -> None:
    volume = "kubeflow.volume={claim: x-rays, mount_path: /data}"
    (mount,) = _executors(volume)["Transform"].pvc_mount
    assert (mount.constant, mount.mount_path) == ("x-rays", "/data")


def test_secrets_go_to_the_boundary_only() -> None:
    executors = _executors(SECRETS)
    with_secrets = {node for node, executor in executors.items() if executor.secret_as_env}
    assert with_secrets == set(BOUNDARY_NODES)
    found = {
        secret.secret_name: {each.env_var: each.secret_key for each in secret.key_to_env}
        for secret in executors["Pusher"].secret_as_env
    }
    assert found == {
        "s3": {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"},
        "chat": {"PNEUMONIA_WEBHOOK_URL": "url"},
    }
    assert not any(executor.secret_as_env for executor in _executors().values())


def test_only_nodes_with_a_gpu_are_sent_to_machines_with_one() -> None:
    executors = _executors(
        "kubeflow.gpu.tolerations=[{key: gpu, operator: Equal, value: '1', effect: NoExecute}, {}]"
    )
    large = executors.pop("Trainer-large")
    assert dict(large.node_selector.labels) == {"nvidia.com/gpu.present": "true"}
    (shared,) = large.empty_dir_mounts
    assert (shared.mount_path, shared.medium, shared.size_limit) == ("/dev/shm", "Memory", "2Gi")
    told = [(each.key, each.operator, each.value, each.effect) for each in large.tolerations]
    assert told == [
        ("gpu", "Equal", "1", "NoExecute"),
        ("nvidia.com/gpu", "Exists", "", "NoSchedule"),
    ]
    for executor in executors.values():
        fields = {field.name for field, _ in executor.ListFields()}
        assert not fields & {"node_selector", "empty_dir_mounts", "tolerations"}


def test_every_field_that_is_written_is_one_that_kfp_reads() -> None:
    everything = _settings(
        SECRETS,
        "kubeflow.image_pull_secrets=[registry]",
        "kubeflow.gpu.tolerations=[{key: gpu, operator: Equal, value: '1', effect: NoExecute}]",
    )
    document = platform_document(everything, [f"{node}_executor" for node in NODES])
    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set().union(*map(_paths, executors.values())) == READ_BY_KFP


@pytest.mark.parametrize("claim", ["a.b", "-a", "a-", "A", "a" * 64, "a_b"])
def test_a_claim_that_cannot_name_a_volume_is_refused(claim: str) -> None:
    with pytest.raises(InputError, match="claim"):
        _settings(f"kubeflow.volume.claim={claim}")


def test_machines_without_labels_or_taints_need_none() -> None:
    bare = _executors("kubeflow.gpu={node_selector: {}, tolerations: []}")["Trainer-large"]
    assert not bare.HasField("node_selector")
    assert not bare.tolerations


def test_every_pod_gets_the_runs_id_and_the_way_to_its_image() -> None:
    executors = _executors(
        "kubeflow.image_pull_policy=Always", "kubeflow.image_pull_secrets=[registry]"
    )
    for executor in executors.values():
        (run_id,) = executor.field_path_as_env
        assert (run_id.name, run_id.field_path) == (
            "KFP_RUN_ID",
            "metadata.labels['pipeline/runid']",
        )
        assert executor.image_pull_policy == "Always"
        assert [each.secret_name for each in executor.image_pull_secret] == ["registry"]


def test_the_protos_refuse_what_they_do_not_know() -> None:
    """Otherwise the tests above could not fail."""
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"pvcMounts": []}, pb.KubernetesExecutorConfig())
