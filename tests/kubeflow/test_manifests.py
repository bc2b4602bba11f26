"""The manifests: valid, in step with each other, with the image and with the configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import contract
from contract.command_line import EXIT_BAD_INPUT
from contract.settings import KubeflowSettings
from pipeline import convert

MANIFESTS = Path(__file__).resolve().parents[2] / "kubeflow" / "manifests"
FILES = sorted(path.name for path in MANIFESTS.glob("*.yaml") if path.stem != "kustomization")
# The oldest that has every field used here, and the newest whose schema is at hand.
KUBERNETES_VERSIONS = ("1.29", kubernetes_validate.latest_version())
SETTINGS = KubeflowSettings()

Manifest = dict[str, Any]


def read(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text(encoding="utf-8")))


def of_kind(kind: str) -> Manifest:
    (found,) = [each for name in FILES for each in read(name) if each["kind"] == kind]
    return found


PODS = {kind: of_kind(kind)["spec"]["template"]["spec"] for kind in ("Job", "Deployment")} | {
    "Pod": of_kind("Pod")["spec"]
}


@pytest.fixture(params=sorted(PODS))
def pod(request) -> Manifest:
    return PODS[request.param]


def test_the_files_are_those_that_are_known():
    kinds = {name: [each["kind"] for each in read(name)] for name in FILES}
    assert kinds == {
        "convert-job.yaml": ["Job"],
        "object-store-credentials.yaml": ["Secret"],
        "serving.yaml": ["Deployment", "Service"],
        "volume-claim.yaml": ["PersistentVolumeClaim"],
        "volume-shell.yaml": ["Pod"],
    }


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_every_manifest_is_valid(name, version):
    for manifest in read(name):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_would_be_found():
    manifest = read("convert-job.yaml")[0]
    manifest["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(manifest, KUBERNETES_VERSIONS[0], strict=True)


def test_the_kustomization_names_files_that_are_there_and_the_images_tag():
    (kustomization,) = read("kustomization.yaml")
    assert set(kustomization["resources"]) <= set(FILES)
    (image,) = kustomization["images"]
    assert f"{image['newName']}:{image['newTag']}" == SETTINGS.image
    assert image["name"] == SETTINGS.image.rpartition(":")[0]
    assert image["newTag"] == contract.__version__


def test_every_pod_mounts_the_claim_where_the_configuration_says(pod):
    assert of_kind("PersistentVolumeClaim")["metadata"]["name"] == SETTINGS.volume.claim
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert list(claims.values()) == [SETTINGS.volume.claim]
    (container,) = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert [mounts[name] for name in claims] == [SETTINGS.volume.mount_path]


def test_the_job_makes_the_records_that_a_run_reads_by_default():
    (container,) = PODS["Job"]["containers"]
    assert container["image"] == SETTINGS.image
    assert container["command"] == ["python", "-m", "pipeline.convert"]
    options = convert.parse_arguments(container["args"])
    assert str(options.output) == SETTINGS.data_dir


def test_the_options_that_the_job_speaks_of_are_there():
    text = (MANIFESTS / "convert-job.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"--([a-z-]+)", text))
    assert named == {"output", "data", "in-folder-named-by-content"}
    arguments = ["--output=a", "--data=b", "--in-folder-named-by-content"]
    assert convert.parse_arguments(arguments).in_folder_named_by_content


def test_bad_input_ends_the_job_at_once():
    spec = of_kind("Job")["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == [EXIT_BAD_INPUT]
    assert rule["onExitCodes"]["containerName"] == PODS["Job"]["containers"][0]["name"]
    assert PODS["Job"]["restartPolicy"] == "Never"  # the policy demands it


def test_the_server_serves_what_a_run_pushes_by_default():
    (container,) = PODS["Deployment"]["containers"]
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    assert f"{given['MODEL_BASE_PATH']}/{given['MODEL_NAME']}" == SETTINGS.push_dir
    # The status without /metadata is 200 for a version that is loading or has failed, too
    # (tensorflow/serving, model_servers/get_model_status_impl.cc).
    path = f"/v1/models/{given['MODEL_NAME']}/metadata"
    assert container["readinessProbe"]["httpGet"]["path"] == path
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "data"]
    assert mount["readOnly"]


def test_the_service_finds_the_server():
    deployment, service = of_kind("Deployment")["spec"], of_kind("Service")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert service["selector"].items() <= labels.items()
    (container,) = PODS["Deployment"]["containers"]
    assert {port["targetPort"] for port in service["ports"]} == {
        port["name"] for port in container["ports"]
    }


def test_no_pod_is_root_or_can_become_it(pod):
    dockerfile = (MANIFESTS.parents[1] / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # The root file system is closed, and HOME is /tmp.
    assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_the_job_makes_the_volume_writable_for_the_images_group():
    context = PODS["Job"]["securityContext"]
    assert context["fsGroup"] == context["runAsGroup"]


def test_every_container_says_what_it_needs_and_no_image_moves(pod):
    (container,) = pod["containers"]
    for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
        assert amounts.keys() == {"cpu", "memory"}
    assert re.fullmatch(r"[\w/.-]+:(?!latest$)[\w.-]+", container["image"])


def test_the_secret_holds_placeholders_only():
    secret = of_kind("Secret")
    assert "data" not in secret
    assert set(secret["stringData"].values()) == {"REPLACE_ME"}
