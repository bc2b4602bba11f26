"""The manifests of Flink: valid, and in step with each other, with the page and with the cluster.

The operator's schema comes from Maven, with the artifacts of the cluster that tests start.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import contract
from contract.settings import KubeflowSettings
from tests.flink import artifacts_or_skip
from tools.flink_cluster import cluster
from tools.flink_cluster.artifacts import CRD

FOLDER = Path(__file__).resolve().parents[2] / "kubeflow"
PAGE = (FOLDER / "flink.md").read_text(encoding="utf-8")
(SESSION,) = yaml.safe_load_all((FOLDER / "flink" / "session-cluster.yaml").read_text("utf-8"))
JOB_SERVER = list(yaml.safe_load_all((FOLDER / "flink" / "job-server.yaml").read_text("utf-8")))
DEPLOYMENT, SERVICE, POLICY = JOB_SERVER
CONFIGURATION = next(
    yaml.safe_load(body)
    for body in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if "beam:" in body
)
POD = SESSION["spec"]["taskManager"]["podTemplate"]["spec"]
WORKERS = next(each for each in POD["containers"] if each["name"] == "beam-workers")
(CONTAINER,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    definition = yaml.safe_load((artifacts_or_skip() / CRD).read_text(encoding="utf-8"))
    (version,) = definition["spec"]["versions"]
    group = definition["spec"]["group"]
    assert SESSION["apiVersion"] == f"{group}/{version['name']}"
    assert SESSION["kind"] == definition["spec"]["names"]["kind"]
    return version["schema"]["openAPIV3Schema"]


def unknown(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Yield the fields that a cluster would drop, since the schema has none of their names."""
    if isinstance(value, list):
        for each in value:
            yield from unknown(each, schema.get("items", {}), f"{at}[]")
    if isinstance(value, dict) and "properties" in schema:
        for name, each in value.items():
            if name not in schema["properties"]:
                yield f"{at}.{name}"
            else:
                yield from unknown(each, schema["properties"][name], f"{at}.{name}")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_operator_takes_the_cluster(schema):
    jsonschema.Draft202012Validator(schema).validate(SESSION)
    body = {"spec": SESSION["spec"]}
    assert list(unknown(body, schema)) == []
    # The check itself finds what is wrong.
    assert list(unknown({"spec": {"taskmanager": {}}}, schema)) == [".spec.taskmanager"]
    wrong = SESSION | {"spec": SESSION["spec"] | {"flinkVersion": "1.19"}}
    assert not jsonschema.Draft202012Validator(schema).is_valid(wrong)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_flink_divides_the_memory_of_a_task_manager_as_the_cluster_that_was_tried(tmp_path):
    configuration = SESSION["spec"]["flinkConfiguration"] | {
        "jobmanager.rpc.address": "jobmanager",
        # What the operator makes of the resource.
        "taskmanager.memory.process.size": SESSION["spec"]["taskManager"]["resource"]["memory"],
        "taskmanager.cpu.cores": str(SESSION["spec"]["taskManager"]["resource"]["cpu"]),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    # What Flink's own start script asks.
    result = subprocess.run(
        [
            *("java", "-cp", str(artifacts_or_skip() / "jars" / "*")),
            "org.apache.flink.runtime.util.bash.BashJavaUtils",
            *("GET_TM_RESOURCE_PARAMS", "--configDir", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    heap_mb = sum(
        int(cluster._TASK_MANAGER_MEMORY[f"taskmanager.memory.{part}.heap.size"].removesuffix("m"))
        for part in ("framework", "task")
    )
    assert f"-Xmx{heap_mb * 2**20} " in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
def test_the_other_manifests_are_valid(version):
    for manifest in JOB_SERVER:
        kubernetes_validate.validate(manifest, version, strict=True)
    # The pod of a TaskManager, as it is without what the operator adds to Flink's container.
    containers = [{"image": "flink", **each} for each in POD["containers"]]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    kubernetes_validate.validate(
        pod | {"spec": POD | {"containers": containers}}, version, strict=True
    )


def test_each_task_manager_has_a_pool_of_its_workers():
    assert WORKERS["image"] == f"pneumonia-pipeline:{contract.__version__}"
    assert WORKERS["image"] == KubeflowSettings().image
    (script,) = WORKERS["args"]
    modules = re.findall(r"python -m (\S+)", script)
    assert modules[0] == "pipeline.beam_worker", "whose messages are small"
    assert all(importlib.util.find_spec(module) is not None for module in modules)
    (port,) = re.findall(r"--service_port=(\d+)", script)
    for arguments in CONFIGURATION["beam"]["node_pipeline_args"].values():
        assert "--environment_type=EXTERNAL" in arguments
        assert f"--environment_config=localhost:{port}" in arguments


def test_workers_and_flink_see_what_the_tasks_see():
    volume = CONFIGURATION["kubeflow"]["volume"]
    assert volume["mounted_by"] == "all"
    assert {each["name"] for each in POD["containers"]} == {"flink-main-container", "beam-workers"}
    for container in POD["containers"]:
        (mount,) = container["volumeMounts"]
        assert mount["mountPath"] == volume["mount_path"]
    (claim,) = [each["persistentVolumeClaim"]["claimName"] for each in POD["volumes"]]
    assert claim == volume["claim"]


def test_the_job_server_is_where_the_tasks_look_for_it():
    options = dict(each.split("=") for each in CONTAINER["args"] if "=" in each)
    name, port = SERVICE["metadata"]["name"], options["--job-port"]
    for arguments in CONFIGURATION["beam"]["node_pipeline_args"].values():
        assert f"--job_endpoint={name}:{port}" in arguments
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == labels
    assert POLICY["spec"]["podSelector"]["matchLabels"] == labels
    ports = {int(port), int(options["--artifact-port"])}
    assert {each["port"] for each in SERVICE["spec"]["ports"]} == ports
    assert {each["containerPort"] for each in CONTAINER["ports"]} == ports
    assert {each["port"] for each in POLICY["spec"]["ingress"][0]["ports"]} == ports
    # The operator names the service of Flink's REST so.
    assert options["--flink-master"] == f"{SESSION['metadata']['name']}-rest:8081"
    assert CONTAINER["image"] == SESSION["spec"]["image"]


def test_settings_that_matter_are_those_of_the_cluster_that_was_tried(tmp_path):
    cluster._write_files(tmp_path, cluster.Ports())
    tried = yaml.safe_load((tmp_path / "conf" / "config.yaml").read_text(encoding="utf-8"))
    tried |= cluster._TASK_MANAGER_MEMORY
    given = SESSION["spec"]["flinkConfiguration"]
    # There the job server sends its jars.
    shared = {name: value for name, value in given.items() if name != "classloader.resolve-order"}
    assert len(shared) == len(given) - 1
    assert {name: str(tried[name]) for name in shared} == shared
