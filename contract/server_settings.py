"""Settings of the server: names, defaults, bounds and help, each in one place.

Every field with a help text is an option of `python -m serving`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from contract.errors import InputError

_MIB = 2**20
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HELP = "help"
_BYTES = "_bytes"  # a field in bytes is an option in MiB
_METAVARS = {"s": "SECONDS", "mib": "MIB", "host": "ADDRESS", "int": "N", "str": "NAME"}


def _option(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={_HELP: text})


@dataclasses.dataclass(frozen=True)
class Limits:
    """What requests may cost.

    Requests wait in one queue, bounded by their number and their bytes. Both defaults are what
    two cores answer within `timeout_s`: many small images, or some eighty of hospital size.
    """

    max_body_bytes: int = _option(32 * _MIB, "largest body of a request, also after gzip is undone")
    max_total_body_bytes: int = _option(
        128 * _MIB, "largest sum of all unanswered requests; more are refused with 429"
    )
    max_instances: int = _option(128, "most instances in a request")
    max_image_pixels: int = _option(
        50_000_000, "largest height x width of an image, checked before it is decoded"
    )
    timeout_s: float = _option(30.0, "seconds from the head of a request to its answer")
    max_active_requests: int = _option(128, "most unanswered requests; more are refused with 429")
    head_timeout_s: float = _option(
        10.0, "seconds for the head of a request, before its token is checked"
    )


@dataclasses.dataclass(frozen=True)
class BatchSettings:
    """How requests share runs of the model."""

    max_batch_size: int = _option(32, "most instances in a run of the model")
    parallel_runs: int = dataclasses.field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2),
        metadata={_HELP: "runs of the model at the same time"},
    )


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """All settings of a server.

    Attributes:
        model_dir: Folder of numbered versions.
        labels: Label -> version.
        token: Bearer token that requests have to carry; "" for none.
        cors_origins: Origins of web pages that may read answers.
        limits: Limits of requests.
        batching: How requests share runs.
    """

    model_dir: Path
    model_name: str = _option("pneumonia", "name of the model in the paths of requests")
    host: str = _option("127.0.0.1", "address to listen on")
    port: int = _option(8501, "port to listen on; 0 for any free one (embedded only)")
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    token: str = dataclasses.field(default="", repr=False)
    cors_origins: tuple[str, ...] = ()
    poll_s: float = _option(2.0, "seconds between two looks for a new version")
    shutdown_s: float = _option(30.0, "seconds for running requests after SIGTERM")
    limits: Limits = dataclasses.field(default_factory=Limits)
    batching: BatchSettings = dataclasses.field(default_factory=BatchSettings)

    def __post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            InputError: One of them.
        """
        for group in (self.limits, self.batching):
            for field in dataclasses.fields(group):
                _check_positive(field.name, getattr(group, field.name))
        _check_positive("poll_s", self.poll_s)
        if not 0 <= self.port < 2**16:
            raise InputError(f"port: expected 0 to 65535, got {self.port}")
        if not self.model_name or set("/:") & set(self.model_name):
            raise InputError(
                f"model_name: expected a name without / and :, got {self.model_name!r}"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in _LOOPBACK


Settings = TypeVar("Settings", Limits, BatchSettings, ServerSettings)


def add_options(parser: argparse._ActionsContainer, settings: type[Settings]) -> None:
    """Add an option for each field that has a help text: `max_body_bytes` is `--max-body-mib`."""
    for field in dataclasses.fields(settings):
        if _HELP not in field.metadata:
            continue
        default: Any = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        name = _option_name(field.name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=_METAVARS.get(name.rpartition("_")[2]) or _METAVARS[type(default).__name__],
            type=type(default),
            default=default // _MIB if field.name.endswith(_BYTES) else default,
            help=f"{field.metadata[_HELP]} (default: %(default)s)",
        )


def option_values(options: argparse.Namespace, settings: type[Settings]) -> dict[str, Any]:
    """Return the values of the options that `add_options` added, by the names of the fields."""
    return {
        field.name: getattr(options, _option_name(field.name))
        * (_MIB if field.name.endswith(_BYTES) else 1)
        for field in dataclasses.fields(settings)
        if _HELP in field.metadata
    }


def _option_name(field_name: str) -> str:
    if field_name.endswith(_BYTES):
        return field_name.removesuffix(_BYTES) + "_mib"
    return field_name


def _check_positive(name: str, value: float) -> None:
    if not value > 0:  # NaN is not
        raise InputError(f"{name}: expected a number above 0, got {value}")
