"""KServe's InferenceService.

Its schema is not among those of Kubernetes: the fields of KServe are held to a small schema of
ours, and what is Kubernetes' own to a pod made of it.
"""

from __future__ import annotations

import copy

import jsonschema
import kubernetes_validate
import pytest

from pipeline.kubeflow_settings import KubeflowSettings
from tests.serving.deploy_files import (
    KUBERNETES_VERSIONS,
    Manifest,
    config_map,
    flags,
    kustomization,
    manifests,
)

SETTINGS = KubeflowSettings()
SERVICE = manifests("kserve")["InferenceService"]
PLAIN = manifests("kubernetes")
POD = PLAIN["Deployment"]["spec"]["template"]["spec"]

# Of a pod and of a container, as Kubernetes defines them.
POD_FIELDS = {
    *("automountServiceAccountToken", "securityContext", "terminationGracePeriodSeconds"),
    "volumes",
}
CONTAINER_FIELDS = {"args", "readinessProbe", "resources", "securityContext", "volumeMounts"}

MODEL_SCHEMA = {
    "type": "object",
    "required": ["modelFormat", "storageUri"],
    "additionalProperties": False,
    "properties": {
        "modelFormat": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": {"const": "tensorflow"}, "version": {"enum": ["1", "2"]}},
        },
        "protocolVersion": {"enum": ["v1", "grpc-v1"]},
        "runtime": {"type": "string"},
        "runtimeVersion": {"type": "string"},
        "storageUri": {"type": "string", "pattern": "^pvc://[a-z0-9-]+/.+$"},
        **{name: {} for name in CONTAINER_FIELDS},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "annotations": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "serving.kserve.io/deploymentMode": {
                            "enum": ["RawDeployment", "Standard", "Serverless", "Knative"]
                        }
                    },
                },
            },
        },
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["predictor"],
            "properties": {
                "predictor": {
                    "type": "object",
                    "required": ["model"],
                    "additionalProperties": False,
                    "properties": {
                        "minReplicas": {"type": "integer", "minimum": 0},
                        "maxReplicas": {"type": "integer", "minimum": 1},
                        "scaleMetric": {"enum": ["cpu", "memory", "concurrency", "rps"]},
                        "scaleTarget": {"type": "integer", "minimum": 1, "maximum": 100},
                        "timeout": {"type": "integer", "minimum": 1},
                        "model": MODEL_SCHEMA,
                        **{name: {} for name in POD_FIELDS},
                    },
                }
            },
        },
    },
}
PREDICTOR = SERVICE["spec"]["predictor"]
MODEL = PREDICTOR["model"]


def pod_of(predictor: Manifest) -> Manifest:
    model = predictor["model"]
    container = {name: model[name] for name in CONTAINER_FIELDS & model.keys()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "predictor"},
        "spec": {
            **{name: predictor[name] for name in POD_FIELDS & predictor.keys()},
            "containers": [{"name": "kserve-container", "image": "tensorflow", **container}],
        },
    }


def test_fields_of_kserve_are_known_and_those_of_kubernetes_are_valid():
    jsonschema.validate(SERVICE, SCHEMA)
    for version in KUBERNETES_VERSIONS:
        kubernetes_validate.validate(pod_of(PREDICTOR), version, strict=True)


def test_mistakes_would_be_found():
    misspelt = copy.deepcopy(SERVICE)
    misspelt["spec"]["predictor"]["model"]["storageURI"] = "pvc://a/b"
    with pytest.raises(jsonschema.ValidationError, match="storageURI"):
        jsonschema.validate(misspelt, SCHEMA)
    wrong = copy.deepcopy(PREDICTOR)
    wrong["model"]["resources"]["limit"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="limit"):
        kubernetes_validate.validate(pod_of(wrong), KUBERNETES_VERSIONS[0], strict=True)


def test_it_serves_what_the_pipeline_pushes_under_the_same_name():
    claim, _, folder = MODEL["storageUri"].removeprefix("pvc://").partition("/")
    assert claim == SETTINGS.volume.claim
    assert f"{SETTINGS.volume.mount_path}/{folder}" == SETTINGS.push_dir
    assert SERVICE["metadata"]["name"] == SETTINGS.push_dir.rpartition("/")[2]
    assert kustomization("kserve")["namespace"] == kustomization("kubernetes")["namespace"]


def test_it_is_the_same_server_as_the_deployment():
    (container,) = POD["containers"]
    assert container["image"] == f"tensorflow/serving:{MODEL['runtimeVersion']}"
    assert MODEL["resources"] == container["resources"]
    own, deployments = flags(MODEL["args"]), flags(container["args"])
    assert own.items() <= deployments.items()
    assert not {"port", "rest_api_port", "model_name", "model_base_path"} & own.keys()
    scaler = PLAIN["HorizontalPodAutoscaler"]["spec"]
    for name in ("minReplicas", "maxReplicas"):
        assert PREDICTOR[name] == scaler[name]
    timeout_s = int(deployments["rest_api_timeout_in_ms"]) / 1000
    assert PREDICTOR["timeout"] >= timeout_s


def test_it_is_as_closed_as_the_deployment():
    (container,) = POD["containers"]
    assert PREDICTOR["securityContext"] == POD["securityContext"]
    assert PREDICTOR["automountServiceAccountToken"] is False
    # The runtime sets a user of its own for the container, which goes before the pod's.
    expected = {"runAsUser": POD["securityContext"]["runAsUser"], **container["securityContext"]}
    assert MODEL["securityContext"] == expected
    writable = [each["mountPath"] for each in MODEL["volumeMounts"] if not each.get("readOnly")]
    assert writable == ["/tmp"]


def test_the_configuration_is_mounted():
    volumes = {volume["name"]: volume for volume in PREDICTOR["volumes"]}
    assert volumes.keys() == {mount["name"] for mount in MODEL["volumeMounts"]}
    assert volumes["config"]["configMap"]["name"] == config_map()["metadata"]["name"]
