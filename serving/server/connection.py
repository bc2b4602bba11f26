"""One HTTP connection: what a client may send before anything is known of it.

A request's head comes before its token can be checked, and before any other limit. h11 bounds its
size; its time is bounded here. uvicorn's other parser, httptools, bounds neither.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD_BYTES = 16 * 1024

_TOO_LATE = b"expected a whole request head in time; the connection is closed\n"


class BoundedConnection(H11Protocol):
    """uvicorn's connection, closed where the client does not end what it has begun.

    That is the head of a request, and the body of one that was answered before its end. A body
    that is still wanted has the request's own time limit; an idle connection has uvicorn's.

    Attributes:
        head_timeout_s: For a request's head; subclasses set it.
    """

    head_timeout_s: float

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; called by asyncio."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read what has come; called by asyncio."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request; called by uvicorn."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; called by asyncio."""
        self._stop_timer()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.transport.is_closing() or not self._is_client_due():
            self._stop_timer()
        elif self._timer is None:  # bytes that dribble in do not set it back
            self._timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _is_client_due(self) -> bool:
        if self.conn.their_state is h11.IDLE:
            # uvicorn's timer runs between two requests, until the first byte of the next one.
            return self.timeout_keep_alive_task is None
        return self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._answer_too_late()
        self.transport.close()

    def _answer_too_late(self) -> None:
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(_TOO_LATE))),
            ("Connection", "close"),
        ]
        for event in (
            h11.Response(status_code=408, headers=headers, reason="Request Timeout"),
            h11.Data(data=_TOO_LATE),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")


def bounded_connection(head_timeout_s: float) -> type[BoundedConnection]:
    """Return the class of connections that wait so long for a request's head."""
    return type("Connection", (BoundedConnection,), {"head_timeout_s": head_timeout_s})
