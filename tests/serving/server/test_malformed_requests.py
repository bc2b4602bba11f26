"""More than a thousand requests that are wrong leave the server as it was."""

import collections
import errno
import random
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contract.server_settings import Limits, ServerSettings
from tests.serving.contract.images import b64
from tests.serving.running import serve
from tests.serving.server.malformed import IMAGES, KINDS, PREDICT, draw_bytes, draw_requests

NUM_REQUESTS = 110 * len(KINDS)
NUM_SETTLING = NUM_REQUESTS // 3  # until pools and caches have grown to their size
NUM_RAW = 130
LARGEST_GROWTH_MB = 30
# None of the documented 5xx: nothing here takes too long, or is a signature of :classify.
ALLOWED = {200, 400, 404, 413}


@pytest.mark.slow
def test_malformed_requests_leave_it_serving_and_its_memory_flat(push_dir):
    settings = ServerSettings(push_dir, limits=Limits(max_body_bytes=2**20))
    statuses = collections.defaultdict(collections.Counter)
    settled_mb = 0.0
    with serve(settings) as running, httpx.Client(base_url=running.url, timeout=60) as http:
        before = _probabilities(http)
        for number, (kind, request) in enumerate(draw_requests(11, NUM_REQUESTS)):
            if number == NUM_SETTLING:
                settled_mb = _resident_mb()
            answer = http.request(
                request.method, request.path, content=request.content, headers=request.headers
            )
            assert answer.status_code in ALLOWED, (kind, number, answer.text)
            assert _is_in_form(answer), (kind, number, answer.text)
            statuses[kind][answer.status_code] += 1
        assert _resident_mb() - settled_mb < LARGEST_GROWTH_MB
        assert _probabilities(http) == before
        assert "pneumonia_serving_active_requests 0.0" in http.get("/metrics").text
    assert sum(sum(each.values()) for each in statuses.values()) >= 1000
    # The odd heads are all that a request can be answered with.
    assert set(statuses.pop("wrong_head")) == {200}
    for kind, counts in statuses.items():
        assert counts[200] < sum(counts.values()) / 2, (kind, counts)
    assert statuses["wrong_encoding"][413]
    assert statuses["wrong_name"][404]


@pytest.mark.slow
def test_what_is_no_http_ends_its_own_connection_only(push_dir):
    dice = random.Random(12)
    settings = ServerSettings(push_dir)
    with serve(settings) as running, httpx.Client(base_url=running.url, timeout=60) as http:
        before = _probabilities(http)
        for _ in range(NUM_RAW):
            sent = draw_bytes(dice)
            answer = _exchange(running.url, sent)
            status = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
            assert not answer or status, answer[:200]
            assert status is None or 400 <= int(status[1]) < 500, (sent[:200], answer[:200])
        assert _probabilities(http) == before


def _probabilities(http):
    answer = http.post(PREDICT, json={"instances": [b64(image) for image in IMAGES]})
    assert answer.status_code == 200
    return [row["probability"] for row in answer.json()["predictions"]]


def _is_in_form(answer):
    if answer.status_code != 200:
        return set(answer.json()) == {"error"}
    return len({"predictions", "outputs", "model_version_status"} & set(answer.json())) == 1


def _exchange(url, sent):
    """Send bytes and nothing more; return all that comes until the server closes."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        try:
            connection.sendall(sent)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError as error:
                # The server has answered and closed already; its answer is still to be read.
                if error.errno != errno.ENOTCONN:
                    raise
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:  # refused before all was read
            return received
    return received


def _resident_mb():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024 / 1e6
