"""KServe's InferenceService.

Its schema is not among those of Kubernetes: the fields of KServe are held to a small schema of
ours, and what is Kubernetes' own to a pod made of it.
"""

from __future__ import annotations

import copy

import jsonschema
import kubernetes_validate
import pytest

from contract.settings import KubeflowSettings
from tests.serving.deploy_files import (
    DEPLOY,
    KUBERNETES_VERSIONS,
    Manifest,
    config_map,
    environment,
    flags,
    kustomization,
    manifests,
)
from tests.serving.serving_protos import parse

SETTINGS = KubeflowSettings()
SERVICE = manifests("kserve")["InferenceService"]
PLAIN = manifests("kubernetes")
POD = PLAIN["Deployment"]["spec"]["template"]["spec"]

# Of a pod and of a container, as Kubernetes defines them.
POD_FIELDS = {
    *("automountServiceAccountToken", "securityContext", "terminationGracePeriodSeconds"),
    "volumes",
}
CONTAINER_FIELDS = {
    *("args", "env", "readinessProbe", "resources", "securityContext", "volumeMounts"),
}

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
                        # kserve/kserve v0.16.0, pkg/constants/constants.go; RawDeployment and
                        # Serverless are the deprecated names.
                        "serving.kserve.io/deploymentMode": {"enum": ["Standard", "Knative"]}
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
                        "annotations": {
                            "type": "object",
                            "additionalProperties": {"type": "string"},
                        },
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
    # The runtime sets a user for the container, which overrides the pod's.
    expected = {"runAsUser": POD["securityContext"]["runAsUser"], **container["securityContext"]}
    assert MODEL["securityContext"] == expected
    writable = [each["mountPath"] for each in MODEL["volumeMounts"] if not each.get("readOnly")]
    assert writable == ["/tmp"]


def test_no_string_of_a_request_is_logged():
    assert environment(MODEL) == environment(POD["containers"][0])


def test_prometheus_asks_where_the_server_answers():
    monitoring = (DEPLOY / "config" / "monitoring.config").read_text(encoding="utf-8")
    path = parse(monitoring, "MonitoringConfig").prometheus_config.path
    annotations = PREDICTOR["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == str(MODEL["readinessProbe"]["httpGet"]["port"])
    assert annotations["prometheus.io/path"] == path
    # kserve/kserve v0.16.0, config/runtimes/kserve-tensorflow-serving.yaml: /metrics, which an
    # annotation of the predictor replaces (components/predictor.go, buildObjectMeta).
    assert annotations["prometheus.kserve.io/path"] == path
    # pkg/webhook/admission/pod/metrics_aggregate_injector.go: "true", also from KServe's own
    # configuration, would set port 9091 and path /metrics, those of Knative's proxy.
    assert annotations["serving.kserve.io/enable-prometheus-scraping"] == "false"


def test_a_metric_goes_with_a_mode_that_takes_it():
    # kserve/kserve v0.16.0, pkg/apis/serving/v1beta1/inference_service_validation.go: every mode
    # but Standard, its old name included, has Knative's metrics, and refuses cpu.
    assert PREDICTOR["scaleMetric"] == "cpu"
    mode = SERVICE["metadata"]["annotations"]["serving.kserve.io/deploymentMode"]
    assert mode == "Standard"


def test_the_configuration_is_mounted():
    volumes = {volume["name"]: volume for volume in PREDICTOR["volumes"]}
    assert volumes.keys() == {mount["name"] for mount in MODEL["volumeMounts"]}
    assert volumes["config"]["configMap"]["name"] == config_map()["metadata"]["name"]
