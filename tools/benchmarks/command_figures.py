"""What whole commands cost, by the clock and of the processor, each with its target."""

from __future__ import annotations

import statistics
from typing import Literal

from pydantic import PositiveFloat, PositiveInt, model_validator

from tools.benchmarks.record import Measured, Record, Spread, spread


class CommandSeconds(Record):
    """What a command took, each time that it ran.

    Attributes:
        clock_s: Wall-clock seconds.
        processor_s: Seconds that its processes kept a core busy, in the same order.
    """

    clock_s: Measured
    processor_s: Measured

    @model_validator(mode="after")
    def _of_the_same_runs(self) -> CommandSeconds:
        if len(self.clock_s) != len(self.processor_s):
            raise ValueError(
                f"expected both of each run, got {len(self.clock_s)} and {len(self.processor_s)}"
            )
        return self


class CompilationFigures(Record):
    """Compiling one configuration in a fresh process.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        config: The configuration.
        num_candidates: Of the configuration.
        seconds: Of the whole command.
        size_kib: Of the compiled file, 1024 bytes.
        target_s: To stay under, by the clock.
        target_kib: To stay under.
    """

    kind: Literal["compilation"] = "compilation"
    name: str = "kubeflow"
    config: str
    num_candidates: PositiveInt
    seconds: CommandSeconds
    size_kib: PositiveFloat
    target_s: PositiveFloat = 15.0
    target_kib: PositiveFloat = 512.0

    def is_fast(self) -> bool:
        """Return whether the median time is under the target."""
        return statistics.median(self.seconds.clock_s) < self.target_s

    def is_small(self) -> bool:
        """Return whether the file is under the target."""
        return self.size_kib < self.target_kib

    def reached(self) -> bool:
        """Return whether both targets are reached."""
        return self.is_fast() and self.is_small()


class CommandPairs(Record):
    """Two commands that took turns.

    Attributes:
        ours: What was measured on our side.
        bare: What exactly the baseline is.
        ours_seconds: Of our side.
        bare_seconds: Of the baseline, run by run right after ours.
    """

    ours: str
    bare: str
    ours_seconds: CommandSeconds
    bare_seconds: CommandSeconds

    @model_validator(mode="after")
    def _in_pairs(self) -> CommandPairs:
        num_ours, num_bare = len(self.ours_seconds.clock_s), len(self.bare_seconds.clock_s)
        if num_ours != num_bare:
            raise ValueError(f"expected pairs, got {num_ours} and {num_bare}")
        return self


class TaskFigures(CommandPairs):
    """One task in a new process, against TFX's import alone.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        node: The task.
        target_s: To stay under, by the clock.
    """

    kind: Literal["task"] = "task"
    name: str = "kubeflow"
    node: str
    target_s: PositiveFloat = 1.0

    def extra_clock_s(self) -> Spread:
        """Return what the task takes longer than the import, pair by pair.

        A difference is small compared with the seconds that it is taken of: on a busy machine
        the extremes are far apart, and some are negative.
        """
        return _differences(self.ours_seconds.clock_s, self.bare_seconds.clock_s)

    def extra_processor_s(self) -> Spread:
        """Return the same of the processor."""
        return _differences(self.ours_seconds.processor_s, self.bare_seconds.processor_s)

    def reached(self) -> bool:
        """Return whether the median of the differences is under the target."""
        return self.extra_clock_s().median < self.target_s


class EmulationFigures(CommandPairs):
    """A run of the compiled pipeline under the emulation, against the local run.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        config: The configuration of both.
        target: The ratio of times to stay at or under, by the clock.
    """

    kind: Literal["emulation"] = "emulation"
    name: str = "kubeflow"
    config: str
    target: PositiveFloat = 1.5

    def clock_ratio(self) -> Spread:
        """Return the emulated run's time by the local one's, pair by pair: 2 takes twice as long.

        The two of a pair ran one right after the other, so a machine that is busy
        for a while slows both, and their ratio stays.
        """
        return _ratio_of_times(self.ours_seconds.clock_s, self.bare_seconds.clock_s)

    def processor_ratio(self) -> Spread:
        """Return the same of the processor."""
        return _ratio_of_times(self.ours_seconds.processor_s, self.bare_seconds.processor_s)

    def reached(self) -> bool:
        """Return whether the median ratio is at or under the target."""
        return self.clock_ratio().median <= self.target


def _differences(ours_s: Measured, bare_s: Measured) -> Spread:
    return spread([ours - bare for ours, bare in zip(ours_s, bare_s, strict=True)])


def _ratio_of_times(ours_s: Measured, bare_s: Measured) -> Spread:
    return spread([ours / bare for ours, bare in zip(ours_s, bare_s, strict=True)])
