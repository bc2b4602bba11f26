"""Read a request's body within limits, gzip undone."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from serving.server.rest.errors import ServingError, invalid_argument, too_large

_GZIP = ("gzip", "x-gzip")  # the same, by RFC 9110
_ENCODINGS = (*_GZIP, "identity", "")
_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS
_DRAIN_S = 5.0
_DRAIN_TIMES = 4  # the limit: what a refused body may send before the connection is cut


def announced_bytes(request: Request) -> int | None:
    """Return the length of the body by the head of a request, None where it has none."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body.

    Raises:
        ServingError: It is too large, or compressed in a way that cannot be undone.
        ClientDisconnect: The client went away.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise invalid_argument(f"expected Content-Encoding gzip or none, got {encoding[:40]}")
    if (announced_bytes(request) or 0) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    num_bytes = 0
    async for chunk in _undone(request.stream(), encoding, max_bytes):
        num_bytes += len(chunk)
        if num_bytes > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


async def drain(request: Request, max_bytes: int) -> None:
    """Pass over the body of a refused request.

    A connection that is closed with unread data is reset, and the client would not see why it
    was refused.
    """
    num_bytes = 0
    try:
        async with asyncio.timeout(_DRAIN_S):
            async for chunk in request.stream():
                num_bytes += len(chunk)
                if num_bytes > max_bytes * _DRAIN_TIMES:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        # Too slow, gone, or read to its end before: nothing is left to wait for.
        return


async def _undone(
    stream: AsyncIterator[bytes], encoding: str, max_bytes: int
) -> AsyncIterator[bytes]:
    if encoding not in _GZIP:
        async for chunk in stream:
            yield chunk
        return
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    num_bytes = 0
    async for chunk in stream:
        try:
            # One byte more than allowed is enough to know.
            unpacked = unpacker.decompress(chunk, max_bytes - num_bytes + 1)
        except zlib.error as error:
            raise invalid_argument(
                "expected a gzip body, as Content-Encoding says, got another"
            ) from error
        num_bytes += len(unpacked)
        yield unpacked
        if unpacker.unconsumed_tail:
            raise _too_large(max_bytes)
        if unpacker.unused_data:
            raise invalid_argument("expected one gzip member as the body, got bytes after it")
    if not unpacker.eof:
        raise invalid_argument("expected a complete gzip body, got a truncated one")


def _too_large(max_bytes: int) -> ServingError:
    return too_large(
        f"expected a body of at most {max_bytes} bytes, got more; send fewer images in a request"
    )
