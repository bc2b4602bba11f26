"""A Beam worker of this project, as a runner starts it: `--environment_type=PROCESS`.

A runner such as Flink starts a command with `--id` and `--provision_endpoint` and leaves the rest
to it. Beam's container images have a program for that; its Python package has none. This is the
part of that program that a worker needs whose packages are installed already:
sdks/python/container/boot.go, in Beam's sources.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Sequence

import grpc  # type: ignore[import-untyped]
from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker import data_plane, sdk_worker_main
from google.protobuf import json_format, text_format

_TIMEOUT_S = 60.0
# Flink's runner keeps up to 100 messages for each stage on its heap, which Beam makes of 10 MB, and
# takes none of them before the stage has done all its work.
_MESSAGE_BYTES = 2**20
_NO_LIMIT = 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the runner for this worker's task, and do it until the runner hangs up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--id", required=True, help="the worker's name, chosen by the runner")
    parser.add_argument(
        "--provision_endpoint", metavar="HOST:PORT", required=True, help="where the runner answers"
    )
    # Runners may give more: what is not known here is for other languages' workers.
    options, _ = parser.parse_known_args(arguments)
    os.environ.update(worker_environment(options.id, options.provision_endpoint))
    send_small_messages()
    keep_what_is_not_sent()
    # Beam reads the command line again.
    sys.argv = sys.argv[:1]
    sdk_worker_main.main(sys.argv)


def send_small_messages() -> None:
    """Have Beam send elements to the runner in messages of some `_MESSAGE_BYTES`.

    Beam has no option for it.
    """
    data_plane.SizeBasedBufferingClosableOutputStream = functools.partial(
        data_plane.SizeBasedBufferingClosableOutputStream, size_flush_threshold=_MESSAGE_BYTES
    )
    # So many bytes of buffers that wait are sent as one message.
    data_plane._DEFAULT_SIZE_FLUSH_THRESHOLD = _MESSAGE_BYTES


def keep_what_is_not_sent() -> None:
    """Have Beam keep in memory whatever the runner does not take yet.

    Beam keeps 200 MB, then waits. A stage that hands over more than that and the runner's 100
    messages would wait for a runner that waits for it, for ever:
    https://github.com/apache/beam/pull/38581 is about such a case. There is no option for it.
    """
    data_plane._DEFAULT_SEND_QUEUE_MAX_BYTES = _NO_LIMIT
    data_plane._DEFAULT_SEND_QUEUE_MAX_ELEMENTS = _NO_LIMIT


def worker_environment(worker_id: str, provision_endpoint: str) -> dict[str, str]:
    """Return the variables by which Beam's worker knows its runner and its job.

    Args:
        worker_id: The worker's name, which the runner's other endpoints know it by.
        provision_endpoint: `host:port` of the runner's provision service.

    Raises:
        grpc.RpcError: The runner does not answer.
    """
    with grpc.insecure_channel(provision_endpoint) as channel:
        info = (
            beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
            .GetProvisionInfo(
                beam_provision_api_pb2.GetProvisionInfoRequest(),
                timeout=_TIMEOUT_S,
                metadata=[("worker_id", worker_id)],
                wait_for_ready=True,
            )
            .info
        )
    environment = {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(info.logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(info.control_endpoint),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
    }
    if info.HasField("status_endpoint"):
        environment["STATUS_API_SERVICE_DESCRIPTOR"] = text_format.MessageToString(
            info.status_endpoint
        )
    return environment


if __name__ == "__main__":
    main()
