"""Settings of the embedded server."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from contract.errors import InputError

_MIB = 2**20
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What requests may cost.

    Requests wait in one queue, bounded by their number and their bytes. Both defaults are what
    two cores answer within `timeout_s`: many small images, or some eighty of hospital size.

    Attributes:
        max_body_bytes: Of a body, also after gzip is undone.
        max_total_body_bytes: Of all unanswered requests; more are refused with 429.
        max_instances: In one request.
        max_image_pixels: Height x width of an image, checked before it is decoded.
        timeout_s: From a request's head to its answer.
        max_active_requests: Unanswered at a time; more are refused with 429.
        head_timeout_s: For the head of a request, which comes before its token is checked.
    """

    max_body_bytes: int = 32 * _MIB
    max_total_body_bytes: int = 128 * _MIB
    max_instances: int = 128
    max_image_pixels: int = 50_000_000
    timeout_s: float = 30.0
    max_active_requests: int = 128
    head_timeout_s: float = 10.0


@dataclasses.dataclass(frozen=True)
class BatchSettings:
    """How requests are gathered.

    Attributes:
        max_batch_size: Instances in one run of the model.
        parallel_runs: Runs at the same time.
    """

    max_batch_size: int = 32
    parallel_runs: int = dataclasses.field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) // 2)
    )


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """All of the server.

    Attributes:
        model_dir: Folder of numbered versions.
        model_name: In the paths of requests.
        host: Address to listen on.
        port: 0 for any free one.
        labels: Label -> version.
        token: That requests have to carry; "" for none.
        cors_origins: Web pages' origins that may read answers.
        poll_s: Between two looks into the folder.
        shutdown_s: That requests have to end in after SIGTERM.
        limits: Of requests.
        batching: Of runs.
    """

    model_dir: Path
    model_name: str = "pneumonia"
    host: str = "127.0.0.1"
    port: int = 8501
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    token: str = dataclasses.field(default="", repr=False)
    cors_origins: tuple[str, ...] = ()
    poll_s: float = 2.0
    shutdown_s: float = 30.0
    limits: Limits = dataclasses.field(default_factory=Limits)
    batching: BatchSettings = dataclasses.field(default_factory=BatchSettings)

    def __post_init__(self) -> None:
        """Refuse figures that cannot work.

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
        """Tell whether only this machine can reach the server."""
        return self.host in _LOOPBACK


def _check_positive(name: str, value: float) -> None:
    if not value > 0:  # NaN is not
        raise InputError(f"{name}: expected a number above 0, got {value}")
