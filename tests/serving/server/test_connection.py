"""What a client may send before its token is checked, over bare sockets."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from contract.server_settings import Limits, ServerSettings
from serving.server.connection import MAX_HEAD_BYTES
from tests.serving.running import serve

pytestmark = pytest.mark.slow

TIMEOUT_S = 0.4
LATEST_S = 5.0  # on a busy machine
MIB = 2**20
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
BODY_HEAD = b"POST /v1/models/pneumonia:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


def load_nothing(folder, version):
    raise AssertionError("there is no model")


@pytest.fixture
def served(tmp_path):
    settings = ServerSettings(tmp_path, limits=Limits(head_timeout_s=TIMEOUT_S))
    with serve(settings, load_nothing) as running:
        yield running


@contextlib.contextmanager
def connected(served):
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=LATEST_S) as connection:
        yield connection


def read_to_end(connection):
    """Return what comes until the server closes, and after how many seconds it does."""
    started_s = time.monotonic()
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65536):
            received += chunk
    return received, time.monotonic() - started_s


def read_answer(connection):
    received = b""
    while b"}" not in received:
        received += connection.recv(65536)
    return received


@pytest.mark.parametrize("line", [b"x" * 65536, b"X: y\r\n" * 10_000, b"\r\n" * 30_000])
@pytest.mark.parametrize("start", [b"", b"GET /healthz?", HEAD, HEAD + b"X-Long: "])
def test_a_head_without_end_is_cut_off_and_holds_up_nobody(tmp_path, start, line):
    sent = 0
    settings = ServerSettings(tmp_path, token="s3cret")
    with (
        serve(settings, load_nothing) as running,
        connected(running) as connection,
        httpx.Client(base_url=running.url) as http,
    ):
        assert http.get("/healthz").status_code == 503
        with contextlib.suppress(ConnectionError):
            connection.sendall(start)
            while sent < 150 * MIB:
                connection.sendall(line)
                sent += len(line)
        assert sent < 10 * MIB  # what the sockets of both sides hold
        assert http.get("/healthz").status_code == 503  # or httpx's time is up


def test_a_long_head_is_told_and_a_shorter_one_is_answered(served):
    with httpx.Client(base_url=served.url) as http:
        headers = {"X-Long": "x" * (MAX_HEAD_BYTES - 1024)}
        assert http.get("/healthz", headers=headers).status_code == 503
    with connected(served) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"x" * MAX_HEAD_BYTES)
        received, _ = read_to_end(connection)
        assert received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"X-Half: "])
def test_half_a_head_is_closed_in_time(served, sent):
    with connected(served) as connection:
        connection.sendall(sent)
        received, seconds = read_to_end(connection)
        assert TIMEOUT_S * 0.9 < seconds < LATEST_S
        assert received.startswith(b"HTTP/1.1 408 Request Timeout\r\n") == bool(sent)


def test_a_head_that_dribbles_in_is_closed_in_time(served):
    with connected(served) as connection:
        started_s = time.monotonic()
        connection.sendall(HEAD)
        with pytest.raises(ConnectionError):  # noqa: PT012 - it ends when the server has had enough
            while time.monotonic() - started_s < LATEST_S:
                connection.sendall(b"X-A: b\r\n")
                time.sleep(TIMEOUT_S / 10)
        assert time.monotonic() - started_s > TIMEOUT_S * 0.9


def test_half_a_second_head_is_closed_in_time(served):
    with connected(served) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")
        connection.sendall(HEAD)
        received, seconds = read_to_end(connection)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert TIMEOUT_S * 0.9 < seconds < LATEST_S


def test_a_body_that_nobody_wants_any_more_is_closed_in_time(served):
    with connected(served) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\nx")
        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")
        received, seconds = read_to_end(connection)
        assert received == b""
        assert seconds < LATEST_S


def test_a_body_that_is_wanted_may_take_longer_than_a_head(served):
    with connected(served) as connection:
        connection.sendall(BODY_HEAD)
        time.sleep(3 * TIMEOUT_S)
        connection.sendall(b'{"a": []}')
        assert read_answer(connection).startswith(b"HTTP/1.1 404 ")


def test_an_idle_connection_may_be_used_again(served):
    with connected(served) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")
        time.sleep(3 * TIMEOUT_S)
        connection.sendall(HEAD + b"\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")


def test_pipelined_requests_are_all_answered(served):
    with connected(served) as connection:
        connection.sendall((HEAD + b"\r\n") * 5 + HEAD + b"Connection: close\r\n\r\n")
        received, _ = read_to_end(connection)
        assert received.count(b"HTTP/1.1 503 ") == 6
