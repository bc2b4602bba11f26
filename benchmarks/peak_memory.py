"""The most memory that this process, or one of its children, has held."""

from __future__ import annotations

import resource
import sys


def peak_memory_mb() -> float:
    """Return the largest resident set of this process or of one of its children, 10^6 bytes."""
    peaks = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return max(peaks) * unit_bytes / 1e6
