"""How long to wait before asking a busy server again."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import random

_MAX_BACKOFF_S = 30.0
_MAX_DOUBLINGS = 30  # more would overflow one day


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

    def wait_s(self, num_failed: int, retry_after_s: float | None) -> float:
        """Return the seconds to wait after a request has failed.

        Args:
            num_failed: How often it has failed so far, at least 1.
            retry_after_s: What the server asks for, or None; never undercut.
        """
        num_doublings = min(num_failed - 1, _MAX_DOUBLINGS)
        backoff_s = min(self.backoff_s * 2.0**num_doublings, _MAX_BACKOFF_S)
        # Clients that failed together should not come back together.
        jittered_s = backoff_s * random.uniform(0.5, 1.0)
        return max(jittered_s, retry_after_s or 0.0)


def parse_retry_after(header: str | None) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        header: Its value, or None where there is none.

    Returns:
        Seconds from now, at least 0; None where there is no header, or none that can be read.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # a date whose zone is unknown to itself is in UTC
        moment = moment.replace(tzinfo=datetime.UTC)
    return max((moment - datetime.datetime.now(datetime.UTC)).total_seconds(), 0.0)
