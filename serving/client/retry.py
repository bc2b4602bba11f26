"""When a request to a busy server is repeated."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import tenacity
import urllib3
from urllib3.exceptions import InvalidHeader

_LONGEST_BACKOFF_S = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to ask again.

    Attributes:
        num_retries: How often a request is sent again, at least 0.
        backoff_s: About the first wait, doubled for each further one up to half a minute.
        max_wait_s: A server that asks for a longer wait than this is not waited for.
    """

    num_retries: int = 4
    backoff_s: float = 0.5
    max_wait_s: float = 120.0

    def retrying(self, on_wait: Callable[[BusyError], None]) -> tenacity.Retrying:
        """Return what calls a function again while it raises `BusyError`.

        The last `BusyError` is raised.

        Args:
            on_wait: Called with the error before each wait.
        """
        half = {"multiplier": self.backoff_s / 2, "max": _LONGEST_BACKOFF_S / 2}
        # Half of each wait is random: clients that failed together come back one by one.
        backoff = tenacity.wait_exponential(**half) + tenacity.wait_random_exponential(**half)

        def wait_s(state: tenacity.RetryCallState) -> float:
            return max(backoff(state), _busy_error(state).retry_after_s or 0.0)

        def is_last(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number > self.num_retries or state.upcoming_sleep > self.max_wait_s

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(BusyError),
            wait=wait_s,
            stop=is_last,
            before_sleep=lambda state: on_wait(_busy_error(state)),
            reraise=True,
        )


class BusyError(Exception):
    """The server may answer later.

    Attributes:
        retry_after_s: Seconds that the server asks to wait, None where it does not say.
    """

    def __init__(self, problem: str, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


def parse_retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3).

    Args:
        header: Seconds or a date; None where there is no header.

    Returns:
        Seconds from now, at least 0; None where there is no header, or one that cannot be read.
    """
    if not header:
        return None
    try:
        return urllib3.Retry(retry_after_max=sys.maxsize).parse_retry_after(header)
    except (InvalidHeader, ValueError, OverflowError):  # a date beyond the calendar's end
        return None


def _busy_error(state: tenacity.RetryCallState) -> BusyError:
    assert state.outcome is not None  # it has been called
    error = state.outcome.exception()
    assert isinstance(error, BusyError)
    return error
