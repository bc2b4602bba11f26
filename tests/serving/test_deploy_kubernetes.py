"""The manifests for production: valid, closed, in step with each other and with the pipeline's."""

from __future__ import annotations

import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from contract.settings import KubeflowSettings
from tests.serving.deploy_files import (
    DEPLOY,
    KUBERNETES_VERSIONS,
    REPOSITORY,
    Manifest,
    config_map,
    environment,
    flags,
    kustomization,
    manifests,
    patched,
    read,
    simple_manifests,
)

SETTINGS = KubeflowSettings()
PLAIN = manifests("kubernetes")
SIMPLE = simple_manifests()
(SIMPLE_CONTAINER,) = SIMPLE["Deployment"]["spec"]["template"]["spec"]["containers"]
# What a kustomization of ours may hold, so that a misspelt key is found.
KNOWN_KEYS = {
    *("apiVersion", "kind", "namespace", "resources", "patches"),
    *("generatorOptions", "configMapGenerator"),
}


def with_gpu() -> dict[str, Manifest]:
    result = dict(PLAIN)
    for patch in kustomization("kubernetes-gpu")["patches"]:
        kind = patch["target"]["kind"]
        assert patch["target"] == {"kind": kind, "name": PLAIN[kind]["metadata"]["name"]}
        result[kind] = patched(result[kind], yaml.safe_load(patch["patch"]))
    return result


VARIANTS = {"kubernetes": PLAIN, "kubernetes-gpu": with_gpu()}


@pytest.fixture(params=sorted(VARIANTS))
def variant(request) -> dict[str, Manifest]:
    return VARIANTS[request.param]


@pytest.fixture
def pod(variant) -> Manifest:
    return variant["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def container(pod) -> Manifest:
    (only,) = pod["containers"]
    return only


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_manifest_is_valid(variant, version):
    assert set(variant) == {
        *("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
        "NetworkPolicy",
    }
    for manifest in [*variant.values(), config_map()]:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_found():
    wrong = patched(PLAIN["NetworkPolicy"], [{"op": "add", "path": "/spec/egres", "value": []}])
    with pytest.raises(kubernetes_validate.ValidationError, match="egres"):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSIONS[0], strict=True)


@pytest.mark.parametrize("folder", ["config", "kubernetes", "kubernetes-gpu", "kserve"])
def test_kustomizations_name_all_files_and_nothing_else(folder):
    document = kustomization(folder)
    assert document.keys() <= KNOWN_KEYS
    assert document["kind"] == "Kustomization"
    named = set(document.get("resources", []))
    for generator in document.get("configMapGenerator", []):
        named |= set(generator["files"])
    there = {path.name for path in (DEPLOY / folder).iterdir()} - {"kustomization.yaml"}
    assert {name for name in named if not name.startswith("../")} == there
    for name in named - there:
        assert (DEPLOY / folder / name / "kustomization.yaml").is_file()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
@pytest.mark.parametrize("folder", sorted(VARIANTS))
def test_kubectl_builds_the_same(folder):
    built = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY / folder)], capture_output=True, text=True, check=True
    )
    documents = {each["kind"]: each for each in yaml.safe_load_all(built.stdout)}
    configuration = documents.pop("ConfigMap")
    assert configuration["metadata"]["name"] == config_map()["metadata"]["name"]
    assert configuration["data"] == config_map()["data"]
    for document in [configuration, *documents.values()]:
        assert document["metadata"].pop("namespace") == "kubeflow"
    assert documents == VARIANTS[folder]


def test_it_takes_the_place_of_the_simple_server():
    for kind, simple in SIMPLE.items():
        assert PLAIN[kind]["metadata"] == simple["metadata"]
    # A selector cannot be changed once it is there.
    simple, own = SIMPLE["Deployment"]["spec"], PLAIN["Deployment"]["spec"]
    assert own["selector"] == simple["selector"]
    assert PLAIN["Service"]["spec"] == SIMPLE["Service"]["spec"]
    (own_container,) = own["template"]["spec"]["containers"]
    assert own_container["image"] == SIMPLE_CONTAINER["image"]
    assert own_container["name"] == SIMPLE_CONTAINER["name"]
    assert (
        kustomization("kubernetes")["namespace"]
        == (read(REPOSITORY / "kubeflow" / "manifests" / "kustomization.yaml")["namespace"])
    )


