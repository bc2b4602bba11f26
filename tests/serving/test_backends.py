"""Which program serves, and how it is started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import InputError
from contract.server_settings import Limits, ServerSettings
from serving.backends import binary_command, choose_backend, docker_command


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a program onto an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str = "exit 0") -> None:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)

    return add


SETTINGS = ServerSettings(Path("models"))


def test_the_program_comes_before_the_image_before_the_embedded_server(path):
    assert choose_backend(SETTINGS, None)[0] == "embedded"
    path("docker", "exit 1")
    backend, reason = choose_backend(SETTINGS, None)
    assert (backend, "neither" in reason) == ("embedded", True)
    path("docker", '[ "$1" = info ]')
    assert choose_backend(SETTINGS, None) == ("docker", "a Docker engine answers")
    path("tensorflow_model_server")
    assert choose_backend(SETTINGS, None)[0] == "binary"
    assert choose_backend(SETTINGS, "docker")[0] == "docker"
    assert choose_backend(SETTINGS, "embedded")[0] == "embedded"


@pytest.mark.parametrize("backend", ["binary", "docker"])
def test_what_is_forced_must_be_there(path, backend):
    with pytest.raises(InputError, match=f"--with {backend}"):
        choose_backend(SETTINGS, backend)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"token": "s3cret"}, "bearer token"),
        ({"labels": {"stable": 1}}, "labels"),
        ({"cors_origins": ("https://a.example",)}, "CORS"),
        ({"port": 0}, "port"),
        ({"port": 1}, "gRPC"),
    ],
)
def test_what_tf_serving_cannot_is_never_left_out_silently(path, settings, part):
    path("tensorflow_model_server")
    asked = ServerSettings(Path("models"), **settings)
    backend, reason = choose_backend(asked, None)
    assert backend == "embedded"
    assert part in reason
    with pytest.raises(InputError, match=part):
        choose_backend(asked, "binary")


def test_the_commands_serve_the_folder_under_its_name(tmp_path):
    settings = ServerSettings(
        tmp_path, "chest", "127.0.0.1", 9001, limits=Limits(timeout_s=2.5), poll_s=0.2
    )
    command = binary_command(settings)
    assert command[0] == "tensorflow_model_server"
    for option in (
        "--port=9000",
        "--rest_api_port=9001",
        "--rest_api_timeout_in_ms=2500",
        "--model_name=chest",
        f"--model_base_path={tmp_path}",
        "--file_system_poll_wait_seconds=1",
    ):
        assert option in command
    command = docker_command(settings)
    assert command[:2] == ["docker", "run"]
    assert "--publish=127.0.0.1:9000:8500" in command
    assert "--publish=127.0.0.1:9001:8501" in command
    assert "--env=TF_CPP_MIN_LOG_LEVEL=2" in command
    assert f"--mount=type=bind,source={tmp_path},target=/models/chest,readonly" in command
    assert "--env=MODEL_NAME=chest" in command
    image = command.index("tensorflow/serving:2.19.1")
    assert all(option.startswith("--rest") or "poll" in option for option in command[image + 1 :])


# tensorflow/serving, model_servers/server.cc, BuildAndStart: without a port or a socket for gRPC
# nothing is served.
PROGRAM = """
case " $* " in *" --port=0 "*) echo "grpc_port is not set" >&2; exit 1;; esac
echo "level=$TF_CPP_MIN_LOG_LEVEL"
"""


@pytest.mark.parametrize(
    ("backend", "name", "script", "expected"),
    [
        ("binary", "tensorflow_model_server", PROGRAM, "level=2"),
        ("docker", "docker", 'for each; do echo "$each"; done', "--env=TF_CPP_MIN_LOG_LEVEL=2"),
    ],
)
def test_tf_serving_starts_and_logs_no_string_of_a_request(
    path, tmp_path, repository, backend, name, script, expected
):
    path(name, script)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, "-m", "serving", "--with", backend, "--model-dir", str(tmp_path)],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout.splitlines()


def test_the_user_hears_which_ports_the_program_opens(path, tmp_path, repository):
    path("tensorflow_model_server")
    result = subprocess.run(
        [sys.executable, "-m", "serving", "--port", "9001", "--model-dir", str(tmp_path)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ports 9000 (gRPC) and 9001 (REST) are open" in result.stdout


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"port": 70000}, "port"),
        ({"model_name": "a/b"}, "model_name"),
        ({"limits": Limits(max_instances=0)}, "max_instances"),
        ({"poll_s": 0.0}, "poll_s"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, part):
    with pytest.raises(InputError, match=part):
        ServerSettings(Path("models"), **settings)


def test_the_token_is_not_in_the_settings_text():
    assert "s3cret" not in repr(ServerSettings(Path("models"), token="s3cret"))
    assert os.environ.get("PNEUMONIA_SERVING_TOKEN") is None
