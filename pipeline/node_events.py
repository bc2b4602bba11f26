"""What a run does, as events: nodes that start and end, and work that proceeds.

TFX has no hook for this, but `LocalDagRunner` and its launcher log fixed
messages through absl. They are recognised by their template and arguments, not
by their text. The test runs TFX itself, so that it notices an upgrade that
words them differently.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Protocol

import absl.logging

from contract.progress import LOGGER_NAME, Progress

_STARTED = "Component %s is running."  # node id
_FINISHED = "Component %s is finished."  # node id
_CACHED = "A cached execution %d is used."  # execution id; the node is the one that runs


class RunListener(Protocol):
    """Receives the events. A node that fails has no end event: its exception ends the run."""

    def node_started(self, node_id: str) -> None:
        """Take note that a node has started."""

    def node_finished(self, node_id: str, seconds: float) -> None:
        """Take note that a node has done its work, in `seconds`."""

    def node_cached(self, node_id: str, seconds: float) -> None:
        """Take note that a node was answered from an earlier run, in `seconds`."""

    def work_progressed(self, progress: Progress) -> None:
        """Take note of how far a piece of work within the running node has come."""


@contextlib.contextmanager
def listen(listener: RunListener) -> Iterator[None]:
    """Report every event to `listener`, for the length of a block.

    The loggers concerned let INFO through meanwhile, whatever the root
    logger's level is and although TFX parses absl's flags in between.

    Args:
        listener: Is called in the thread that logs, one call at a time.
    """
    handler = NodeEventHandler(listener)
    loggers = [absl.logging.get_absl_logger(), logging.getLogger(LOGGER_NAME)]
    levels = [logger.level for logger in loggers]
    verbosity = absl.logging.get_verbosity()
    # The flag, and not just the level: TFX has absl parse flags in the middle of
    # a run, and the flag's value is then applied to the logger again.
    absl.logging.set_verbosity(absl.logging.INFO)
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        absl.logging.set_verbosity(verbosity)
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


class NodeEventHandler(logging.Handler):
    """A handler that turns log records into calls of a `RunListener`."""

    def __init__(self, listener: RunListener) -> None:
        super().__init__()
        self._listener = listener
        self._started_s: dict[str, float] = {}
        # Threads whose node was answered from an earlier run: that record does not name the node.
        self._cached_in: set[int | None] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Call the listener, if the record is one of the known ones."""
        try:
            self._pass_on(record)
        except Exception:
            # logging's convention: what cannot be shown must not end a run.
            self.handleError(record)

    def _pass_on(self, record: logging.LogRecord) -> None:
        progress = getattr(record, "progress", None)
        if isinstance(progress, Progress):
            self._listener.work_progressed(progress)
            return
        if not isinstance(record.args, tuple) or len(record.args) != 1:
            return
        argument = str(record.args[0])
        if record.msg == _STARTED:
            self._started_s[argument] = time.monotonic()
            self._cached_in.discard(record.thread)
            self._listener.node_started(argument)
        elif record.msg == _CACHED:
            self._cached_in.add(record.thread)
        elif record.msg == _FINISHED:
            now_s = time.monotonic()
            seconds = now_s - self._started_s.pop(argument, now_s)
            if record.thread in self._cached_in:
                self._listener.node_cached(argument, seconds)
            else:
                self._listener.node_finished(argument, seconds)
