"""The job server that Beam hands pipelines to, where a cluster does the work: is it there?"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator, Sequence

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from contract.errors import InputError
from contract.settings import BeamSettings

_TIMEOUT_S = 5.0
_EMBEDDED = "embed"  # Beam's word for a job server in this process


def arguments_of(beam: BeamSettings) -> list[Sequence[str]]:
    """Return all lists of arguments that a run gives to Beam: everybody's, and single nodes'."""
    every = beam.pipeline_args
    return [every, *([*every, *its] for its in beam.node_pipeline_args.values())]


def check_job_servers(arguments: Iterable[Sequence[str]]) -> None:
    """Reach each job server that Beam's arguments name; do nothing where they name none.

    Args:
        arguments: Lists of arguments for Beam.

    Raises:
        InputError: A job server does not answer, or its address is none.
    """
    for endpoint in dict.fromkeys(_endpoint(each) for each in arguments):
        if not endpoint or endpoint == _EMBEDDED:
            continue
        host, _, port = endpoint.rpartition(":")
        try:
            address = (host.strip("[]"), _port_number(port))
            socket.create_connection(address, timeout=_TIMEOUT_S).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"expected Beam's job server at {endpoint} (--job_endpoint in beam.pipeline_args), "
                f"got {error}. How to fix: start it, on this machine by `make flink-up`, or "
                "correct the address; a run that it stopped goes on with the same command."
            ) from error


@contextlib.contextmanager
def explained_job_servers(arguments: Iterable[Sequence[str]]) -> Iterator[None]:
    """Make an error that a lost job server has caused say so.

    Args:
        arguments: As for `check_job_servers`.

    Raises:
        InputError: Something failed, and a job server cannot be reached any more.
    """
    try:
        yield
    except InputError:
        raise
    except Exception:
        check_job_servers(arguments)
        raise


def _endpoint(arguments: Sequence[str]) -> str:
    return PipelineOptions(list(arguments)).view_as(PortableOptions).job_endpoint or ""


def _port_number(text: str) -> int:
    """Read a port; the resolver would take 99999 for 34463, and reach somebody else's server."""
    port = int(text)
    if not 1 <= port <= 65535:
        raise ValueError(f"expected a port from 1 to 65535, got {port}")
    return port
