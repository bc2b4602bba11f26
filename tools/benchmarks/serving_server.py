"""The embedded server in a separate process, started as a user starts it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tools.benchmarks.serving_load import Load

_ROOT = Path(__file__).resolve().parents[2]
_URL = re.compile(r"Embedded server: (\S+) ")
_STARTS_WITHIN_S = 300.0
_ENDS_WITHIN_S = 60.0
_POLL_S = "0.5"


@dataclasses.dataclass(frozen=True)
class Served:
    """A server that answers.

    Attributes:
        url: Of the model.
        process: The server's.
    """

    url: str
    process: subprocess.Popen[bytes]

    def resident_mb(self) -> float:
        """Return what the server holds in memory, 10^6 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        resident = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        if resident is None:
            raise RuntimeError("Expected the line VmRSS of the server, got none: has it ended?")
        return int(resident[1]) * 1024 / 1e6

    def processor_s(self) -> float:
        """Return the seconds that it has kept cores busy since its start, all threads together."""
        # The name, in brackets, may hold blanks; what follows it are numbers.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        user_ticks, system_ticks = int(fields[11]), int(fields[12])
        return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")

    def available_versions(self) -> list[int]:
        """Return the versions that it serves now."""
        with urllib.request.urlopen(self.url, timeout=60) as response:
            states = json.load(response)["model_version_status"]
        return [int(each["version"]) for each in states if each["state"] == "AVAILABLE"]

    def start_load(self, bodies: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Start clients in another process; see `tools.benchmarks.serving_load`."""
        command = [sys.executable, "-m", "tools.benchmarks.serving_load", f"{self.url}:predict"]
        return subprocess.Popen(
            [*command, str(bodies), *arguments], cwd=_ROOT, stdout=subprocess.PIPE
        )

    def load(self, bodies: Path, *arguments: str) -> Load:
        """Run clients until they end."""
        return end_load(self.start_load(bodies, *arguments))


def end_load(process: subprocess.Popen[bytes]) -> Load:
    """Wait for clients and return what they saw.

    Raises:
        RuntimeError: They broke.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load's process ended with exit code {process.returncode}")
    return Load.model_validate_json(output)


@contextlib.contextmanager
def serve(push_dir: Path, log_file: Path) -> Iterator[Served]:
    """Serve a folder of versions with the default settings, for the length of a block.

    Raises:
        RuntimeError: The server did not start, or stopped; the message ends with its log.
    """
    command = [sys.executable, "-m", "serving", "--with", "embedded", "--port", "0"]
    command += ["--model-dir", str(push_dir), "--poll-s", _POLL_S]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log)
    try:
        yield Served(_wait_for_url(process, log_file), process)
        if process.poll() is not None:
            raise RuntimeError(f"the server stopped unexpectedly: {_tail(log_file)}")
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_url(process: subprocess.Popen[bytes], log_file: Path) -> str:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        found = _URL.search(log_file.read_text("utf-8", "replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {_tail(log_file)}")


def _tail(log_file: Path) -> str:
    return log_file.read_text("utf-8", "replace")[-2000:]
