from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Callable

from tools.benchmarks.serving_load import Clients, Load

BODIES = [b'{"instances": [1]}', b'{"instances": [22]}']


class Server:
    """Answers HTTP with the statuses that a function gives, and notes what it was asked."""

    def __init__(self, status_of: Callable[[int], int]) -> None:
        self._status_of = status_of
        self.bodies: collections.Counter[bytes] = collections.Counter()
        self.num_open = self.most_open = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                assert head.startswith("POST /v1/models/m:predict HTTP/1.1\r\n")
                length = int(head.partition("Content-Length: ")[2].partition("\r")[0])
                self.bodies[await reader.readexactly(length)] += 1
                status = self._status_of(self.bodies.total())
                if not status:
                    break
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 10\r\n\r\n01234".encode())
                await asyncio.sleep(0.001)  # an answer may come in pieces
                writer.write(b"56789")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.num_open -= 1


@contextlib.asynccontextmanager
async def served(server: Server) -> AsyncIterator[str]:
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/models/m:predict"
        while server.num_open:
            await asyncio.sleep(0.001)


async def ask(server: Server, rate: float | None = None) -> Load:
    async with served(server) as url:
        clients = Clients(url, BODIES)
        if rate is None:
            return await clients.ask_together(num_clients=4, num_requests=41, seconds=60)
        return await clients.ask_at_rate(rate, seconds=0.5)


def test_clients_share_the_requests_and_keep_their_connections() -> None:
    server = Server(lambda _: 200)
    load = asyncio.run(ask(server))
    assert load.statuses == {200: 41}
    assert len(load.latencies_s) == 41
    assert server.bodies == {BODIES[0]: 21, BODIES[1]: 20}
    assert server.most_open == 4


def test_refusals_and_cut_connections_are_counted_apart() -> None:
    server = Server(lambda number: {3: 429, 4: 429, 5: 0}.get(number, 200))
    load = asyncio.run(ask(server))
    assert load.statuses == {0: 1, 200: 38, 429: 2}
    assert len(load.refusals_s) == 3


def test_an_open_load_sends_what_is_due() -> None:
    server = Server(lambda _: 200)
    load = asyncio.run(ask(server, rate=200))
    assert load.statuses == {200: 100}
    assert server.bodies.total() == 100
