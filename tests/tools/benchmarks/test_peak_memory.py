from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.benchmarks.peak_memory import peak_memory_mb

SIZE_BYTES = 400_000_000


def peak_of_a_child(repository: Path, statement: str) -> float:
    code = (
        "from tools.benchmarks.peak_memory import peak_memory_mb; "
        f"{statement}; print(peak_memory_mb())"
    )
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, cwd=repository, capture_output=True, check=True).stdout)


def test_what_was_held_and_let_go_counts(repository: Path) -> None:
    assert peak_of_a_child(repository, f"bytes(bytearray({SIZE_BYTES}))") > SIZE_BYTES / 1e6


def test_what_the_parent_holds_does_not_count(repository: Path) -> None:
    held = bytearray(b"\1") * SIZE_BYTES
    assert peak_memory_mb() > SIZE_BYTES / 1e6
    assert peak_of_a_child(repository, "pass") < SIZE_BYTES / 1e6
    del held
