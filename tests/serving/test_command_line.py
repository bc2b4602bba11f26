"""`python -m serving` as its users start it."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from contract.command_line import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INTERRUPTED
from contract.server_settings import BatchSettings, Limits, ServerSettings
from serving.command_line import (
    main,
    parse_arguments,
    read_settings,
)
from tests.serving.contract.images import b64, draw_image

pytestmark = pytest.mark.slow

BAD_ARGUMENTS = 2
OK = 200
NOT_READY = 503
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
        "--timeout-s 7 --head-timeout-s 4 --max-body-mib 2 --max-total-body-mib 4 "
        "--max-instances 5 --max-image-pixels 6 --max-active-requests 8 --max-batch-size 9 "
        "--parallel-runs 2"
    )
    settings = read_settings(parse_arguments(arguments.split()))
    assert settings == ServerSettings(
        tmp_path, "chest", "0.0.0.0", 9000, {"stable": 3}, "s3cret", ("https://a.example",), 1.0,
        5.0, Limits(2 * 2**20, 4 * 2**20, 5, 6, 7.0, 8, 4.0), BatchSettings(9, 2),
    )  # fmt: skip
    assert not settings.is_loopback


@pytest.mark.parametrize("option", ["--timeout-s", "--head-timeout-s", "--poll-s"])
@pytest.mark.parametrize("number", ["0", "-1", "nan"])
def test_numbers_that_cannot_work_are_refused(option, number, capsys):
    assert main([option, number]) == EXIT_BAD_INPUT
    assert "expected a number above 0" in capsys.readouterr().err


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
    assert "that can be loaded, got none: version 1: " in capsys.readouterr().err


def test_a_version_in_the_place_of_its_parent_is_told(tmp_path, capsys):
    version, model = tmp_path / "pneumonia" / "0001", tmp_path / "exported"
    for folder in (version, model):
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
    assert main(["--model-dir", str(version)]) == EXIT_BAD_INPUT
    message = f"{version} is a version; give its parent folder, {version.parent}\n"
    assert message in capsys.readouterr().err
    assert main(["--model-dir", str(model)]) == EXIT_BAD_INPUT
    assert f"move the model into a folder {model / '1'}\n" in capsys.readouterr().err


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


@contextlib.contextmanager
def started(push_dir, repository, *arguments, cwd=None):
    """Start the command and let it end, whatever happens."""
    command = [sys.executable, "-m", "serving", "--port", "0", "--with", "embedded"]
    process = subprocess.Popen(
        [*command, "--model-dir", str(push_dir), *arguments],
        cwd=cwd or repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background of a shell would hand down that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process, pattern):
    """Read lines of stdout up to one that begins with a pattern; return its match."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(pattern, line):
            return found
    pytest.fail(f"it ended before it said {pattern}: {process.stderr.read()}")


READY = r"Embedded server: (http://127\.0\.0\.1:\d+)/v1/models/pneumonia serves version (\d+) "


def test_sigterm_ends_it_after_what_runs_is_answered(push_dir, repository):
    with started(push_dir, repository) as process:
        url = read_until(process, READY)[1]
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
        assert process.wait(60) == EXIT_DONE
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, EXIT_DONE), (signal.SIGINT, EXIT_INTERRUPTED)]
)
def test_a_signal_ends_it_while_it_loads(push_dir, repository, number, code):
    with started(push_dir, repository) as process:
        url = read_until(process, r"Listening on (\S+); requests get 503")[1]
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == NOT_READY
        process.send_signal(number)
        assert process.wait(60) == code
        assert "Traceback" not in process.stderr.read()


def test_it_starts_quietly_and_shows_commands_that_work(push_dir, repository, tmp_path):
    (tmp_path / "xray.jpeg").write_bytes(draw_image(1, file_format="JPEG"))
    token = tmp_path / "a token"
    token.write_text("s3cret", encoding="utf-8")
    arguments = ["--token-file", token.name, "--model-name", "chest"]
    with started(push_dir, repository, *arguments, cwd=tmp_path) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(7)]
        assert said[0] == "Serving with: embedded (as requested)\n"
        assert said[1].startswith("Listening on http://127.0.0.1:")
        assert said[2].startswith("Embedded server: http://127.0.0.1:")
        assert said[3] == "Ask it from another terminal:\n"
        status, predict, curl = (line.strip() for line in said[4:])
        assert json.loads(run(predict + " --json", tmp_path, repository))["file"] == "xray.jpeg"
        if shutil.which("curl"):
            answer = json.loads(run(status, tmp_path, repository))
            assert answer["model_version_status"][0]["state"] == "AVAILABLE"
            assert len(json.loads(run(curl, tmp_path, repository))["predictions"]) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == EXIT_DONE
        for line in process.stderr.read().splitlines():
            # The log's own lines; TensorFlow's begin otherwise.
            assert re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) \S*", line), line


def run(command, folder, repository):
    """Run a line in a shell, as a user would."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    ).stdout


def test_a_restart_with_a_half_copied_version_serves_the_one_before_and_says_so(
    push_dir, repository
):
    shutil.copytree(push_dir / "1", push_dir / "2", ignore=shutil.ignore_patterns("variables"))
    with started(push_dir, repository) as process:
        note = read_until(process, "Note: ")
        assert note.string.startswith("Note: version 2 cannot be loaded and is not served: ")
        found = read_until(process, READY)
        assert found[2] == "1"
        response = httpx.post(f"{found[1]}/v1/models/pneumonia:predict", content=BODY, timeout=60)
        assert response.status_code == OK


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
    named = set(re.findall(r"`(--[a-z-]+)(?!_)\b", readme))  # TF Serving's have underscores
    assert len(named) > 10
    assert named <= known
