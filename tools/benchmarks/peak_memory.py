"""The most memory that this process, or one of its children, has held."""

from __future__ import annotations

import re
import resource
from pathlib import Path

_KIB = 1024


def peak_memory_mb() -> float:
    """Return the largest resident set of this process or of one of its children, 10^6 bytes.

    Linux counts what a parent held when it started a process to the `ru_maxrss` of that process,
    so its own peak is taken from where it begins at nothing.
    """
    own = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if own is None:
        raise RuntimeError(
            "Expected the line VmHWM in /proc/self/status, got none: run the benchmarks on Linux."
        )
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(int(own[1]), of_children) * _KIB / 1e6
