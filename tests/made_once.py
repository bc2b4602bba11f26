"""What takes seconds to make and is only read: made once for all processes of a session."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """Return a folder that the first process that asks for it fills; others wait for it.

    Args:
        tmp_path_factory: Of the session; xdist's workers have folders beside each other.
        name: Of the folder, one for each thing.
        make: Fills an empty folder that it is given, which is renamed afterwards.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
            make(unfinished)
            unfinished.rename(folder)
    return folder
