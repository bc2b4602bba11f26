"""One HTTP connection of a load generator, as cheap as Python allows.

The generator shares the cores with the server that it measures, so it parses no more of an
answer than its status and its length.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
NO_ANSWER = 0  # in place of a status: the connection ended without one


def request_bytes(host: str, path: str, body: bytes) -> bytes:
    """Return a POST request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """Sends one request at a time; every answer has a Content-Length.

    Attributes:
        is_open: Whether another request can be sent.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._wanted_bytes = 0
        self._answer: asyncio.Future[int] | None = None

    async def ask(self, request: bytes) -> tuple[int, float]:
        """Send a request; return the status, or `NO_ANSWER`, and the seconds it took."""
        if self._transport is None or not self.is_open:
            return NO_ANSWER, 0.0
        self._received.clear()
        self._wanted_bytes = 0
        self._answer = asyncio.get_running_loop().create_future()
        started_s = time.perf_counter()
        self._transport.write(request)
        status = await self._answer
        return status, time.perf_counter() - started_s

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Gather an answer; called by asyncio."""
        self._received += data
        if not self._wanted_bytes:
            end = self._received.find(_END_OF_HEAD)
            if end < 0:
                return
            head = bytes(self._received[:end]).lower()
            length = head.partition(_LENGTH)[2].partition(b"\r")[0]
            self._wanted_bytes = end + len(_END_OF_HEAD) + int(length)
            if b"connection: close" in head:
                self.is_open = False
        if len(self._received) >= self._wanted_bytes:
            self._resolve(int(self._received[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """Give up an answer that is still awaited; called by asyncio."""
        self.is_open = False
        self._resolve(NO_ANSWER)

    def _resolve(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)
