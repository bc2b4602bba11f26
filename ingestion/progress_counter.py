"""Counts images over all threads of this process and tells how far the work has come."""

from __future__ import annotations

import threading
import time

from contract.progress import report_progress

STAGE = "Converting images"
_UNIT = "image"
_REPORT_EVERY_S = 1.0

_RUNNING: dict[str, ProgressCounter] = {}


class ProgressCounter:
    """A counter that reports at most once a percent, and at least once a second while it moves.

    Beam copies what it sends to its workers, so workers find the counter by
    name. Workers in other processes or on other machines find none, and then
    only the start and the end of the work are told.
    """

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._told_done = 0
        self._told_at_s = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> ProgressCounter:
        _RUNNING[self._name] = self
        report_progress(STAGE, 0, self._total, _UNIT)
        return self

    def __exit__(self, error_type: type[BaseException] | None, *unused: object) -> None:
        del _RUNNING[self._name]
        if error_type is None and self._told_done < self._total:
            report_progress(STAGE, self._total, self._total, _UNIT)

    def add_one(self) -> None:
        """Count one more image."""
        with self._lock:
            self._done = min(self._done + 1, self._total)
            now_s = time.monotonic()
            if (
                self._done < self._total
                and (self._done - self._told_done) * 100 < self._total
                and now_s - self._told_at_s < _REPORT_EVERY_S
            ):
                return
            self._told_done, self._told_at_s = self._done, now_s
            report_progress(STAGE, self._done, self._total, _UNIT)


def count_one(name: str) -> None:
    """Count one image for the counter called `name`, if it lives in this process."""
    counter = _RUNNING.get(name)
    if counter is not None:
        counter.add_one()
