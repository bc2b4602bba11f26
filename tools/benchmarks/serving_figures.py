"""What serving gives: speed against direct calls, waits, an overload, a change of versions."""

from __future__ import annotations

import statistics
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from tools.benchmarks.record import Measured, Record, Spread, spread

OK = 200
_REFUSED = (429, 503)
_FLAT = 1.1


class OverloadFigures(Record):
    """More requests than can be answered, sent when they are due.

    Attributes:
        capacity_per_s: What the server answered before, images a second.
        images_per_request: Of the overload.
        due_per_s: What it was meant to get, requests a second.
        sent_per_s: What it got: the clients share its cores.
        seconds: Of sending.
        statuses: Answers by HTTP status; 0 counts requests without one.
        num_unsent: For which no connection was left to the clients.
        slowest_s: Of all answers.
        before_mb: The server's resident set before, 10^6 bytes.
        halfway_mb: In the middle of it.
        after_mb: After the last answer.
    """

    capacity_per_s: PositiveFloat
    images_per_request: PositiveInt
    due_per_s: PositiveFloat
    sent_per_s: PositiveFloat
    seconds: PositiveFloat
    statuses: dict[int, NonNegativeInt]
    num_unsent: NonNegativeInt
    slowest_s: PositiveFloat
    before_mb: PositiveFloat
    halfway_mb: PositiveFloat
    after_mb: PositiveFloat

    def is_flat(self) -> bool:
        """Return whether memory has stopped growing halfway: a tenth more is allowed."""
        return self.after_mb <= _FLAT * self.halfway_mb

    def is_answered(self) -> bool:
        """Return whether every request that was sent was answered, some of them with success."""
        return self.statuses.get(OK, 0) > 0 and set(self.statuses) <= {OK, *_REFUSED}


class SwitchFigures(Record):
    """Versions that were pushed while clients asked.

    Attributes:
        num_switches: That ended before the clients did.
        statuses: Answers by HTTP status; 0 counts requests without one.
    """

    num_switches: PositiveInt
    statuses: dict[int, NonNegativeInt]

    def reached(self) -> bool:
        """Return whether no request failed."""
        return set(self.statuses) == {OK}


class LoadFigures(Record):
    """A number of clients that ask at the same time, against direct calls of as many images.

    Attributes:
        side_px: Of the images, which are square.
        num_clients: One image a request each.
        num_images: Of each round.
        ours_s: Seconds of the clients, one per pair.
        bare_s: Seconds of the direct calls, in the same order.
        ours_processor_s: Of the server's process alone, without the clients.
        bare_processor_s: Of the process that calls directly.
        p50_s: Median wait for an answer, in each round.
        p99_s: What 99 of 100 answers came within.
        target: The ratio of speeds to reach; None where there is none.
        target_processor: The ratio in processor seconds to reach; None where there is none.
        target_tail: p99 by p50 to stay under; None where there is none.
    """

    side_px: PositiveInt
    num_clients: PositiveInt
    num_images: PositiveInt
    ours_s: Measured
    bare_s: Measured
    ours_processor_s: Measured
    bare_processor_s: Measured
    p50_s: Measured
    p99_s: Measured
    target: PositiveFloat | None = None
    target_processor: PositiveFloat | None = None
    target_tail: PositiveFloat | None = None

    def ratio(self) -> Spread:
        """Return the ratio of speeds, pair by pair."""
        return _ratio(self.ours_s, self.bare_s)

    def processor_ratio(self) -> Spread:
        """Return the same in processor seconds: what the server adds to the model's own work."""
        return _ratio(self.ours_processor_s, self.bare_processor_s)

    def tail(self) -> Spread:
        """Return p99 by p50, round by round."""
        return spread([p99 / p50 for p50, p99 in zip(self.p50_s, self.p99_s, strict=True)])

    def images_per_s(self, seconds: tuple[float, ...]) -> float:
        """Return the median speed of one side."""
        return self.num_images / statistics.median(seconds)

    def reached(self) -> bool:
        """Return whether the targets that there are are reached."""
        return (
            (self.target is None or self.ratio().median >= self.target)
            and (
                self.target_processor is None
                or self.processor_ratio().median >= self.target_processor
            )
            and (self.target_tail is None or self.tail().median < self.target_tail)
        )


class ServingFigures(Record):
    """The embedded server against direct calls of its model.

    Attributes:
        kind: Type of the result in JSON.
        name: Name of the benchmark.
        model: What is served, for people.
        loads: Of each size of images and each number of clients.
        overload: See there.
        switch: See there.
    """

    kind: Literal["serving"] = "serving"
    name: str = "serving"
    model: str
    loads: Annotated[tuple[LoadFigures, ...], Field(min_length=1)]
    overload: OverloadFigures
    switch: SwitchFigures

    def reached(self) -> bool:
        """Return whether all targets are reached."""
        return (
            all(load.reached() for load in self.loads)
            and self.overload.is_answered()
            and self.overload.is_flat()
            and self.switch.reached()
        )


def _ratio(ours: tuple[float, ...], bare: tuple[float, ...]) -> Spread:
    return spread([theirs / own for own, theirs in zip(ours, bare, strict=True)])


def percentile(values: tuple[float, ...], percent: int) -> float:
    """Return the smallest value that `percent` of 100 values are at or below; nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
