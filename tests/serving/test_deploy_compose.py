"""The compose files: known fields only, closed, and the same server as on Kubernetes."""

from __future__ import annotations

import jsonschema
import pytest

from contract.settings import KubeflowSettings
from serving.client.command_line import parse_arguments
from tests.serving.deploy_files import DEPLOY, environment, flags, manifests, read

SETTINGS = KubeflowSettings()
POD = manifests("kubernetes")["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]

STRINGS = {"type": "array", "items": {"type": "string"}}
# Of the Compose specification, what is used here.
COMPOSE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string"},
                    "entrypoint": STRINGS,
                    "command": STRINGS,
                    "ports": STRINGS,
                    "user": {"type": "string"},
                    "read_only": {"type": "boolean"},
                    "cap_drop": STRINGS,
                    "security_opt": STRINGS,
                    "tmpfs": STRINGS,
                    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                    "volumes": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["type", "source", "target"],
                            "additionalProperties": False,
                            "properties": {
                                "type": {"const": "bind"},
                                "source": {"type": "string"},
                                "target": {"type": "string"},
                                "read_only": {"type": "boolean"},
                                "bind": {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "properties": {"create_host_path": {"type": "boolean"}},
                                },
                            },
                        },
                    },
                    "healthcheck": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "test": STRINGS,
                            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                            "timeout": {"type": "string", "pattern": "^[0-9]+s$"},
                            "retries": {"type": "integer"},
                            "start_period": {"type": "string", "pattern": "^[0-9]+s$"},
                        },
                    },
                    "deploy": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "resources": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "limits": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "cpus": {"type": "string"},
                                            "memory": {"type": "string"},
                                        },
                                    },
                                    "reservations": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "devices": {
                                                "type": "array",
                                                "items": {
                                                    "type": "object",
                                                    "required": ["capabilities"],
                                                    "additionalProperties": False,
                                                    "properties": {
                                                        "driver": {"type": "string"},
                                                        "count": {"type": "integer"},
                                                        "capabilities": STRINGS,
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                },
            },
        },
    },
}


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_files_have_known_fields_only(name):
    document = read(DEPLOY / name)
    jsonschema.validate(document, COMPOSE_SCHEMA)
    assert list(document["services"]) == ["serving"]


def test_compose_runs_the_same_server_as_kubernetes():
    service = read(DEPLOY / "compose.yaml")["services"]["serving"]
    assert service["image"] == CONTAINER["image"]
    assert service["entrypoint"] == CONTAINER["command"]
    assert service["command"] == CONTAINER["args"]
    context = POD["securityContext"]
    assert service["user"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    limits = service["deploy"]["resources"]["limits"]
    assert limits["cpus"] == CONTAINER["resources"]["limits"]["cpu"]
    assert f"{limits['memory']}i" == CONTAINER["resources"]["limits"]["memory"]
    gpu = read(DEPLOY / "compose.gpu.yaml")["services"]["serving"]
    assert gpu["image"] == f"{service['image']}-gpu"


def test_compose_is_closed_and_on_loopback():
    service = read(DEPLOY / "compose.yaml")["services"]["serving"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume["read_only"] for volume in service["volumes"])
    given = flags(service["command"])
    grpc, rest = given["port"], given["rest_api_port"]
    assert service["ports"] == [f"127.0.0.1:{grpc}:{grpc}", f"127.0.0.1:{rest}:{rest}"]
    assert parse_arguments(["a.png"]).url == f"http://localhost:{rest}"


def test_compose_logs_as_kubernetes_does_with_a_gpu_too():
    plain = read(DEPLOY / "compose.yaml")["services"]["serving"]["environment"]
    with_gpu = read(DEPLOY / "compose.gpu.yaml")["services"]["serving"]["environment"]
    assert plain == environment(CONTAINER)
    # Compose joins the two by name; a later file's value counts.
    assert plain.items() <= {**plain, **with_gpu}.items()


def test_compose_mounts_what_is_there_where_the_configuration_looks():
    service = read(DEPLOY / "compose.yaml")["services"]["serving"]
    targets = {volume["target"]: volume["source"] for volume in service["volumes"]}
    configuration = flags(service["command"])["model_config_file"].rpartition("/")[0]
    assert (DEPLOY / targets.pop(configuration)) == DEPLOY / "config"
    (target, source) = targets.popitem()
    assert SETTINGS.push_dir == f"{target}/pneumonia"
    default = source.partition(":-")[2].partition("}")[0]
    assert (DEPLOY / default).resolve() == DEPLOY.parents[1] / "output"