def test_the_selectors_find_the_pods(variant):
    labels = variant["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    (constraint,) = variant["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    for selector in (
        variant["Deployment"]["spec"]["selector"],
        variant["PodDisruptionBudget"]["spec"]["selector"],
        variant["NetworkPolicy"]["spec"]["podSelector"],
        constraint["labelSelector"],
        {"matchLabels": variant["Service"]["spec"]["selector"]},
    ):
        assert selector.keys() == {"matchLabels"}
        assert selector["matchLabels"].items() <= labels


def test_the_volume_is_the_pipelines_and_read_only(pod, container):
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    (name,) = claims
    assert claims[name] == SETTINGS.volume.claim
    assert mounts[name]["mountPath"] == SETTINGS.volume.mount_path
    assert mounts[name]["readOnly"]


def test_the_configuration_is_mounted_where_the_flags_say_and_follows_changes(pod, container):
    (volume,) = [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
    assert volume == config_map()["metadata"]["name"]
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "config"]
    assert "subPath" not in mount
    given = flags(container["args"])
    files = {value for name, value in given.items() if name.endswith("_file")}
    assert files == {f"{mount['mountPath']}/{name}" for name in config_map()["data"]}
    assert int(given["model_config_file_poll_wait_seconds"]) > 0
    assert kustomization("config")["generatorOptions"]["disableNameSuffixHash"] is True


def test_ports_are_those_of_the_flags(variant, container):
    given = flags(container["args"])
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    assert ports == {"grpc": given["port"], "http": given["rest_api_port"]}
    assert {port["targetPort"] for port in variant["Service"]["spec"]["ports"]} == set(ports)
    annotations = variant["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == given["rest_api_port"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"


def test_no_pod_is_root_or_can_become_it_or_writes(pod, container):
    simple = SIMPLE["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == simple["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = [each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")]
    assert writable == ["/tmp"]


def test_no_image_moves_and_every_container_says_what_it_needs(container):
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+(-gpu)?", container["image"])
    for amounts in container["resources"].values():
        assert {"cpu", "memory"} <= amounts.keys()


def test_no_string_of_a_request_is_logged(container):
    # What each level leaves out is shown by test_deploy_logs.py.
    assert environment(container)["TF_CPP_MIN_LOG_LEVEL"] == "2"
    assert environment(SIMPLE_CONTAINER)["TF_CPP_MIN_LOG_LEVEL"] == "2"


def test_pods_go_and_come_one_after_the_other(variant):
    spec = variant["Deployment"]["spec"]
    assert spec["strategy"]["type"] == "RollingUpdate"
    template = spec["template"]["spec"]
    (container,) = template["containers"]
    name, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert name == "sleep"
    request_s = int(flags(container["args"])["rest_api_timeout_in_ms"]) // 1000
    assert int(seconds) + request_s < template["terminationGracePeriodSeconds"]
    scaler = variant["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": variant["Deployment"]["apiVersion"],
        "kind": "Deployment",
        "name": variant["Deployment"]["metadata"]["name"],
    }
    assert "replicas" not in spec  # applying it would undo what the autoscaler has set
    assert variant["PodDisruptionBudget"]["spec"]["minAvailable"] < scaler["minReplicas"]
    assert scaler["minReplicas"] <= scaler["maxReplicas"]


def test_only_clients_and_prometheus_come_in_and_nothing_goes_out(variant):
    spec = variant["NetworkPolicy"]["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert spec["egress"] == []
    clients, prometheus = spec["ingress"]
    assert clients["from"] == [
        {"podSelector": {"matchLabels": {"pneumonia-serving-client": "true"}}}
    ]
    assert [port["port"] for port in prometheus["ports"]] == ["http"]
    (source,) = prometheus["from"]
    assert source.keys() == {"namespaceSelector"}


def test_the_gpu_is_asked_for_as_the_pipeline_asks():
    pod = VARIANTS["kubernetes-gpu"]["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (plain,) = PLAIN["Deployment"]["spec"]["template"]["spec"]["containers"]
    gpu = SETTINGS.gpu
    assert container["image"] == f"{plain['image']}-gpu"
    assert container["resources"]["limits"] == {
        "cpu": f"{gpu.cpu:g}",
        "memory": f"{gpu.memory_gb:g}Gi",
        gpu.resource: gpu.count,
    }
    assert pod["nodeSelector"] == gpu.node_selector
    (expected,) = gpu.tolerations
    assert pod["tolerations"] == [
        {"key": expected.key, "operator": expected.operator, "effect": expected.effect}
    ]
    given, before = environment(container), environment(plain)
    assert before.items() <= given.items()
    (cache,) = given.keys() - before.keys()
    assert given[cache].startswith("/tmp/")
