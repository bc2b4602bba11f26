"""Clients of a model server, in a separate process: so many at once, or so many a second.

`python -m tools.benchmarks.serving_load URL BODIES ...` prints a `Load` as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import NonNegativeFloat, NonNegativeInt

from tools.benchmarks.record import Record
from tools.benchmarks.serving_connection import NO_ANSWER, Connection, request_bytes

_MAX_CONNECTIONS = 4000
_LAST_ANSWER_S = 60.0


class Load(Record):
    """What clients saw.

    Attributes:
        seconds: From the first request to the last answer.
        statuses: Answers by HTTP status; 0 counts requests without one.
        latencies_s: Of answers with status 200, in the order of their ends.
        refusals_s: Of all other answers.
        num_unsent: Requests of an open load that no connection was left for.
    """

    seconds: NonNegativeFloat
    statuses: dict[int, int]
    latencies_s: tuple[NonNegativeFloat, ...]
    refusals_s: tuple[NonNegativeFloat, ...] = ()
    num_unsent: NonNegativeInt = 0


class Clients:
    """Sends requests over kept connections and counts the answers."""

    def __init__(self, url: str, bodies: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._requests = [request_bytes(parts.netloc, parts.path, body) for body in bodies]
        self._idle: list[Connection] = []
        self._num_connections = 0
        self._statuses: collections.Counter[int] = collections.Counter()
        self._latencies_s: list[float] = []
        self._refusals_s: list[float] = []
        self._num_unsent = 0

    async def ask_together(self, num_clients: int, num_requests: int, seconds: float) -> Load:
        """Let each client ask, one request after the other.

        Args:
            num_clients: At the same time.
            num_requests: By all of them together, at most.
            seconds: After which no new request is sent.
        """
        numbers = iter(range(num_requests))
        started_s = time.perf_counter()

        async def client() -> None:
            for number in numbers:
                if time.perf_counter() - started_s >= seconds:
                    return
                await self._ask(number)

        await asyncio.gather(*(client() for _ in range(num_clients)))
        return self._load(time.perf_counter() - started_s)

    async def ask_at_rate(self, requests_per_s: float, seconds: float) -> Load:
        """Send requests when they are due, whether or not those before were answered."""
        started_s = time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        number = 0
        num_requests = round(requests_per_s * seconds)
        while number < num_requests:
            passed_s = time.perf_counter() - started_s
            while number < min(passed_s * requests_per_s, num_requests):
                task = asyncio.create_task(self._ask(number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                number += 1
            await asyncio.sleep(0.002)
        if tasks:
            _, unanswered = await asyncio.wait(set(tasks), timeout=_LAST_ANSWER_S)
            for task in unanswered:
                self._statuses[NO_ANSWER] += 1
                task.cancel()
        return self._load(time.perf_counter() - started_s)

    async def _ask(self, number: int) -> None:
        connection = await self._connection()
        if connection is None:
            return
        status, seconds = await connection.ask(self._requests[number % len(self._requests)])
        self._statuses[status] += 1
        (self._latencies_s if status == 200 else self._refusals_s).append(seconds)
        if connection.is_open:
            self._idle.append(connection)
        else:
            self._num_connections -= 1
            connection.close()

    async def _connection(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            self._num_connections -= 1
        if self._num_connections >= _MAX_CONNECTIONS:
            self._num_unsent += 1
            return None
        self._num_connections += 1
        try:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(
                Connection, host=self._address[0], port=self._address[1]
            )
        except OSError:
            self._num_connections -= 1
            self._statuses[NO_ANSWER] += 1
            return None
        return made

    def _load(self, seconds: float) -> Load:
        for connection in self._idle:
            connection.close()
        return Load(
            seconds=seconds,
            statuses=dict(sorted(self._statuses.items())),
            latencies_s=tuple(self._latencies_s),
            refusals_s=tuple(self._refusals_s),
            num_unsent=self._num_unsent,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.serving_load")
    parser.add_argument("url", help="ends in :predict")
    parser.add_argument("bodies", type=Path, help="file of JSON documents, one a line")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=10**9, help="of all clients, at most")
    parser.add_argument("--rate", type=float, help="requests a second, in place of clients")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of sending, at most")
    options = parser.parse_args(arguments)
    clients = Clients(options.url, options.bodies.read_bytes().splitlines())
    if options.rate is None:
        work = clients.ask_together(options.clients, options.requests, options.seconds)
    else:
        work = clients.ask_at_rate(options.rate, options.seconds)
    with contextlib.suppress(KeyboardInterrupt):
        print(asyncio.run(work).model_dump_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
