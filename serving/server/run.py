"""Run the embedded server until a signal ends it.

The socket is open at once, so that a client that comes early gets 503 and the reason, not a
refused connection. HTTP has its own thread; the main thread imports TensorFlow, loads
models and looks for new versions, so that a signal ends it in the middle of that, too.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from contract.errors import InputError
from contract.server_settings import ServerSettings
from serving.example_requests import server_url
from serving.server.application import create_application
from serving.server.connection import MAX_HEAD_BYTES, bounded_connection
from serving.server.quiet_import import import_lines_dropped
from serving.server.versions import VersionPool

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

_KEEP_ALIVE_S = 60
_BACKLOG = 2048

log = logging.getLogger(__name__)


class _TerminatedError(BaseException):
    """SIGTERM has come."""


def run_embedded(
    settings: ServerSettings,
    wait: bool,
    say: Callable[[str], None],
    show_commands: Callable[[str], None],
) -> None:
    """Listen, load the newest version, and answer until SIGTERM or SIGINT.

    Requests that run when the signal comes are answered, within `shutdown_s`.

    Args:
        settings: Settings of the server.
        wait: Go on although no version can be served yet.
        say: Shows a line.
        show_commands: Shows how to ask the server at a URL, once it answers.

    Raises:
        InputError: The address cannot be used, or there is no version and none is waited for.
    """
    with listen(settings.host, settings.port) as listening:
        pool = VersionPool(settings.model_name, settings.model_dir, settings.labels, _load)
        server = create_server(settings, pool)
        url = server_url(settings.host, listening.getsockname()[1])
        # Waited for in place of the thread: a join that a signal interrupts takes the thread for
        # ended (Python 3.11).
        ended = threading.Event()

        def answer() -> None:
            try:
                server.run(sockets=[listening])
            finally:
                ended.set()

        # A daemon, so that a second Ctrl-C does not wait for running requests.
        threading.Thread(target=answer, name="http", daemon=True).start()
        try:
            with _sigterm_raises():
                say(f"Listening on {url}; requests get 503 until the model is loaded")
                _load_first(settings, pool, wait)
                _say_what_is_served(settings, pool, url, say)
                show_commands(url)
                follow(pool, settings.poll_s, ended.wait)
                raise RuntimeError("the HTTP server stopped unexpectedly; see its log")
        except _TerminatedError:
            return
        finally:
            server.should_exit = True
            ended.wait()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Args:
        host: An address or a name of this machine.
        port: 0 for any free one.

    Raises:
        InputError: The address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small packets at once; without, each answer after
    # the first on a connection waits 40 ms for the client's delayed acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise InputError(
            f"expected to listen on {host} port {port}, got: {error.strerror or error}; "
            "choose others with --host and --port"
        ) from error
    return listening


def follow(pool: VersionPool, every_s: float, has_ended: Callable[[float], bool]) -> None:
    """Keep the served versions up to the folder.

    Args:
        pool: The versions.
        every_s: Between two looks.
        has_ended: Waits so many seconds and returns whether to stop.
    """
    while not has_ended(every_s):
        try:
            pool.refresh()
        except OSError as error:
            # A folder that cannot be read for a moment, say on a network disk.
            log.error("the folder of models cannot be read: %s", error)


def create_server(settings: ServerSettings, pool: VersionPool) -> uvicorn.Server:
    """Return the HTTP server, which is not running yet."""
    return uvicorn.Server(
        uvicorn.Config(
            create_application(settings, pool),
            http=bounded_connection(settings.limits.head_timeout_s),
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            log_config=None,
            access_log=False,  # paths may hold what a client should not have put there
            server_header=False,
            ws="none",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.shutdown_s)),
        )
    )


def _load(folder: Path, version: int) -> SavedModel:
    # Imported here: it brings TensorFlow, some ten seconds.
    with import_lines_dropped():
        from serving.server.saved_model import load_and_warm_up

    return load_and_warm_up(folder, version)


def _load_first(settings: ServerSettings, pool: VersionPool, wait: bool) -> None:
    try:
        pool.refresh()
    except OSError as error:
        raise InputError(
            f"expected a folder of models that can be read, got {settings.model_dir}: "
            f"{error.strerror}; change its permissions"
        ) from error
    if pool.newest is not None or wait:
        return
    errors = [f"version {state.version}: {state.error}" for state in pool.states() if state.error]
    if errors:
        raise InputError(
            f"expected a version in {settings.model_dir} that can be loaded, got none: "
            f"{'; '.join(errors)}; run the pipeline again, or wait for another version with --wait"
        )
    raise InputError(
        f"expected a pushed model in {settings.model_dir}, found none; run the pipeline first, "
        "name the folder with --model-dir, or wait for its first version with --wait"
    )


def _say_what_is_served(
    settings: ServerSettings, pool: VersionPool, url: str, say: Callable[[str], None]
) -> None:
    newest = pool.newest
    for state in pool.states():
        if state.error and (newest is None or state.version > newest):
            say(f"Note: version {state.version} cannot be loaded and is not served: {state.error}")
    say(
        f"Embedded server: {url}/v1/models/{settings.model_name} "
        f"serves {'no version yet' if newest is None else f'version {newest}'} "
        f"of {settings.model_dir}"
    )


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let the first SIGTERM end the block; a further one changes nothing."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is end:
            signal.signal(signal.SIGTERM, before)
