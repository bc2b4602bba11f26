from __future__ import annotations

import pytest
from pydantic import ValidationError

from tools.benchmarks.command_figures import (
    CommandSeconds,
    CompilationFigures,
    EmulationFigures,
    TaskFigures,
)


def seconds(*clock_s: float, processor_s: tuple[float, ...] | None = None) -> CommandSeconds:
    return CommandSeconds(clock_s=clock_s, processor_s=processor_s or clock_s)


def compilation(median_s: float, size_kib: float) -> CompilationFigures:
    return CompilationFigures(
        config="study",
        num_candidates=17,
        # The slowest does not decide about the target.
        seconds=seconds(1.0, median_s, 99.0),
        size_kib=size_kib,
    )


def task(ours: CommandSeconds, bare: CommandSeconds) -> TaskFigures:
    return TaskFigures(node="N", ours="ours", bare="bare", ours_seconds=ours, bare_seconds=bare)


def emulation(ours: CommandSeconds, bare: CommandSeconds) -> EmulationFigures:
    return EmulationFigures(
        config="quick", ours="ours", bare="bare", ours_seconds=ours, bare_seconds=bare
    )


@pytest.mark.parametrize(
    ("median_s", "size_kib", "fast", "small"),
    [
        (14.9, 511.0, True, True),
        (15.0, 511.0, False, True),
        (14.9, 512.0, True, False),
        (15.0, 512.0, False, False),
    ],
)
def test_both_targets_of_compiling_are_bounds_to_stay_under(
    median_s: float, size_kib: float, fast: bool, small: bool
) -> None:
    figures = compilation(median_s, size_kib)
    assert (figures.is_fast(), figures.is_small()) == (fast, small)
    assert figures.reached() is (fast and small)


def test_a_tasks_overhead_is_the_median_of_the_pairs_differences() -> None:
    # In the second pair the machine was busy, in the third it was while ours ran.
    ours = seconds(9.0, 20.0, 11.0, processor_s=(8.0, 8.25, 8.5))
    bare = seconds(8.75, 19.5, 8.0, processor_s=(8.25, 8.0, 8.0))
    figures = task(ours, bare)
    extra = figures.extra_clock_s()
    assert (extra.low, extra.median, extra.high) == (0.25, 0.5, 3.0)
    assert figures.extra_processor_s().median == 0.25
    assert figures.reached()


@pytest.mark.parametrize(("ours_s", "reached"), [(8.99, True), (9.0, False)])
def test_a_second_is_too_much(ours_s: float, reached: bool) -> None:
    assert task(seconds(ours_s), seconds(8.0)).reached() is reached


def test_a_run_that_takes_twice_as_long_has_a_ratio_of_two() -> None:
    assert emulation(seconds(80.0), seconds(40.0)).clock_ratio().median == 2.0


def test_ratios_of_runs_are_taken_within_pairs() -> None:
    # The second pair ran while the machine was ten times slower.
    ours = seconds(60.0, 500.0, processor_s=(90.0, 120.0))
    bare = seconds(40.0, 400.0, processor_s=(60.0, 60.0))
    figures = emulation(ours, bare)
    ratio = figures.clock_ratio()
    assert (ratio.low, ratio.median, ratio.high) == (1.25, 1.375, 1.5)
    assert figures.processor_ratio().median == 1.75
    assert figures.reached()  # which the clock decides


@pytest.mark.parametrize(("ours_s", "reached"), [(60.0, True), (60.1, False)])
def test_an_emulated_run_may_take_half_as_long_again(ours_s: float, reached: bool) -> None:
    assert emulation(seconds(ours_s), seconds(40.0)).reached() is reached


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected pairs, got 2 and 1"):
        task(seconds(1.0, 2.0), seconds(1.0))
    with pytest.raises(ValidationError, match="expected both of each run, got 2 and 1"):
        seconds(1.0, 2.0, processor_s=(1.0,))


@pytest.mark.parametrize("clock_s", [(), (0.0,), (-1.0,)])
def test_seconds_that_cannot_be_are_refused(clock_s: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        CommandSeconds(clock_s=clock_s, processor_s=clock_s)
