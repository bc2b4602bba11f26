"""What serves a model: TF Serving as a program, as an image, or the embedded server."""

from __future__ import annotations

import shutil
import subprocess
from typing import Literal

from contract.errors import InputError
from contract.plain_path import plain_path
from contract.server_settings import ServerSettings

Backend = Literal["binary", "docker", "embedded"]
BACKENDS: tuple[Backend, ...] = ("binary", "docker", "embedded")

BINARY = "tensorflow_model_server"
IMAGE = "tensorflow/serving:2.19.1"
_CONTAINER_GRPC_PORT = 8500
_CONTAINER_PORT = 8501
_ENGINE_ANSWERS_S = 10


def choose_backend(settings: ServerSettings, forced: Backend | None) -> tuple[Backend, str]:
    """Return what serves, and why.

    Raises:
        InputError: What is forced is not there, or cannot do what the settings ask.
    """
    only_embedded = _what_only_embedded_does(settings)
    if forced == "embedded":
        return forced, "as requested"
    if forced is not None:
        if only_embedded:
            raise InputError(f"--with {forced}: TF Serving has no {only_embedded}; leave it out")
        if forced == "binary" and not _has_binary():
            raise InputError(f"--with binary: expected {BINARY} on the PATH, found none")
        if forced == "docker" and not _has_engine():
            raise InputError("--with docker: no Docker engine answers `docker info`; start one")
        return forced, "as requested"
    if only_embedded:
        return "embedded", f"TF Serving has no {only_embedded}"
    if _has_binary():
        return "binary", f"{BINARY} is on the PATH"
    if _has_engine():
        return "docker", "a Docker engine answers"
    return "embedded", f"neither {BINARY} nor a Docker engine was found"


def grpc_port(settings: ServerSettings) -> int:
    """Return the port of TF Serving's gRPC: the one before REST's, as 8500 is before 8501."""
    return settings.port - 1


def binary_command(settings: ServerSettings) -> list[str]:
    """Return the command of TF Serving's program; it listens on all addresses.

    Its gRPC cannot be left out: without a port or a socket for it the program ends at once
    (tensorflow/serving, model_servers/server.cc).
    """
    return [
        BINARY,
        f"--port={grpc_port(settings)}",
        f"--rest_api_port={settings.port}",
        f"--rest_api_timeout_in_ms={round(settings.limits.timeout_s * 1000)}",
        f"--model_name={settings.model_name}",
        f"--model_base_path={plain_path(settings.model_dir)}",
        f"--file_system_poll_wait_seconds={max(1, round(settings.poll_s))}",
    ]


def docker_command(settings: ServerSettings) -> list[str]:
    """Return the command of TF Serving's image."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    target = f"/models/{settings.model_name}"
    return [
        "docker",
        "run",
        "--rm",
        "--init",
        f"--publish={host}:{grpc_port(settings)}:{_CONTAINER_GRPC_PORT}",
        f"--publish={host}:{settings.port}:{_CONTAINER_PORT}",
        f"--mount=type=bind,source={settings.model_dir.resolve()},target={target},readonly",
        f"--env=MODEL_NAME={settings.model_name}",
        # Below errors, TensorFlow logs strings that it cannot parse, with their content.
        "--env=TF_CPP_MIN_LOG_LEVEL=2",
        IMAGE,
        f"--rest_api_timeout_in_ms={round(settings.limits.timeout_s * 1000)}",
        f"--file_system_poll_wait_seconds={max(1, round(settings.poll_s))}",
    ]


def _what_only_embedded_does(settings: ServerSettings) -> str:
    if settings.token:
        return "bearer token"
    if settings.labels:
        return "labels without a models.config (serving/deploy/ has one)"
    if settings.cors_origins:
        return "choice of CORS origins"
    if settings.port == 0:
        return "free choice of a port"
    return "port for gRPC before port 1" if settings.port == 1 else ""


def _has_binary() -> bool:
    return shutil.which(BINARY) is not None


def _has_engine() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        answer = subprocess.run(
            ["docker", "info"], capture_output=True, timeout=_ENGINE_ANSWERS_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
