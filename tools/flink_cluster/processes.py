"""Processes that outlive the command that starts them, known by pid files.

A pid alone may belong to another program by the time that it is read. So every process gets a
variable that names its folder, which its children inherit, and nothing is ended that lacks it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_VARIABLE = "PNEUMONIA_FLINK_FOLDER"
_PIDS, _LOGS = "pids", "logs"
_END_S = 10.0  # to end by itself, before it is killed
_EXEC_S = 5.0  # on a busy machine


def start(name: str, command: Sequence[str], folder: Path, working_dir: Path) -> int:
    """Start a process in a new session, with a pid file and a log, and return its pid.

    Args:
        name: Of the pid file and the log.
        command: Program and arguments.
        folder: The cluster's, where pid file and log go.
        working_dir: Of the process.
    """
    for each in (_PIDS, _LOGS):
        (folder / each).mkdir(parents=True, exist_ok=True)
    log = str(log_file(name, folder))
    # Not subprocess.Popen: it warns of what its process outlives, and that is the purpose here.
    pid = os.posix_spawnp(
        "sh",
        ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(working_dir), *command],
        {**os.environ, _VARIABLE: str(folder)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    (folder / _PIDS / f"{name}.pid").write_text(str(pid), encoding="utf-8")
    return pid


def log_file(name: str, folder: Path) -> Path:
    """Return where the process called `name` logs."""
    return folder / _LOGS / f"{name}.log"


def running(folder: Path) -> dict[str, psutil.Process]:
    """Return the running processes that have a pid file in `folder`, by name."""
    found = {}
    for path in sorted((folder / _PIDS).glob("*.pid")):
        try:
            process = psutil.Process(int(path.read_text(encoding="utf-8")))
            if _is_of(process, folder, _variables(process)):
                found[path.stem] = process
        except (ValueError, psutil.Error):  # half-written, or ended
            continue
    return found


def all_of(folder: Path) -> list[psutil.Process]:
    """Return every process that was started for `folder`, with all that these have started."""
    found = []
    for process in psutil.process_iter():
        try:
            if _is_of(process, folder, process.environ()):
                found.append(process)
        except psutil.Error:  # ended, or of another user
            continue
    return found


def end_all(folder: Path) -> int:
    """End every process of `folder`, also one whose parent was killed; return how many."""
    processes = {*running(folder).values(), *all_of(folder)}
    for process in processes:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=_END_S)
    # Every process that could start another one has ended by now.
    for process in {*alive, *all_of(folder)}:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=_END_S)
    return len(processes)


def _variables(process: psutil.Process) -> dict[str, str]:
    """Return a process's variables; wait while it turns into another program, which hides them.

    They are read once: `sh` has them, and is about to turn into what it starts.
    """
    deadline_s = time.monotonic() + _EXEC_S
    while (
        not (variables := process.environ())
        and process.status() != psutil.STATUS_ZOMBIE
        and time.monotonic() < deadline_s
    ):
        time.sleep(0.01)
    return dict(variables)


def _is_of(process: psutil.Process, folder: Path, variables: Mapping[str, str]) -> bool:
    return (
        variables.get(_VARIABLE) == str(folder)
        and process.pid != os.getpid()
        and process.status() != psutil.STATUS_ZOMBIE
    )


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass
