"""Runs a container's command as a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.kfp_emulator.warm_start import WarmProcess, WarmStarter

POD_ROOT_VARIABLE = "KFP_POD_ROOT"
_POLL_S = 0.1
# A pod has nothing else of the machine that it runs on.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_PYTHON = ("python", "python3")


def container_environment(
    container: Mapping[str, str], chosen: Mapping[str, str], pod: Path
) -> dict[str, str]:
    """Return the variables of a container's process.

    Args:
        container: Those of the compiled pipeline.
        chosen: Those that the emulator's caller adds; they win.
        pod: The folder that is the process's root.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    home = pod / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        **inherited,
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",  # output and errors in the order in which they came
        **container,
        **chosen,
        POD_ROOT_VARIABLE: str(pod),
    }


def run_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    working_dir: Path,
    log_file: Path,
    stop: threading.Event,
    warm: WarmStarter | None = None,
    kill_at_s: float | None = None,
) -> int:
    """Run a command to its end, or to the run's end; return the exit code.

    The command's own children end with it, as a container's do. `python` is the interpreter
    that the emulator runs under.

    Args:
        command: The program and its arguments.
        environment: All of its variables.
        working_dir: Where it starts.
        log_file: Gets its output and errors.
        stop: Ends it when set.
        warm: Starts Python modules where it is given.
        kill_at_s: The monotonic clock at which it is killed; None is never.

    Raises:
        OSError: It cannot be started.
    """
    pid_file = Path(f"{environment[POD_ROOT_VARIABLE]}.pid")
    process: subprocess.Popen[bytes] | WarmProcess
    if warm is not None and command[0] in _PYTHON and command[1] == "-m":
        process = warm.start(command[2], command[3:], environment, working_dir, log_file)
    else:
        process = _start(command, environment, working_dir, log_file)
    pid_file.write_text(str(process.pid), encoding="utf-8")
    try:
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                is_late = kill_at_s is not None and time.monotonic() > kill_at_s
                if stop.is_set() or is_late:
                    _kill_group(process.pid)
    finally:
        _kill_group(process.pid)
        process.wait()
        pid_file.unlink()


def _start(
    command: Sequence[str], environment: Mapping[str, str], working_dir: Path, log_file: Path
) -> subprocess.Popen[bytes]:
    program = sys.executable if command[0] in _PYTHON else command[0]
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [program, *command[1:]],
            env=dict(environment),
            cwd=working_dir,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_leftovers(pods: Path) -> None:
    """End what a killed emulator left running, where /proc lists processes (Linux)."""
    for pid_file in pods.glob("*.pid"):
        pod = pid_file.with_suffix("")
        text = pid_file.read_text(encoding="utf-8")
        mark = f"{POD_ROOT_VARIABLE}={pod}".encode()
        try:
            variables = Path(f"/proc/{text}/environ").read_bytes().split(b"\0")
        except OSError:
            variables = []  # gone, or somebody else's
        if text.isdigit() and mark in variables:
            _kill_group(int(text))
        pid_file.unlink()


def _kill_group(group_id: int) -> None:
    # Without a group nothing of it is left; macOS answers so of one that is ending.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group_id, signal.SIGKILL)
