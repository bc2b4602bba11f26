"""A server of the REST API over real HTTP that judges images by their bytes."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

THRESHOLD = 0.5
BAND = (0.4, 0.6)  # scores in it are referred
FAMILIARITY_THRESHOLD = 0.2
BREAK_OFF = 0  # as a status: the connection is closed without an answer


@dataclasses.dataclass(frozen=True)
class Reply:
    """What to answer once, in place of judging."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    images: list[bytes]
    moment_s: float


def probability_of(image: bytes) -> float:
    return hashlib.sha256(image).digest()[0] / 255.0


def familiarity_of(image: bytes) -> float:
    return (1 + hashlib.sha256(image).digest()[1]) / 256.0


def decision_of(image: bytes) -> str:
    probability = probability_of(image)
    if familiarity_of(image) < FAMILIARITY_THRESHOLD or BAND[0] <= probability < BAND[1]:
        return "refer"
    return "pneumonia" if probability >= THRESHOLD else "normal"


@dataclasses.dataclass
class FakeServer:
    url: str = ""
    asked: list[Asked] = dataclasses.field(default_factory=list)
    # The next answers, first to last; after them it judges.
    replies: list[Reply] = dataclasses.field(default_factory=list)
    refused: set[bytes] = dataclasses.field(default_factory=set)
    refusal: int = 400
    max_images: int = 1000
    refers: bool = True  # off: as models answered before there were decisions

    @property
    def sizes(self) -> list[int]:
        return [len(each.images) for each in self.asked]

    def answer(self, images: list[bytes]) -> Reply:
        if len(images) > self.max_images:
            return Reply(413, b'{"error": "too large"}')
        if self.refused & set(images):
            return Reply(self.refusal, b'{"error": "Unable to decode"}')
        rows = []
        for image in images:
            probability = probability_of(image)
            label = "pneumonia" if probability >= THRESHOLD else "normal"
            rows.append({"probability": probability, "label": label, "threshold": THRESHOLD})
            if self.refers:
                rows[-1] |= {
                    "decision": decision_of(image),
                    "familiarity": familiarity_of(image),
                    "familiarity_threshold": FAMILIARITY_THRESHOLD,
                }
        return Reply(200, json.dumps({"predictions": rows}).encode())


def images_in(body: bytes) -> list[bytes]:
    """Read a request in the row form as strictly as TensorFlow Serving does."""
    request = json.loads(body)
    assert request.keys() - {"signature_name"} == {"instances"}
    assert request.get("signature_name", "serving_default") == "serving_default"
    assert all(instance.keys() == {"image_bytes"} for instance in request["instances"])
    values = [instance["image_bytes"] for instance in request["instances"]]
    assert values
    assert all(value.keys() == {"b64"} for value in values)
    return [base64.b64decode(value["b64"], validate=True) for value in values]


@contextlib.contextmanager
def serve() -> Iterator[FakeServer]:
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            images = images_in(body)
            fake.asked.append(Asked(self.path, dict(self.headers), images, time.monotonic()))
            reply = fake.replies.pop(0) if fake.replies else fake.answer(images)
            time.sleep(reply.delay_s)
            if reply.status == BREAK_OFF:
                self.close_connection = True
                return
            # The client may have given up in the meantime.
            with contextlib.suppress(ConnectionError):
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
