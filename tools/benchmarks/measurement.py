"""Several ways to do the same work, measured in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Seconds = Callable[[], float]  # does the work once and returns how long it took
Show = Callable[[str], None]  # receives a line for the user


def seconds_of(work: Callable[[], object]) -> Seconds:
    """Return a function that does `work` once and returns its wall-clock seconds."""

    def timed() -> float:
        started_s = time.perf_counter()
        work()
        return time.perf_counter() - started_s

    return timed


def measure_in_turn(
    sides: Mapping[str, Seconds], num_rounds: int, show: Show
) -> dict[str, tuple[float, ...]]:
    """Warm every side up once, then measure A B A B.

    Args:
        sides: Each does its work once and returns the seconds that count.
        num_rounds: How often each side is measured, at least 1.
        show: Receives a line for each measurement, warm-ups included.

    Returns:
        Seconds by side, `num_rounds` of each, in the order of measurement.
    """
    seconds: dict[str, tuple[float, ...]] = dict.fromkeys(sides, ())
    for number in range(num_rounds + 1):
        for name, side in sides.items():
            taken_s = side()
            show(f"  {f'round {number}' if number else 'warm-up'}: {name} {taken_s:.2f} s")
            if number:
                seconds[name] += (taken_s,)
    return seconds
