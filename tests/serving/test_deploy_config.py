"""The server's configuration files, parsed strictly."""

from __future__ import annotations

import inspect

import pytest
from google.protobuf.text_format import ParseError

from contract.settings import KubeflowSettings
from serving.client import Client
from serving.client.command_line import parse_arguments
from tests.serving.deploy_files import DEPLOY, flags, manifests, simple_manifests
from tests.serving.serving_protos import parse

SETTINGS = KubeflowSettings()
CONTAINER = manifests("kubernetes")["Deployment"]["spec"]["template"]["spec"]["containers"][0]


def text(name: str) -> str:
    return (DEPLOY / "config" / name).read_text(encoding="utf-8")


def test_the_model_is_where_the_pipeline_pushes_under_the_name_that_clients_ask_for():
    (model,) = parse(text("models.config"), "ModelServerConfig").model_config_list.config
    assert model.base_path == SETTINGS.push_dir
    assert model.name == model.base_path.rpartition("/")[2]
    assert model.name == parse_arguments(["a.png"]).model
    assert model.name == inspect.signature(Client).parameters["model"].default
    assert model.model_platform == "tensorflow"


def test_stable_and_canary_are_versions_that_are_loaded():
    (model,) = parse(text("models.config"), "ModelServerConfig").model_config_list.config
    labels = model.version_labels
    assert set(labels) == {"canary", "stable"}
    assert set(labels.values()) == set(model.model_version_policy.specific.versions)
    # The pipeline counts from 1, so that the first push is served.
    assert labels["stable"] == 1


def test_pods_are_ready_when_the_stable_version_of_the_model_is():
    (model,) = parse(text("models.config"), "ModelServerConfig").model_config_list.config
    path = CONTAINER["readinessProbe"]["httpGet"]["path"]
    assert path == f"/v1/models/{model.name}/labels/stable/metadata"


def test_readiness_asks_for_what_only_a_loaded_version_answers():
    # tensorflow/serving, servables/tensorflow/get_model_metadata_impl.cc: the metadata needs a
    # handle of a version that is loaded. model_servers/get_model_status_impl.cc: the status lists
    # versions in every state, and is answered with 200.
    (simple,) = simple_manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    kserve = manifests("kserve")["InferenceService"]["spec"]["predictor"]["model"]
    for container in (CONTAINER, simple, kserve):
        assert container["readinessProbe"]["httpGet"]["path"].endswith("/metadata")


def test_a_request_of_the_client_fits_into_a_batch():
    parameters = parse(text("batching.config"), "BatchingParameters")
    for field in parameters.DESCRIPTOR.fields:
        given = field.name != "allowed_batch_sizes"
        assert not given or getattr(parameters, field.name).value > 0, field.name
    assert parse_arguments(["a.png"]).batch_size <= parameters.max_batch_size.value
    assert parameters.num_batch_threads.value == int(CONTAINER["resources"]["limits"]["cpu"])
    assert flags(CONTAINER["args"])["enable_batching"] == "true"


def test_metrics_are_where_prometheus_and_the_probe_look():
    prometheus = parse(text("monitoring.config"), "MonitoringConfig").prometheus_config
    assert prometheus.enable
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == prometheus.path
    template = manifests("kubernetes")["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/path"] == prometheus.path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("model_config_list { config { nam: 'a' } }", "ModelServerConfig"),
        ("model_config_list { config { name: 1 } }", "ModelServerConfig"),
        ("model_config_list { config { name: 'a'", "ModelServerConfig"),
        ("max_batch_size: 32", "BatchingParameters"),
        ("prometheus_config { enable: maybe }", "MonitoringConfig"),
    ],
)
def test_mistakes_would_be_found(wrong, message):
    with pytest.raises(ParseError):
        parse(wrong, message)
