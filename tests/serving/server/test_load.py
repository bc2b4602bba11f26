"""Many clients at once: versions that change under them, and more of them than can be served."""

import io
import json
import threading
import time

import httpx
import pytest
from PIL import Image

from contract.server_settings import BatchSettings, Limits, ServerSettings
from tests.serving.contract.images import b64, draw_image
from tests.serving.running import serve

pytestmark = pytest.mark.slow

IMAGES = [draw_image(seed, file_format="JPEG") for seed in range(4)]
BODY = json.dumps({"instances": [b64(IMAGES[0])]}).encode()
NUM_CLIENTS = 8


class Crowd:
    """Clients that send requests until they are stopped, each with a pause before the next."""

    def __init__(self, url, num_clients, body=BODY, pause_s=0.0):
        self._url, self._body, self._pause_s = url, body, pause_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(num_clients)]
        self.answers = []
        self.failures = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def wait_for(self, num_more):
        """Wait until so many more answers have come."""
        wanted = len(self.answers) + num_more
        deadline = time.monotonic() + 60
        while len(self.answers) < wanted:
            assert not self.failures, self.failures[:3]
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _ask(self):
        with httpx.Client(timeout=60) as http:
            while not self._stop.wait(self._pause_s):
                try:
                    self.answers.append(http.post(self._url, content=self._body))
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))


def test_no_request_fails_when_versions_change(push_dir, push):
    with serve(ServerSettings(push_dir, poll_s=0.05)) as running:
        url = f"{running.model_url}:predict"
        expected = {1: _probability(url)}
        # With pauses, that versions are loaded beside them in seconds.
        with Crowd(url, NUM_CLIENTS, pause_s=0.05) as crowd:
            for version in (2, 3):
                push(version)
                deadline = time.monotonic() + 60
                while running.pool.newest != version:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                crowd.wait_for(20)
                expected[version] = _probability(url)
        assert crowd.failures == []
        assert {answer.status_code for answer in crowd.answers} == {200}
        seen = {_first(answer) for answer in crowd.answers}
        known = set(expected.values())
        assert all(any(abs(p - q) < 1e-5 for q in known) for p in seen)
        assert abs(expected[1] - expected[2]) > 1e-4  # the models do differ
        deadline = time.monotonic() + 10
        while _states(running) != ["AVAILABLE", "END", "END"]:
            assert time.monotonic() < deadline, _states(running)
            time.sleep(0.05)


def test_an_overload_answers_every_request(push_dir):
    settings = ServerSettings(
        push_dir,
        limits=Limits(max_active_requests=6),
        batching=BatchSettings(max_batch_size=2, parallel_runs=1),
    )
    large = json.dumps({"instances": [b64(image) for image in IMAGES] * 2}).encode()
    with serve(settings) as running:
        url = f"{running.model_url}:predict"
        with Crowd(url, 24, large) as crowd:
            crowd.wait_for(400)
        assert crowd.failures == []
        statuses = [answer.status_code for answer in crowd.answers]
        assert set(statuses) == {200, 429}
        for answer in crowd.answers:
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["error"]
        assert httpx.post(url, content=BODY).status_code == 200
        page = httpx.get(f"{running.url}/metrics").text.splitlines()
        assert "pneumonia_serving_queued_instances 0.0" in page
        assert "pneumonia_serving_active_requests 0.0" in page


def test_small_requests_are_answered_after_a_very_large_image(push_dir):
    huge = json.dumps({"instances": [b64(_large_png(5000, 10_000))] * 2}).encode()
    settings = ServerSettings(push_dir, batching=BatchSettings(parallel_runs=1))
    with serve(settings) as running:
        url = f"{running.model_url}:predict"
        assert httpx.post(url, content=huge, timeout=60).status_code == 200
        with Crowd(url, NUM_CLIENTS) as crowd:
            crowd.wait_for(600)
        assert crowd.failures == []
        assert {answer.status_code for answer in crowd.answers} == {200}


def test_requests_above_a_number_of_bytes_are_refused_until_others_are_answered(push_dir):
    limits = Limits(max_body_bytes=2 * len(BODY), max_total_body_bytes=2 * len(BODY))
    with serve(ServerSettings(push_dir, limits=limits)) as running:
        url = f"{running.model_url}:predict"
        with Crowd(url, NUM_CLIENTS) as crowd:
            crowd.wait_for(100)
        assert crowd.failures == []
        assert {answer.status_code for answer in crowd.answers} == {200, 429}
        assert httpx.post(url, content=BODY).status_code == 200


def test_clients_that_go_away_leave_nothing_behind(push_dir):
    with serve(ServerSettings(push_dir)) as running:
        url = f"{running.model_url}:predict"
        for _ in range(20):
            with httpx.Client(timeout=0.001) as http:
                try:
                    http.post(url, content=BODY)
                except httpx.TimeoutException:
                    continue
        deadline = time.monotonic() + 10
        wanted = "pneumonia_serving_active_requests 0.0"
        while wanted not in httpx.get(f"{running.url}/metrics").text.splitlines():
            assert time.monotonic() < deadline
        assert httpx.post(url, content=BODY).status_code == 200


def _large_png(height_px, width_px):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width_px, height_px)).save(buffer, "PNG")
    return buffer.getvalue()


def _probability(url):
    return _first(httpx.post(url, content=BODY))


def _first(answer):
    return answer.json()["predictions"][0]["probability"]


def _states(running):
    return [state.state.value for state in running.pool.states()]
