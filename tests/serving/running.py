"""An embedded server in a thread of the test's process."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator

import uvicorn

from contract.server_settings import ServerSettings
from serving.server.run import create_server, follow, listen
from serving.server.saved_model import load_and_warm_up
from serving.server.versions import VersionPool

_STARTS_WITHIN_S = 30


@dataclasses.dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pool: VersionPool
    server: uvicorn.Server

    @property
    def model_url(self) -> str:
        return f"{self.url}/v1/models/{self.pool.name}"


@contextlib.contextmanager
def serve(
    settings: ServerSettings, load=load_and_warm_up, *, is_awaited: bool = True
) -> Iterator[Running]:
    """Run a server on a free port for the length of a block, and follow its folder.

    Its first version is loaded before the block, unless it is not awaited.
    """
    pool = VersionPool(settings.model_name, settings.model_dir, settings.labels, load)
    if is_awaited:
        pool.refresh()
    server = create_server(settings, pool)
    ended = threading.Event()
    follower = threading.Thread(target=follow, args=(pool, settings.poll_s, ended.wait))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        follower.start()
        try:
            deadline = time.monotonic() + _STARTS_WITHIN_S
            while not server.started:
                assert thread.is_alive(), "the server ended before it started"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", pool, server)
        finally:
            ended.set()
            follower.join(_STARTS_WITHIN_S)
            server.should_exit = True
            thread.join(_STARTS_WITHIN_S)
            assert not thread.is_alive(), "the server did not end"
