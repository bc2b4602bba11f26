"""What a request may cost, over HTTP."""

import gzip
import logging
import shutil
import threading

import httpx
import numpy as np
import pytest

from contract.server_settings import Limits, ServerSettings
from serving.client import Client, RetryPolicy
from serving.server.saved_model import load_and_warm_up
from tests.serving.contract.images import b64, draw_image
from tests.serving.running import serve

pytestmark = pytest.mark.slow

IMAGE = draw_image(1)
DOCUMENT = {"instances": [b64(IMAGE)]}


@pytest.fixture(scope="module")
def served(exports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "pneumonia"
    shutil.copytree(exports.first, folder / "1")
    limits = Limits(max_body_bytes=20_000, max_instances=3, max_image_pixels=48 * 60)
    with serve(ServerSettings(folder, limits=limits)) as running:
        yield running


def error_of(response, status):
    assert response.status_code == status, response.text
    return response.json()["error"]


def test_sizes_are_limited_and_the_connection_goes_on(served):
    with httpx.Client() as http:
        url = f"{served.model_url}:predict"
        large = b" " * 20_001
        assert "at most 20000 bytes" in error_of(http.post(url, content=large), 413)
        # Without a length in the head, and with one that hides what gzip makes of it.
        assert "20000 bytes" in error_of(http.post(url, content=iter([large])), 413)
        bomb = gzip.compress(b" " * 10_000_000)
        assert len(bomb) < 20_000
        response = http.post(url, content=bomb, headers={"Content-Encoding": "gzip"})
        assert "20000 bytes" in error_of(response, 413)
        response = http.post(url, content=b"x", headers={"Content-Encoding": "br"})
        assert "expected Content-Encoding gzip" in error_of(response, 400)
        assert "3 instances" in error_of(http.post(url, json={"instances": [b64(IMAGE)] * 4}), 400)
        assert http.post(url, json=DOCUMENT).status_code == 200


def test_a_large_image_is_refused_by_its_index(served):
    larger = draw_image(2, side_px=49)
    document = {"instances": [b64(IMAGE), b64(larger)]}
    message = error_of(httpx.post(f"{served.model_url}:predict", json=document), 400)
    assert "element: 1" in message
    assert "2880 pixels, got an image of 61 x 49" in message


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_an_undecodable_image_is_named_and_spares_the_others(served, file_format):
    broken = draw_image(2, file_format=file_format)
    broken = broken[:300] + bytes(200)
    url = f"{served.model_url}:predict"
    for bad, reason in ((broken, "the model cannot read this input"), (b"x", "a JPEG or PNG")):
        message = error_of(httpx.post(url, json={"instances": [b64(IMAGE), b64(bad)]}), 400)
        assert "element: 1 of the request" in message
        assert reason in message
    assert httpx.post(url, json=DOCUMENT).status_code == 200


def test_what_takes_too_long_is_told(push_dir):
    with serve(ServerSettings(push_dir, limits=Limits(timeout_s=1e-4))) as running:
        message = error_of(httpx.post(f"{running.model_url}:predict", json=DOCUMENT), 504)
        assert message == "no answer within 0.0001 s"
        assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_a_token_guards_all_but_health(push_dir):
    with serve(ServerSettings(push_dir, token="s3cret")) as running:
        url = f"{running.model_url}:predict"
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
            response = httpx.post(url, json=DOCUMENT, headers=headers)
            assert "Authorization: Bearer" in error_of(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"
        assert httpx.get(running.model_url).status_code == 401
        assert httpx.get(f"{running.url}/metrics").status_code == 401
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        response = httpx.post(url, json=DOCUMENT, headers={"Authorization": "bearer s3cret"})
        assert response.status_code == 200


def test_pages_of_other_origins_read_answers_only_where_allowed(push_dir):
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    with serve(ServerSettings(push_dir)) as running:
        answer = httpx.options(f"{running.model_url}:predict", headers=ask)
        assert answer.status_code == 200  # TF Serving's http_server.cc: it allows nothing by that
        assert "access-control-allow-origin" not in answer.headers
        answer = httpx.get(running.model_url, headers=ask)
        assert "access-control-allow-origin" not in answer.headers
    settings = ServerSettings(push_dir, cors_origins=("https://a.example",))
    with serve(settings) as running:
        answer = httpx.options(f"{running.model_url}:predict", headers=ask)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        other = {**ask, "Origin": "https://b.example"}
        answer = httpx.get(running.model_url, headers=other)
        assert "access-control-allow-origin" not in answer.headers


def test_long_answers_are_compressed_for_who_takes_it(push_dir):
    with serve(ServerSettings(push_dir)) as running:
        numbers = np.random.default_rng(1).random(120).round(6).tolist()
        document = {"signature_name": "contract_echo", "instances": numbers}
        url = f"{running.model_url}:predict"
        plain = httpx.post(url, json=document, headers={"Accept-Encoding": "identity"})
        packed = httpx.post(url, json=document, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert plain.json() == packed.json()


def test_figures_are_told_and_health_follows_the_versions(push_dir):
    with serve(ServerSettings(push_dir)) as running:
        assert httpx.get(f"{running.url}/healthz").json() == {"ready": True, "version": 1}
        answer = httpx.post(f"{running.model_url}:predict", json={"instances": [b64(IMAGE)] * 3})
        (decision,) = {row["decision"] for row in answer.json()["predictions"]}
        httpx.post(f"{running.model_url}:predict", json={})
        for path in ("/metrics", "/monitoring/prometheus/metrics"):
            page = httpx.get(running.url + path).text
            for line in (
                'pneumonia_serving_requests_total{action="predict",status="200"} 1.0',
                'pneumonia_serving_requests_total{action="predict",status="400"} 1.0',
                'pneumonia_serving_errors_total{status="400"} 1.0',
                'pneumonia_serving_request_seconds_count{action="predict"} 2.0',
                "pneumonia_serving_batch_rows_sum 3.0",
                "pneumonia_serving_scores_count 3.0",
                f'pneumonia_serving_decisions_total{{decision="{decision}"}} 3.0',
                "pneumonia_serving_queued_instances 0.0",
                "pneumonia_serving_active_requests 0.0",
                "pneumonia_serving_model_version 1.0",
            ):
                assert line in page.splitlines()


def test_a_server_without_a_model_is_not_ready(tmp_path):
    with serve(ServerSettings(tmp_path / "none")) as running:
        response = httpx.get(f"{running.url}/healthz")
        assert response.status_code == 503
        assert response.json() == {"ready": False, "version": None}
        message = error_of(httpx.post(f"{running.model_url}:predict", json=DOCUMENT), 404)
        assert message == "Servable not found for request: Latest(pneumonia)"
        assert error_of(httpx.get(f"{running.url}/elsewhere"), 404) == "Not Found: /elsewhere"


def test_a_server_that_loads_its_first_model_says_so(tmp_path, push_dir):
    loading, may_load = threading.Event(), threading.Event()

    def load(folder, version):
        loading.set()
        assert may_load.wait(60)
        return load_and_warm_up(folder, version)

    settings = ServerSettings(push_dir, poll_s=0.05)
    with serve(settings, load, is_awaited=False) as running, httpx.Client(timeout=60) as http:
        assert loading.wait(60)
        response = http.post(f"{running.model_url}:predict", json=DOCUMENT)
        assert error_of(response, 503) == "the model pneumonia is still loading; try again"
        assert response.headers["retry-after"] == "5"
        assert http.get(f"{running.url}/healthz").status_code == 503
        (state,) = http.get(running.model_url).json()["model_version_status"]
        assert (state["version"], state["state"]) == ("1", "LOADING")
        with Client(running.url, retry=RetryPolicy(num_retries=0)) as client:
            (outcome,) = client.predict_each([IMAGE])
        assert "the model pneumonia is still loading" in outcome.reason
        may_load.set()
        with Client(running.url, retry=RetryPolicy(num_retries=9)) as client:
            assert len(client.predict([IMAGE])) == 1


def test_logs_hold_nothing_of_a_request(push_dir, caplog):
    secret = "Doe^John"
    documents = [
        {"instances": [b64(IMAGE)]},
        {"instances": [secret]},
        {"instances": [{secret: secret}]},
        {"signature_name": secret, "instances": [1]},
        {"inputs": secret},
    ]
    with caplog.at_level(logging.DEBUG), serve(ServerSettings(push_dir)) as running:
        for document in documents:
            httpx.post(f"{running.model_url}:predict", json=document)
        httpx.post(f"{running.model_url}/{secret}:predict", json={})
    records = [r for r in caplog.records if r.name.split(".")[0] in ("serving", "uvicorn")]
    assert any("predict 200" in record.getMessage() for record in records)
    text = "\n".join(record.getMessage() for record in records)
    assert secret not in text
    assert b64(IMAGE)["b64"][:20] not in text
