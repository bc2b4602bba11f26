"""TFX's InfraValidator as it is configured, and the requests that TFX builds from that.

No container is started here: there is no Docker where the tests run.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tfx.components.infra_validator import request_builder, serving_bins
from tfx.components.infra_validator.component import InfraValidator
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import infra_validator_pb2
from tfx.types import Channel, artifact_utils, standard_artifacts
from tfx.utils import path_utils

from components.infra_validator import create_infra_validator
from components.uncached_driver import UncachedDriver
from contract import features
from contract.settings import ServingSettings


def node_of(**settings: object) -> BaseNode:
    return create_infra_validator(
        Channel(type=standard_artifacts.Model),
        Channel(type=standard_artifacts.Examples),
        ServingSettings.model_validate(settings),
        "chest",
    )


def spec_of(node: BaseNode, name: str, kind: type) -> object:
    return json_format.Parse(node.exec_properties[name], kind())


def serving_spec(node: BaseNode) -> infra_validator_pb2.ServingSpec:
    return spec_of(node, "serving_spec", infra_validator_pb2.ServingSpec)


def request_spec(node: BaseNode) -> infra_validator_pb2.RequestSpec:
    return spec_of(node, "request_spec", infra_validator_pb2.RequestSpec)


def test_it_is_tfxs_node_and_never_answered_from_the_cache() -> None:
    node = node_of(infra_validation="docker")
    assert isinstance(node, InfraValidator)
    assert node.id == "InfraValidator"
    assert node.DRIVER_CLASS is UncachedDriver
    assert node.outputs["blessing"].type is standard_artifacts.InfraBlessing


def test_docker_runs_the_image_that_is_configured() -> None:
    spec = serving_spec(node_of(infra_validation="docker", infra_tag="2.18.0-gpu"))
    assert spec.WhichOneof("serving_platform") == "local_docker"
    assert spec.model_name == "chest"
    [binary] = serving_bins.parse_serving_binaries(spec)
    assert binary.image == "tensorflow/serving:2.18.0-gpu"


def test_kubernetes_does_not_leave_a_pod_behind() -> None:
    settings = {"infra_image": "registry.local:5000/tf/serving", "timeout_s": 40.5}
    node = node_of(infra_validation="kubernetes", **settings)
    spec = serving_spec(node)
    assert spec.WhichOneof("serving_platform") == "kubernetes"
    [binary] = serving_bins.parse_serving_binaries(spec)
    assert binary.image == "registry.local:5000/tf/serving:2.19.1"
    validation = spec_of(node, "validation_spec", infra_validator_pb2.ValidationSpec)
    assert validation.max_loading_time_seconds == 41
    # TFX wants it longer than the loading may take.
    assert spec.kubernetes.active_deadline_seconds > validation.max_loading_time_seconds


def test_patients_images_do_not_become_part_of_the_model() -> None:
    assert not request_spec(node_of(infra_validation="docker")).make_warmup


def test_without_a_platform_there_is_no_node() -> None:
    with pytest.raises(ValueError, match="docker or kubernetes, got 'none'"):
        node_of()


class Toy(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def serve(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(image_bytes)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.EXAMPLES_INPUT)])
    def serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(examples)}


def test_tfx_asks_for_validation_records_by_the_signature_that_takes_them(tmp_path: Path) -> None:
    toy = Toy()
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    model.uri, examples.uri = str(tmp_path / "model"), str(tmp_path / "examples")
    tf.saved_model.save(
        toy,
        path_utils.serving_model_dir(model.uri),
        signatures={
            features.SERVING_SIGNATURE: toy.serve,
            features.EXAMPLES_SIGNATURE: toy.serve_examples,
        },
    )
    examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    for split in features.SPLITS:
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "data.gz"), "GZIP") as writer:
            for index in range(5):
                writer.write(f"{split} {index}".encode())
    requests = request_builder.build_requests(
        "chest", model, examples, request_spec(node_of(infra_validation="docker", check_images=3))
    )
    assert len(requests) == 3
    for request in requests:
        assert request.model_spec.name == "chest"
        assert request.model_spec.signature_name == features.EXAMPLES_SIGNATURE
        [record] = tf.make_ndarray(request.inputs[features.EXAMPLES_INPUT])
        assert record.startswith(b"validation ")
