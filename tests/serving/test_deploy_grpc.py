"""The page's call over gRPC, with the protocol's own messages and service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from contract import features
from tests.serving.client.fake_server import THRESHOLD, probability_of
from tests.serving.client.pictures import encode
from tests.serving.deploy_files import DEPLOY, REPOSITORY, blocks, flags, read
from tests.serving.serving_protos import parse

(SNIPPET,) = [
    body
    for body in blocks(REPOSITORY / "docs" / "serving-client.md", "python")
    if "import grpc" in body
]
# Were a string cut at its last bytes, it would be another image.
PICTURE = encode() + b"\0\0"


class Server(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Judges images by their bytes, and refuses what TensorFlow Serving refuses."""

    def Predict(self, request, context):  # noqa: N802, the protocol's name
        text = (DEPLOY / "config" / "models.config").read_text(encoding="utf-8")
        (model,) = parse(text, "ModelServerConfig").model_config_list.config
        spec = request.model_spec
        # tensorflow/serving, model_servers/server_core.cc.
        if spec.version_label not in model.version_labels:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label")
        if spec.name != model.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        # servables/tensorflow/predict_util.cc.
        if (spec.signature_name or "serving_default") != features.SERVING_SIGNATURE:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Serving signature key not found")
        if set(request.inputs) != {features.IMAGE_BYTES}:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input size does not match signature")
        tensor = request.inputs[features.IMAGE_BYTES]
        # The session's own check, by the signature's type and shape.
        if tensor.dtype != tf.string.as_datatype_enum or len(tensor.tensor_shape.dim) != 1:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[0] to be string")
        images = list(tf.make_ndarray(tensor))
        response = predict_pb2.PredictResponse()
        for name, values in (
            (features.PROBABILITY, [probability_of(image) for image in images]),
            (features.PREDICTED_LABEL, [features.PNEUMONIA] * len(images)),
            (features.THRESHOLD, [THRESHOLD] * len(images)),
            (features.DECISION, [features.REFER] * len(images)),
            (features.FAMILIARITY, [0.25] * len(images)),
        ):
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


@pytest.fixture
def address():
    """Return where a server answers."""
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Server(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


def run(code: str, address: str) -> None:
    exec(compile(code.replace("localhost:8500", address), "the page", "exec"), {})


@pytest.fixture(autouse=True)
def xray(tmp_path, monkeypatch):
    (tmp_path / "xray.jpeg").write_bytes(PICTURE)
    monkeypatch.chdir(tmp_path)


def test_the_call_does_what_the_page_says(address, capsys):
    run(SNIPPET, address)
    printed = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(printed["probability"].strip("[]")) == pytest.approx(probability_of(PICTURE))
    assert features.PNEUMONIA in printed["label"]
    assert float(printed["threshold"].strip("[]")) == THRESHOLD
    assert features.REFER in printed["decision"]
    assert float(printed["familiarity"].strip("[]")) == 0.25


@pytest.mark.parametrize(
    ("right", "wrong", "status"),
    [
        ('"pneumonia"', '"lungs"', grpc.StatusCode.NOT_FOUND),
        ('"stable"', '"newest"', grpc.StatusCode.INVALID_ARGUMENT),
        ('inputs["image_bytes"]', 'inputs["image"]', grpc.StatusCode.INVALID_ARGUMENT),
        ("proto(images)", "proto([1.0])", grpc.StatusCode.INVALID_ARGUMENT),
        ("proto(images)", "proto(images[0])", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_mistakes_in_the_call_would_be_found(address, right, wrong, status):
    assert SNIPPET.count(right) == 1
    with pytest.raises(grpc.RpcError) as caught:
        run(SNIPPET.replace(right, wrong), address)
    assert caught.value.code() == status


def test_the_call_goes_to_the_port_that_compose_publishes():
    service = read(DEPLOY / "compose.yaml")["services"]["serving"]
    port = flags(service["command"])["port"]
    assert f"127.0.0.1:{port}:{port}" in service["ports"]
    assert f'"localhost:{port}"' in SNIPPET
