"""What benchmarks give: measured seconds, and the ratios that follow from them."""

from __future__ import annotations

import statistics
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from tools.benchmarks.command_figures import CompilationFigures, EmulationFigures, TaskFigures
from tools.benchmarks.record import Measured, Record, Spread, spread
from tools.benchmarks.serving_figures import ServingFigures


def speed_ratio(ours_s: tuple[float, ...], bare_s: tuple[float, ...]) -> Spread:
    """Return our speed by the baseline's, pair by pair: 1 is as fast, 0.5 takes twice as long.

    The two of a pair ran one right after the other, so a machine that is busy
    for a while slows both, and their ratio stays.
    """
    return spread([bare / ours for ours, bare in zip(ours_s, bare_s, strict=True)])


class Pairs(Record):
    """Ours and a bare baseline, measured one right after the other.

    Attributes:
        ours: What was measured on our side.
        bare: What exactly the baseline is.
        num_images: Images that each side works through, each time.
        ours_s: Seconds of our side, one per pair.
        bare_s: Seconds of the baseline, in the same order.
    """

    ours: str
    bare: str
    num_images: PositiveInt
    ours_s: Measured
    bare_s: Measured

    @model_validator(mode="after")
    def _in_pairs(self) -> Pairs:
        if len(self.ours_s) != len(self.bare_s):
            raise ValueError(f"expected pairs, got {len(self.ours_s)} and {len(self.bare_s)}")
        return self

    def ratio(self) -> Spread:
        """Return the ratio of speeds."""
        return speed_ratio(self.ours_s, self.bare_s)

    def images_per_s(self, seconds: tuple[float, ...]) -> float:
        """Return the median speed of one side."""
        return self.num_images / statistics.median(seconds)


class PairedFigures(Pairs):
    """Ours against a bare baseline, with a target.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        target: The ratio of speeds to reach.
    """

    kind: Literal["pairs"] = "pairs"
    name: str
    target: PositiveFloat

    def reached(self) -> bool:
        """Return whether the median ratio is at or above the target."""
        return self.ratio().median >= self.target


class CandidateFigures(Pairs):
    """The training of one candidate.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        case: Which training; see `tools.benchmarks.candidate_cases`.
        num_parameters: All weights of the network.
        ours_peak_mb: Largest resident set of the process before bare Keras began, 10^6 bytes.
    """

    kind: Literal["candidates"] = "candidates"
    name: str = "candidates"
    case: str
    num_parameters: PositiveInt
    ours_peak_mb: PositiveFloat


class OverheadFigures(Record):
    """Seconds of a run outside conversion, Transform, tuning and training.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        synthetic: Whether the run's images were drawn.
        overhead_s: The seconds.
        total_s: Of the whole run.
        parts_s: The overhead by node and step; `other` is the time between them.
        target_s: To stay under.
    """

    kind: Literal["overhead"] = "overhead"
    name: str = "overhead"
    synthetic: bool
    overhead_s: NonNegativeFloat
    total_s: NonNegativeFloat
    parts_s: dict[str, float]
    target_s: PositiveFloat = 90.0

    def reached(self) -> bool:
        """Return whether the overhead is under the target."""
        return self.overhead_s < self.target_s


class WorkerFigures(Record):
    """Seconds of each Beam stage under each way to run Beam.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        num_images: Images in all splits.
        seconds: By stage, then by mode, in the order of measurement; the first mode is
            what the others are compared with.
    """

    kind: Literal["beam_workers"] = "beam_workers"
    name: str = "beam_workers"
    num_images: PositiveInt
    seconds: dict[str, dict[str, Measured]]

    def ratio(self, stage: str, mode: str) -> Spread:
        """Return the speed under `mode` by that under the first mode."""
        by_mode = self.seconds[stage]
        return speed_ratio(by_mode[mode], next(iter(by_mode.values())))


Figures = Annotated[
    PairedFigures
    | CandidateFigures
    | OverheadFigures
    | WorkerFigures
    | CompilationFigures
    | TaskFigures
    | EmulationFigures
    | ServingFigures,
    Field(discriminator="kind"),
]


class Measurement(Record):
    """One benchmark's figures, and what its process needed.

    Attributes:
        figures: What was measured.
        peak_memory_mb: Largest resident set of the process that measured, both sides
            together, 10^6 bytes; None where nothing was run.
    """

    figures: Figures
    peak_memory_mb: PositiveFloat | None = None
