from __future__ import annotations

from pathlib import Path

import pytest

from contract import __version__
from contract.errors import InputError
from contract.settings import KubeflowSettings
from pipeline.load_config import load_settings

DIGEST = "sha256:" + "0123456789abcdef" * 4


def _load(*overrides: str, config: str | None = None) -> KubeflowSettings:
    return load_settings(config, overrides).kubeflow


@pytest.mark.parametrize("key", ["image", "gpu.image"])
@pytest.mark.parametrize(
    "image",
    [
        "pneumonia:latest",
        "pneumonia",
        "registry.example:5000/pneumonia",
        "registry.example:5000/pneumonia:latest",
        f"pneumonia@{DIGEST[:-1]}",
        "pneumonia@sha256:abc",
        "pneumonia:1.0 ",
        "pneumonia:",
        ":1.0",
    ],
)
def test_an_image_that_may_change_is_refused(key: str, image: str) -> None:
    with pytest.raises(InputError) as caught:
        _load(f"kubeflow.{key}='{image}'")
    told = str(caught.value)
    assert f"kubeflow.{key} (--set): expected an image with a tag other than `latest`" in told
    assert f"got {image!r}" in told
    assert "cache" in told


@pytest.mark.parametrize("key", ["image", "gpu.image"])
@pytest.mark.parametrize(
    "image",
    [
        "pneumonia:1.0",
        "registry.example:5000/team/pneumonia:1.0-cuda",
        "pneumonia:latest-1",
        f"pneumonia@{DIGEST}",
        f"registry.example:5000/pneumonia:latest@{DIGEST}",
    ],
)
def test_an_image_that_stays_is_taken(key: str, image: str) -> None:
    settings = _load(f"kubeflow.{key}='{image}'")
    assert (settings.image if key == "image" else settings.gpu.image) == image


def test_the_images_default_is_this_version_and_none_for_gpus() -> None:
    assert _load().image == f"pneumonia-pipeline:{__version__}"
    assert _load().gpu.image == ""


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("kubeflow.gpu.shared_memory=2GB", "kubeflow.gpu.shared_memory (--set): expected text"),
        ("kubeflow.gpu.shared_memory=-1Gi", "kubeflow.gpu.shared_memory"),
        ("kubeflow.gpu.count=0", "kubeflow.gpu.count (--set): expected a number >= 1, got 0"),
        ("kubeflow.resources.cpu=0", "kubeflow.resources.cpu (--set): expected a number > 0"),
        ("kubeflow.resources.memory_gb=8Gi", "expected a number, got '8Gi'"),
        ("kubeflow.node_resources.Trainer.cpu=-1", "expected a number > 0"),
        ("kubeflow.node_resources.Trainer.memory_gb=8Gi", "expected a number, got '8Gi'"),
        ("kubeflow.retries.max_retries=11", "expected a number <= 10"),
        ("kubeflow.gpu.architectures=[xceptoin]", "did you mean 'xception'?"),
        ("kubeflow.volume.mounted_by=none", "expected one of 'all' or 'boundary'"),
        ("kubeflow.volume.claim=Data", "kubeflow.volume.claim"),
        ("kubeflow.volume.mount_path=mnt", "kubeflow.volume.mount_path"),
        ("kubeflow.push_dir=serving", "kubeflow.push_dir"),
        ("kubeflow.secrets=[{secret: s, key: k, variable: A-B}]", "kubeflow.secrets[0].variable"),
        ("kubeflow.imagee=x:1", "expected a known key, got 'imagee'; did you mean 'image'?"),
        ("kubeflow.node_resources.Trainer.cpus=1", "did you mean 'cpu'?"),
        ("kubeflow.gpu.tolerations=[{keys: a}]", "expected a known key, got 'keys'"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(override: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        _load(override)
    assert told in str(caught.value)


def test_one_nodes_resource_changes_nothing_else() -> None:
    changed = _load("kubeflow.node_resources.Trainer.cpu=8").node_resources
    before = KubeflowSettings().node_resources
    assert (changed["Trainer"].cpu, changed["Trainer"].memory_gb) == (8.0, 8.0)
    assert changed == before | {"Trainer": changed["Trainer"]}


def test_a_file_adds_nodes_to_those_of_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("kubeflow:\n  node_resources:\n    Trainer-small: {memory_gb: 32}\n")
    nodes = _load(config=str(file)).node_resources
    assert set(nodes) == {*KubeflowSettings().node_resources, "Trainer-small"}
    assert (nodes["Trainer-small"].cpu, nodes["Trainer-small"].memory_gb) == (None, 32.0)


def test_labels_of_gpu_nodes_are_given_whole(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("kubeflow:\n  gpu:\n    node_selector: {pool: gpu}\n")
    config = str(file)
    assert _load(config=config).gpu.node_selector == {"pool": "gpu"}
    in_a_flow = "kubeflow.gpu.node_selector={cloud.google.com/gke-accelerator: nvidia-l4}"
    assert _load(in_a_flow, config=config).gpu.node_selector == {
        "cloud.google.com/gke-accelerator": "nvidia-l4"
    }
    assert _load("kubeflow.gpu={node_selector: {}}").gpu.node_selector == {}
    more = "kubeflow.gpu.node_selector.zone=a"
    assert _load(more, config=config).gpu.node_selector == {"pool": "gpu", "zone": "a"}
    # The rest of the section stays.
    assert _load(in_a_flow).gpu.tolerations == KubeflowSettings().gpu.tolerations


def test_variables_are_given_whole(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("kubeflow:\n  environment: {A: '1', B: '2'}\n")
    assert _load("kubeflow.environment={C: '3'}", config=str(file)).environment == {"C": "3"}
    assert _load("kubeflow.environment.A='4'", config=str(file)).environment == {
        "A": "4",
        "B": "2",
    }


def test_a_section_that_is_none_is_told_as_before(tmp_path: Path) -> None:
    for override in ("kubeflow=5", "kubeflow.gpu=[]", "kubeflow.gpu.node_selector=pool"):
        with pytest.raises(InputError, match="a section of `key: value` lines"):
            _load(override)
