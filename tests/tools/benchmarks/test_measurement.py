from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.benchmarks.measurement import measure_in_turn, seconds_of


def test_sides_are_warmed_up_once_and_then_take_turns() -> None:
    order: list[str] = []
    told: list[str] = []

    def side(name: str) -> Callable[[], float]:
        def work() -> float:
            order.append(name)
            return float(len(order))

        return work

    seconds = measure_in_turn({"a": side("a"), "b": side("b")}, 2, told.append)

    assert order == ["a", "b", "a", "b", "a", "b"]
    assert seconds == {"a": (3.0, 5.0), "b": (4.0, 6.0)}
    assert [line.strip() for line in told] == [
        "warm-up: a 1.00 s",
        "warm-up: b 2.00 s",
        "round 1: a 3.00 s",
        "round 1: b 4.00 s",
        "round 2: a 5.00 s",
        "round 2: b 6.00 s",
    ]


def test_work_is_done_once_and_its_seconds_come_from_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("tools.benchmarks.measurement.time.perf_counter", lambda: next(clock))
    done: list[int] = []
    assert seconds_of(lambda: done.append(1))() == 2.5
    assert done == [1]
