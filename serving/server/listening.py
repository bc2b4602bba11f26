"""The socket that the server listens on."""

from __future__ import annotations

import socket

from contract.errors import InputError

_BACKLOG = 2048


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
