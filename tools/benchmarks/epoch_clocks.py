"""What the last epoch of a fit takes, its validation included, on either side.

Of several epochs the last is free of what a fit does once, such as tracing the input's graph.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from contract.progress import LOGGER_NAME


class _Laps:
    """Marks of time; `seconds` is the time between the last two."""

    def __init__(self) -> None:
        self._marks_s: list[float] = []

    def mark(self) -> None:
        self._marks_s.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        return self._marks_s[-1] - self._marks_s[-2]


class KerasClock(keras.callbacks.Callback):
    """Takes the time as a callback; read `seconds` when the fit has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._laps = _Laps()

    @property
    def seconds(self) -> float:
        """What the last epoch took."""
        return self._laps.seconds

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._laps.mark()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """End an epoch's time."""
        self._laps.mark()


class _ProgressClock(logging.Handler):
    """Takes the same time from outside, by the progress that a fit reports."""

    def __init__(self) -> None:
        super().__init__()
        self._laps = _Laps()
        self._done = -1

    @property
    def seconds(self) -> float:
        return self._laps.seconds

    def emit(self, record: logging.LogRecord) -> None:
        done: int = record.progress.done  # type: ignore[attr-defined]
        if done > self._done:  # the same epoch is reported about once a second
            self._done = done
            self._laps.mark()


@contextmanager
def epoch_clock() -> Iterator[_ProgressClock]:
    """Listen to the progress of a fit; read `seconds` when the fit has ended."""
    logger = logging.getLogger(LOGGER_NAME)
    clock, level = _ProgressClock(), logger.level
    logger.addHandler(clock)
    logger.setLevel(logging.INFO)
    try:
        yield clock
    finally:
        logger.removeHandler(clock)
        logger.setLevel(level)
