"""Starts tasks from a process that has imported the libraries already.

Importing TensorFlow and TFX takes some ten seconds of a processor, in every pod of a cluster, and
is the same each time. This process does it once and forks: each task still is a separate
process, with its own variables, folder, files and exit code.

    python -m tools.kfp_emulator.fork_server MODULE...

It imports the modules, which `PRELOADED` lists for the pipeline's tasks.
It takes one JSON object a line, `{"module", "arguments", "environment", "working_dir", "log"}`,
answers `{"pid"}` to each, and `{"pid", "code"}` when that one has ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import selectors
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Protocol

from contract.long_lived import lasting_imports

# What the entrypoint and the pipeline's nodes import.
PRELOADED = (
    "pipeline.pipeline",
    "pipeline.kubeflow.tfx_executor",
    "pipeline.kubeflow.ui_artifacts",
    "pipeline.kubeflow.verdict_node",
    "pipeline.kubeflow.run_summary_node",
    "models.train",
    "models.tune",
)


class _Closable(Protocol):
    def close(self) -> None: ...


def serve(modules: Sequence[str]) -> None:
    """Serve requests until standard input is closed; then end what still runs.

    Args:
        modules: What is imported before.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # What the libraries print must not be taken for an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with lasting_imports():
        for module in modules:
            importlib.import_module(module)
    running: set[int] = set()
    # A signal of a child that ends wakes the loop.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    selector.register(reader, selectors.EVENT_READ)
    pending = b""
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if reader in ready:
            os.read(reader, 4096)
            for pid, code in _ended():
                running.discard(pid)
                answers.write(json.dumps({"pid": pid, "code": code}) + "\n")
        if sys.stdin.fileno() in ready:
            chunk = os.read(sys.stdin.fileno(), 1 << 20)
            if not chunk:
                for pid in running:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                pid = _start(json.loads(line), [answers, selector])
                running.add(pid)
                answers.write(json.dumps({"pid": pid}) + "\n")


def _start(request: dict[str, Any], own: Sequence[_Closable]) -> int:
    pid = os.fork()
    if pid:
        # Here as well as in the child: the client may end the group as soon as it has the pid.
        with contextlib.suppress(ProcessLookupError):
            os.setpgid(pid, pid)
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        # With a copy of these, the server's end would not be seen before the task's.
        for each in own:
            each.close()
        code = _run(request)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not the interpreter's own end: it would run what the parent has registered for its.
        os._exit(code)


def _run(request: dict[str, Any]) -> int:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["working_dir"])
    sys.argv = [request["module"], *request["arguments"]]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def _ended() -> list[tuple[int, int]]:
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    serve(sys.argv[1:])
