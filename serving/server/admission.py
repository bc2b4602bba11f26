"""How many requests, and bytes of them, are answered at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from serving.server.metrics import Metrics
from serving.server.rest.errors import exhausted
from serving.settings import Limits

_RETRY_AFTER_S = 1


class Admission:
    """Lets requests in while there is room; belongs to one event loop."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._num_active = 0
        self._num_bytes = 0

    @contextlib.contextmanager
    def admit(self, body_bytes: int | None) -> Iterator[None]:
        """Hold room for a request.

        Args:
            body_bytes: What its body may need; None counts as the largest allowed.

        Raises:
            ServingError: There is no room.
        """
        limits = self._limits
        size = limits.max_body_bytes if body_bytes is None else body_bytes
        size = min(size, limits.max_body_bytes)
        if self._num_active >= limits.max_active_requests:
            raise exhausted(
                f"{self._num_active} requests are being answered already; try again",
                _RETRY_AFTER_S,
            )
        if self._num_active and self._num_bytes + size > limits.max_total_body_bytes:
            raise exhausted("too much is being read already; try again", _RETRY_AFTER_S)
        self._change(1, size)
        try:
            yield
        finally:
            self._change(-1, -size)

    def _change(self, num_requests: int, num_bytes: int) -> None:
        self._num_active += num_requests
        self._num_bytes += num_bytes
        self._metrics.active.set(self._num_active)
