from __future__ import annotations

import pytest

from contract.settings import PipelineSettings
from pipeline.kubeflow.resources import container_resources, gpu_nodes, image_of
from pipeline.load_config import load_settings

CANDIDATES = "candidates={small: {architecture: cnn_baseline}, big_one: {architecture: xception}}"
GPU = {"type": "nvidia.com/gpu", "count": "1"}


def _settings(*overrides: str) -> PipelineSettings:
    return load_settings(None, [CANDIDATES, *overrides])


def _limits(node: str, *overrides: str) -> tuple[float, float]:
    resources = container_resources(node, _settings(*overrides))
    return resources["cpuLimit"], resources["memoryLimit"]


def test_tuner_and_trainer_of_large_networks_ask_for_a_gpu() -> None:
    assert gpu_nodes(_settings()) == {"Tuner-big-one", "Trainer-big-one"}
    assert container_resources("Trainer-big-one", _settings())["accelerator"] == GPU
    for node in ("Trainer-small", "Evaluator", "RunSummary"):
        assert "accelerator" not in container_resources(node, _settings())


def test_the_configuration_says_which_networks_are_large() -> None:
    chosen = _settings("kubeflow.gpu.architectures=[cnn_baseline]", "kubeflow.gpu.count=2")
    assert gpu_nodes(chosen) == {"Tuner-small", "Trainer-small"}
    assert container_resources("Trainer-small", chosen)["accelerator"]["count"] == "2"
    assert gpu_nodes(_settings("kubeflow.gpu.architectures=[]")) == set()


def test_nodes_with_a_gpu_may_have_an_image_of_their_own() -> None:
    plain, cuda = "kubeflow.image=registry/p:1", "kubeflow.gpu.image=registry/p:1-cuda"
    assert image_of("Trainer-big-one", _settings(plain)) == "registry/p:1"
    assert image_of("Trainer-big-one", _settings(plain, cuda)) == "registry/p:1-cuda"
    assert image_of("Trainer-small", _settings(plain, cuda)) == "registry/p:1"


def test_a_node_falls_back_on_its_kind_and_then_on_all_nodes() -> None:
    general = "kubeflow.resources={cpu: 3, memory_gb: 5}"
    kind = "kubeflow.node_resources.Trainer={cpu: 6, memory_gb: 12}"
    own = "kubeflow.node_resources.Trainer-small.memory_gb=24"
    assert _limits("Selector", general) == (3.0, 5.0)
    assert _limits("Trainer-small", general, kind) == (6.0, 12.0)
    assert _limits("Trainer-small", general, kind, own) == (6.0, 24.0)
    assert _limits("Tuner-small", general, kind, own) == (4.0, 8.0)  # the defaults for its kind
    assert _limits("Baseline", general, "kubeflow.node_resources.Baseline.cpu=1") == (1.0, 5.0)


def test_a_node_with_a_gpu_has_its_limits_unless_it_is_named() -> None:
    gpu = "kubeflow.gpu={cpu: 7, memory_gb: 30}"
    kind = "kubeflow.node_resources.Trainer.cpu=1"
    own = "kubeflow.node_resources.Trainer-big-one.memory_gb=60"
    assert _limits("Trainer-big-one", gpu, kind) == (7.0, 30.0)
    assert _limits("Trainer-big-one", gpu, kind, own) == (7.0, 60.0)


@pytest.mark.parametrize(("cores", "cpu_request"), [("4", 0.5), ("0.25", 0.25)])
def test_a_pod_is_placed_where_little_is_free(cores: str, cpu_request: float) -> None:
    resources = container_resources("Selector", _settings(f"kubeflow.resources.cpu={cores}"))
    assert resources["cpuRequest"] == cpu_request
