"""`python -m serving` as its users start it."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from serving.command_line import EXIT_BAD_INPUT, EXIT_ENDED, main, parse_arguments, read_settings
from serving.settings import BatchSettings, Limits, ServerSettings
from tests.serving.contract.images import b64, draw_image

BAD_ARGUMENTS = 2
OK = 200
BODY = json.dumps({"instances": [b64(draw_image(1))]}).encode()


def test_the_defaults_are_those_of_the_settings():
    settings = read_settings(parse_arguments([]))
    assert settings.model_dir.as_posix() == "output/serving/pneumonia"
    assert settings == ServerSettings(settings.model_dir)
    assert settings.is_loopback


def test_every_limit_has_an_option(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret\n", encoding="utf-8")
    arguments = (
        f"--model-dir {tmp_path} --model-name chest --host 0.0.0.0 --port 9000 --label stable=3 "
        f"--token-file {token} --cors-origin https://a.example --poll-s 1 --shutdown-s 5 "
        "--timeout-s 7 --max-body-mib 2 --max-total-body-mib 4 --max-instances 5 "
        "--max-image-pixels 6 --max-active-requests 8 --max-batch-size 9 --max-wait-ms 1 "
        "--max-queued-instances 10 --parallel-runs 2 --max-expected-wait-s 3"
    )
    settings = read_settings(parse_arguments(arguments.split()))
    assert settings == ServerSettings(
        tmp_path, "chest", "0.0.0.0", 9000, {"stable": 3}, "s3cret", ("https://a.example",), 1.0,
        5.0, Limits(2 * 2**20, 4 * 2**20, 5, 6, 7.0, 8), BatchSettings(9, 0.001, 10, 2, 3.0),
    )  # fmt: skip
    assert not settings.is_loopback


@pytest.mark.parametrize("arguments", [["--label", "stable"], ["--with", "magic"], ["--port", "x"]])
def test_wrong_arguments_end_at_once(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == BAD_ARGUMENTS
    assert arguments[0] in capsys.readouterr().err


def test_a_folder_without_a_model_is_told(tmp_path, capsys):
    arguments = ["--with", "embedded", "--port", "0", "--model-dir", str(tmp_path)]
    assert main(arguments) == EXIT_BAD_INPUT
    assert f"expected a pushed model in {tmp_path}, found none" in capsys.readouterr().err


def test_a_damaged_model_is_told(tmp_path, capsys):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"nonsense")
    arguments = ["--with", "embedded", "--port", "0", "--model-dir", str(tmp_path)]
    assert main(arguments) == EXIT_BAD_INPUT
    assert "no version in" in capsys.readouterr().err


def test_a_taken_port_is_told(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["--with", "embedded", "--port", str(port), "--model-dir", str(tmp_path)]
        assert main(arguments) == EXIT_BAD_INPUT
    assert f"expected to listen on 127.0.0.1 port {port}" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "two words"])
def test_a_file_without_a_token_is_told(tmp_path, capsys, text):
    token = tmp_path / "token"
    if text is not None:
        token.write_text(text, encoding="utf-8")
    assert main(["--token-file", str(token)]) == EXIT_BAD_INPUT
    assert "--token-file" in capsys.readouterr().err


def test_sigterm_ends_it_after_what_runs_is_answered(push_dir, repository):
    command = [sys.executable, "-m", "serving", "--port", "0", "--with", "embedded"]
    process = subprocess.Popen(
        [*command, "--model-dir", str(push_dir)],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "Serving with: embedded (as asked for)\n"
        line = process.stdout.readline()
        found = re.match(r"Embedded server: (http://127\.0\.0\.1:\d+)/v1/models/pneumonia ", line)
        assert found, line
        url = found[1]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        with contextlib.closing(connection):
            connection.putrequest("POST", "/v1/models/pneumonia:predict")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders(BODY[:100])
            while "active_requests 1.0" not in httpx.get(f"{url}/metrics", timeout=60).text:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            while _listens(url):
                time.sleep(0.01)
            connection.send(BODY[100:])
            with connection.getresponse() as response:
                assert response.status == OK
                assert len(json.load(response)["predictions"]) == 1
        assert process.wait(60) == EXIT_ENDED
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def _listens(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=60)
    except httpx.ConnectError:
        return False
    return True


def test_the_readme_names_options_that_there_are(repository, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    readme = (repository / "serving" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(--[a-z-]+)", readme))
    assert len(named) > 10
    assert named <= known
