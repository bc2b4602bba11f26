"""A small KFP API server over real HTTP: as much of it as a submission uses.

It keeps pipelines, versions, experiments, runs and schedules, checks uploads against KFP's own
protos, rejects unknown fields as grpc-gateway does, and plays a run from a list of snapshots.

What it answers about a run is what KFP 2.16 and 2.17 send: the workflow by the older API
(`toApiRunDetailV1` in backend/src/apiserver/server/api_converter.go), `task_details` of random
ids without pods or errors, and a failed reading of a log as JSON (`run_log_server.go`), whose
status is 200 where the server had begun to stream.
"""

from __future__ import annotations

import dataclasses
import email
import email.policy
import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

_FIELDS = {
    "pipelines": {"display_name", "name", "namespace", "description"},
    "experiments": {"display_name", "namespace", "description"},
    "runs": {
        *("experiment_id", "display_name", "pipeline_version_reference", "runtime_config"),
        *("pipeline_spec", "service_account"),
    },
    "recurringruns": {
        *("experiment_id", "display_name", "pipeline_version_reference", "runtime_config"),
        *("pipeline_spec", "service_account", "trigger", "mode", "max_concurrency"),
        *("no_catchup", "description"),
    },
}
_ID_NAMES = {"pipelines": "pipeline_id", "experiments": "experiment_id", "runs": "run_id"}


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client has sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclasses.dataclass
class Failure:
    """How the next request to a path fails: with a status, or by a connection that is cut."""

    path: str
    status: int | None
    body: str = ""
    times: int = 1


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A run at one look; the last one stays."""

    state: str
    workflow: Mapping[str, Any] | None = None
    error: str = ""


class FakeKfp:
    """The server; a context manager."""

    def __init__(
        self,
        *,
        token: str | None = None,
        multi_user: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.stored: dict[str, list[dict[str, Any]]] = {
            kind: [] for kind in ("pipelines", "experiments", "runs", "recurringruns", "versions")
        }
        self.failures: list[Failure] = []
        self.snapshots: list[Snapshot] = [Snapshot("SUCCEEDED")]
        self.logs: dict[str, str] = {}  # by the node's id, of the UI's server by the pod's name
        self.is_ui = False
        self.has_older_api = True
        self.on_look: Callable[[], None] = lambda: None
        self._shown = Snapshot("PENDING")
        self.token = token
        self.multi_user = multi_user
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests to a path, given as a regular expression."""
        return [
            request
            for request in self.requests
            if request.method == method and re.fullmatch(path, request.path)
        ]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return the status and the body, a text or what becomes JSON."""
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"error": "Unauthenticated", "code": 16, "message": "no valid token"}
        log = re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", request.path)
        if log and not self.is_ui:
            return 200, self.logs.get(log[2]) or _log_error(log[1])
        if self.is_ui and request.path == "/k8s/pod/logs":
            pod = request.query["podname"]
            return (200, self.logs[pod]) if pod in self.logs else (500, f"Could not get {pod}")
        older = re.fullmatch(r"/apis/v1beta1/runs/([^/]+)", request.path)
        if older and self.has_older_api:
            return 200, self._look_for_workflow(older[1])
        api = re.fullmatch(r"/apis/v2beta1/(.*)", request.path)
        if not api:
            # The UI's server answers every other address with its page.
            return (200, "<!doctype html><p>KFP</p>") if self.is_ui else (404, "not found")
        return self._answer_api(request, api[1])

    def _answer_api(self, request: Request, path: str) -> tuple[int, Any]:
        if path == "healthz":
            return 200, {"commit_sha": "0" * 40, "multi_user": self.multi_user}
        if path == "pipelines/upload_version":
            return self._upload(request)
        if re.fullmatch(r"runs/[^/]+", path):
            return self._look(path.removeprefix("runs/"))
        if path not in _FIELDS:
            return 404, {"code": 5, "message": "Not Found"}
        if request.method == "GET":
            return 200, {path: self._find(path, request), "total_size": 1}
        return self._create(path, request.body)

    def _find(self, kind: str, request: Request) -> list[dict[str, Any]]:
        predicates = json.loads(request.query["filter"])["predicates"]
        assert [predicate["key"] for predicate in predicates] == ["display_name"]
        namespace = request.query.get("namespace", "")
        return [
            entry
            for entry in self.stored[kind]
            if entry["display_name"] == predicates[0]["stringValue"]
            and entry.get("namespace", "") == namespace
        ]

    def _create(self, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        unknown = set(body) - _FIELDS[kind]
        if unknown:
            return 400, {"code": 3, "message": f"unknown field {sorted(unknown)}"}
        if kind in ("runs", "recurringruns"):
            version_id = body["pipeline_version_reference"]["pipeline_version_id"]
            versions = {entry["pipeline_version_id"] for entry in self.stored["versions"]}
            experiments = {entry["experiment_id"] for entry in self.stored["experiments"]}
            if version_id not in versions or body["experiment_id"] not in experiments:
                return 404, {"code": 5, "message": "no such version or experiment"}
        name = _ID_NAMES.get(kind, "recurring_run_id")
        entry = {**body, name: f"{kind}-{len(self.stored[kind]) + 1}"}
        self.stored[kind].append(entry)
        return 200, entry

    def _upload(self, request: Request) -> tuple[int, Any]:
        message = email.message_from_bytes(
            b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
            + request.body,
            policy=email.policy.HTTP,
        )  # fmt: skip
        (part,) = message.iter_parts()
        assert part.get_filename().endswith(".yaml")
        content = part.get_payload(decode=True)
        try:
            specification, _ = yaml.safe_load_all(content)
            json_format.ParseDict(specification, pipeline_spec_pb2.PipelineSpec())
        except (ValueError, json_format.ParseError) as error:
            return 400, {"error_message": f"invalid pipeline: {error}", "error_details": ""}
        name, pipeline_id = request.query["name"], request.query["pipelineid"]
        if any((e["display_name"], e["pipeline_id"]) == (name, pipeline_id)
               for e in self.stored["versions"]):  # fmt: skip
            return 409, {"error_message": "Failed to create a pipeline version"}
        entry = {
            "pipeline_id": pipeline_id,
            "pipeline_version_id": f"version-{len(self.stored['versions']) + 1}",
            "display_name": name,
        }
        self.stored["versions"].append({**entry, "content": content})
        return 200, entry

    def _look(self, run_id: str) -> tuple[int, Any]:
        self.on_look()
        self._shown = self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]
        run = {"run_id": run_id, "state": self._shown.state}
        if self._shown.workflow:
            # Of compressed nodes KFP has none: it goes on to show what it last saw.
            nodes = self._shown.workflow["status"].get("nodes", {})
            run["run_details"] = {"task_details": [_detail(run_id, it) for it in nodes.values()]}
        if self._shown.error:
            run["error"] = {"code": 13, "message": self._shown.error}
        return 200, run

    def _look_for_workflow(self, run_id: str) -> dict[str, Any]:
        details: dict[str, Any] = {"run": {"id": run_id, "status": "Running"}}
        if self._shown.workflow:
            manifest = json.dumps(self._shown.workflow)
            details["pipeline_runtime"] = {"workflow_manifest": manifest}
        else:
            details["pipeline_runtime"] = {}
        return details


def _detail(run_id: str, node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "task_id": str(uuid.uuid4()),
        "display_name": node["displayName"],
        "create_time": node["startedAt"],
        "start_time": node["startedAt"],
        "end_time": node["finishedAt"] or "0001-01-01T00:00:00Z",
        "state": node["phase"].upper(),
    }


def _log_error(run_id: str) -> str:
    what = f"BadRequestError: Failed to read logs for run {run_id}"
    return json.dumps({"error_message": what, "error_details": f"{what}: no such pod"})


def _handler_of(fake: FakeKfp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body go separately: else 40 ms each

        def do_GET(self) -> None:
            self._handle()

        def do_POST(self) -> None:
            self._handle()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body: Any = self.rfile.read(length)
            if "json" in (self.headers.get("content-type") or "") and body:
                body = json.loads(body)
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, parts.path, query, headers, body)
            fake.requests.append(request)
            failure = next((f for f in fake.failures if re.search(f.path, parts.path)), None)
            if failure:
                failure.times -= 1
                if failure.times == 0:
                    fake.failures.remove(failure)
                if failure.status is None:
                    self.close_connection = True
                    return
                self._reply(failure.status, failure.body)
            else:
                self._reply(*fake.answer(request))

        def _reply(self, status: int, body: Any) -> None:
            is_text = isinstance(body, str)
            content = body.encode() if is_text else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain" if is_text else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
