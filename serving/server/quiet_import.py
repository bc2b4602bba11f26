"""What TensorFlow's libraries print when they are imported, whatever its log level is."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_STDERR = 2
# Information and warnings in absl's form, and the line that announces them.
_DROPPED = re.compile(
    rb"[IW]\d{4} [\d:.]+ +\d+ \S+\] .*|WARNING: All log messages before absl::InitializeLog\(\) .*"
)


@contextlib.contextmanager
def import_lines_dropped() -> Iterator[None]:
    """Keep such lines from stderr for the length of a block; all others come at its end."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        before = os.dup(_STDERR)
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, _STDERR)
            os.close(before)
            kept.seek(0)
            for line in kept:
                if not _DROPPED.fullmatch(line.rstrip(b"\n")):
                    os.write(_STDERR, line)
