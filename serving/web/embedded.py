"""Run the embedded server until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import uvicorn

from components.errors import InputError
from serving.model.version_pool import VersionPool
from serving.settings import ServerSettings
from serving.web.application import create_application
from serving.web.listening import listen

_KEEP_ALIVE_S = 60


def run_embedded(settings: ServerSettings, wait: bool, say: Callable[[str], None]) -> None:
    """Load the newest version, listen, and answer until SIGTERM or SIGINT.

    Requests that run when the signal comes are answered, within `shutdown_s`.

    Args:
        settings: All of the server.
        wait: Listen although no version can be served yet.
        say: Shows a line.

    Raises:
        InputError: The address cannot be used, or there is no version and none is waited for.
    """
    # Imported here: it brings TensorFlow, some ten seconds.
    from serving.model.warm_up import load_and_warm_up

    with listen(settings.host, settings.port) as listening:
        pool = VersionPool(
            settings.model_name, settings.model_dir, settings.labels, load_and_warm_up
        )
        pool.refresh()
        if pool.newest is None and not wait:
            raise InputError(_nothing_to_serve(settings, pool))
        port = listening.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        say(
            f"Embedded server: http://{host}:{port}/v1/models/{settings.model_name} "
            f"serves version {pool.newest or 'none yet'} of {settings.model_dir}"
        )
        server = create_server(settings, pool)
        with _signals_end_quietly():
            asyncio.run(server.serve(sockets=[listening]))


def create_server(settings: ServerSettings, pool: VersionPool) -> uvicorn.Server:
    """Return the HTTP server, which is not running yet."""
    return uvicorn.Server(
        uvicorn.Config(
            create_application(settings, pool),
            log_config=None,
            access_log=False,  # paths may hold what a client should not have put there
            server_header=False,
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_s)),
        )
    )


def _nothing_to_serve(settings: ServerSettings, pool: VersionPool) -> str:
    errors = [f"version {state.version}: {state.error}" for state in pool.states() if state.error]
    if errors:
        return f"no version in {settings.model_dir} can be loaded: {'; '.join(errors)}"
    return (
        f"expected a pushed model in {settings.model_dir}, found none; run the pipeline first, "
        "name the folder with --model-dir, or wait for its first version with --wait"
    )


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let the process end by itself: uvicorn raises again the signal that it has obeyed."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
