"""A worker asks its runner, by name, what to do, and where."""

import threading
from concurrent import futures

import grpc
import pytest
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker import data_plane, sdk_worker_main
from google.protobuf import struct_pb2, text_format

from pipeline import beam_worker


@pytest.fixture(autouse=True)
def _beam_as_it_was(monkeypatch):
    """Put back after the test what the worker replaces in Beam."""
    for name in (
        "SizeBasedBufferingClosableOutputStream",
        "_DEFAULT_SIZE_FLUSH_THRESHOLD",
        "_DEFAULT_SEND_QUEUE_MAX_BYTES",
        "_DEFAULT_SEND_QUEUE_MAX_ELEMENTS",
    ):
        monkeypatch.setattr(data_plane, name, getattr(data_plane, name))


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
    """Answers as a TaskManager does, if it is asked by the name that it gave."""

    def __init__(self, *, has_status):
        options = struct_pb2.Struct()
        options.update({"beam:option:job_name:v1": "conversion"})
        self.info = beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=options,
            logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url="127.0.0.1:1"),
            control_endpoint=endpoints_pb2.ApiServiceDescriptor(url="127.0.0.1:2"),
            runner_capabilities=["beam:protocol:one:v1", "beam:protocol:two:v1"],
        )
        if has_status:
            self.info.status_endpoint.url = "127.0.0.1:3"

    def GetProvisionInfo(self, request, context):  # noqa: N802
        if dict(context.invocation_metadata())["worker_id"] != "1-1":
            context.abort(grpc.StatusCode.NOT_FOUND, "another worker")
        return beam_provision_api_pb2.GetProvisionInfoResponse(info=self.info)


@pytest.fixture(params=[True, False])
def runner(request):
    server = grpc.server(futures.ThreadPoolExecutor())
    service = Provision(has_status=request.param)
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service.info, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_beams_worker_understands_what_it_is_given(runner):
    info, endpoint = runner
    environment = beam_worker.worker_environment("1-1", endpoint)
    assert environment["WORKER_ID"] == "1-1"
    options = sdk_worker_main._load_pipeline_options(environment["PIPELINE_OPTIONS"])
    assert options == {"job_name": "conversion"}
    for kind in ("CONTROL", "LOGGING", "STATUS"):
        name = f"{kind}_API_SERVICE_DESCRIPTOR"
        if kind == "STATUS" and not info.HasField("status_endpoint"):
            assert name not in environment
            continue
        found = text_format.Parse(environment[name], endpoints_pb2.ApiServiceDescriptor())
        assert found == getattr(info, f"{kind.lower()}_endpoint")
    assert environment["RUNNER_CAPABILITIES"].split() == list(info.runner_capabilities)


def test_a_name_that_the_runner_does_not_know_is_an_error(runner):
    with pytest.raises(grpc.RpcError, match="another worker"):
        beam_worker.worker_environment("2-1", runner[1])


def test_the_command_line_is_a_runners(runner, monkeypatch):
    done = []
    monkeypatch.setattr(
        beam_worker.sdk_worker_main, "main", lambda _: done.append(beam_worker.os.environ.copy())
    )
    monkeypatch.setattr(beam_worker.os, "environ", {})
    monkeypatch.setattr(beam_worker.sys, "argv", ["beam_worker", "--id=1-1"])
    beam_worker.main(["--id=1-1", f"--provision_endpoint={runner[1]}", "--logging_endpoint=x"])
    assert done[0]["WORKER_ID"] == "1-1"
    assert beam_worker.sys.argv == ["beam_worker"]


def test_messages_to_the_runner_are_small():
    beam_worker.send_small_messages()
    sent = []
    stream = data_plane.ClosableOutputStream.create(sent.append, sent.append, 0)
    for _ in range(5):
        stream.write(bytes(400_000))
        stream.maybe_flush()
    stream.close()
    assert [len(message) for message in sent] == [1_200_000, 800_000]


def test_a_stage_that_hands_over_more_than_the_runner_takes_gets_to_its_end():
    def has_its_end() -> bool:
        stream = data_plane._GrpcDataChannel().output_stream("1", "read")  # whom nobody listens to

        def hand_over() -> None:
            for _ in range(25):
                stream.write(bytes(10 * 2**20))
                stream.flush()

        stage = threading.Thread(target=hand_over, daemon=True)
        stage.start()
        stage.join(5.0)
        return not stage.is_alive()

    assert not has_its_end(), "Beam waits no longer: is keep_what_is_not_sent() still needed?"
    beam_worker.keep_what_is_not_sent()
    assert has_its_end()
