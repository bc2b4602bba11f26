"""The exit handler's executor, and the webhook over real HTTP."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.kubeflow.run_folder import keep_error, read_summary
from pipeline.kubeflow.run_summary_node import RunSummary

VARIABLE, TOKEN = "TEST_WEBHOOK_URL", "token-of-the-webhook"


class _Webhook(http.server.BaseHTTPRequestHandler):
    answer = 200
    got: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers["Content-Type"], body))
        if self.answer:
            self.send_response(self.answer)
            self.end_headers()
        # Without an answer the connection is closed.

    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""


@contextmanager
def _serve(answer: int) -> Iterator[tuple[str, type[_Webhook]]]:
    handler = type("Webhook", (_Webhook,), {"answer": answer, "got": []})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?{TOKEN}", handler
        finally:
            server.shutdown()
            thread.join()


def _run(runs_dir: Path, run_id: str = "run-1") -> None:
    """Run the node's executor, as a pod does."""
    RunSummary.EXECUTOR_SPEC.executor_class().Do(
        {}, {}, {"runs_dir": str(runs_dir), "run_id": run_id, "webhook_variable": VARIABLE}
    )


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")


def test_the_summary_is_written_and_its_sentence_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    keep_error("Trainer-small", str(tmp_path), "run-1", "ValueError: x")
    _run(tmp_path)
    summary = read_summary(str(tmp_path), "run-1")
    assert summary.verdict == "broken"
    assert "BROKEN: Trainer-small: ValueError: x" in caplog.messages
    assert "webhook" not in caplog.text


def test_a_webhook_gets_the_summary_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with _serve(204) as (url, webhook):
        monkeypatch.setenv(VARIABLE, f"{url}\n")  # as a Secret made from a file ends
        _run(tmp_path)
    ((path, content_type, body),) = webhook.got
    assert (path, content_type) == (f"/hook?{TOKEN}", "application/json")
    summary = read_summary(str(tmp_path), "run-1")
    assert json.loads(body) == summary.model_dump(mode="json")
    assert "The webhook was notified" in caplog.messages
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("answer", [403, 500, 0])
def test_a_webhook_that_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: int
) -> None:
    with _serve(answer) as (url, webhook):
        monkeypatch.setenv(VARIABLE, url)
        _run(tmp_path)
    assert len(webhook.got) == 1
    _assert_only_warned(tmp_path, caplog)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{closed}/{token}",
        "http://127.0.0.1:8x/{token}",
        "http://127.0.0.1/with space/{token}",
        "not an address, {token}",
        "http://[::1/{token}",
    ],
)
def test_a_webhook_that_is_not_there_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # nobody listens
        closed = listener.getsockname()[1]
        monkeypatch.setenv(VARIABLE, url.format(closed=closed, token=TOKEN))
        _run(tmp_path)
    _assert_only_warned(tmp_path, caplog)


def _assert_only_warned(runs_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_summary(str(runs_dir), "run-1").verdict == "broken"
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage().startswith("The webhook could not be notified: ")
    assert TOKEN not in caplog.text
