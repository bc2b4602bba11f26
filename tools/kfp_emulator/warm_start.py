"""The emulator's side of `fork_server`: tasks that need not import the libraries again."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.kfp_emulator.fork_server import PRELOADED

_REPOSITORY = Path(__file__).resolve().parents[2]


class WarmProcess:
    """A task that the server has forked; the part of `subprocess.Popen` that is needed here."""

    def __init__(self, pid: int) -> None:
        """Name a process that runs."""
        self.pid = pid
        self._code: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """Take note of the exit code."""
        self._code = code
        self._ended.set()

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit code; a signal's number is negative.

        Raises:
            subprocess.TimeoutExpired: It has not ended in time.
        """
        if not self._ended.wait(timeout_s):
            raise subprocess.TimeoutExpired([str(self.pid)], timeout_s or 0.0)
        assert self._code is not None
        return self._code


class WarmStarter:
    """Starts Python modules from a process that has the libraries in memory.

    Use it as a context: the server ends with it.
    """

    def __init__(
        self,
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        working_dir: Path = _REPOSITORY,
        modules: Sequence[str] = PRELOADED,
    ) -> None:
        """Take what the server runs with.

        Args:
            log_file: For what the libraries say when they are imported.
            environment: The server's variables, this process's without it; tasks get their own.
            working_dir: Where the project's packages are found.
            modules: What the server imports before it starts the first task.
        """
        self._working_dir, self._modules = working_dir, tuple(modules)
        self._environment = dict(os.environ if environment is None else environment)
        self._log_file = log_file
        self._answers: queue.Queue[WarmProcess | None] = queue.Queue()
        self._running: dict[int, WarmProcess] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> WarmStarter:
        """Start the server; it imports while the first task is prepared."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tools.kfp_emulator.fork_server", *self._modules],
                cwd=self._working_dir,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End the server."""
        assert self._server.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended before, with a request unread
            self._server.stdin.close()
        self._server.wait()
        self._reader.join()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        working_dir: Path,
        log_file: Path,
    ) -> WarmProcess:
        """Run a module, as `python -m` would.

        Raises:
            OSError: The server has ended.
        """
        request = {
            "module": module,
            "arguments": list(arguments),
            "environment": dict(environment),
            "working_dir": str(working_dir),
            "log": str(log_file),
        }
        assert self._server.stdin is not None
        process = None
        # One answer with a process's id for each request, in order.
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
            process = self._answers.get()
        if process is None:
            raise OSError(f"the server of processes has ended; see {self._log_file}")
        return process

    def _read(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            answer: dict[str, Any] = json.loads(line)
            pid = answer["pid"]
            if "code" in answer:
                self._running.pop(pid).end(answer["code"])
            else:
                self._running[pid] = WarmProcess(pid)
                self._answers.put(self._running[pid])
        for process in self._running.values():
            # The server ends its tasks, unless it was killed itself.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.end(-signal.SIGKILL)
        self._answers.put(None)
