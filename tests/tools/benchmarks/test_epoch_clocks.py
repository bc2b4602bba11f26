from __future__ import annotations

from collections.abc import Callable

import pytest

from contract.progress import report_progress
from tools.benchmarks.epoch_clocks import KerasClock, epoch_clock


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time."""
    now = [0.0]
    monkeypatch.setattr("tools.benchmarks.epoch_clocks.time.perf_counter", lambda: now[0])

    def set_time(seconds: float) -> None:
        now[0] = seconds

    return set_time


def test_the_last_epoch_counts_by_callbacks(at: Callable[[float], None]) -> None:
    clock = KerasClock()
    at(10.0)
    clock.on_train_begin()
    at(17.0)
    clock.on_epoch_end(0)
    assert clock.seconds == 7.0
    at(19.5)
    clock.on_epoch_end(1)
    assert clock.seconds == 2.5


def test_the_last_epoch_counts_by_progress(at: Callable[[float], None]) -> None:
    with epoch_clock() as clock:
        # Begin, in the first epoch, its end, in the second, its end, the end of all.
        for seconds, done in ((10.0, 0), (12.0, 0), (17.0, 1), (18.0, 1), (19.5, 2), (21.0, 2)):
            at(seconds)
            report_progress("training", done, 2, "epoch")
    assert clock.seconds == 2.5
