"""The parts of a run's summary that say whether the model is served, and why."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt

from contract.record import Part


class Check(Part):
    """One rule of the gate, applied."""

    name: str
    slice: str
    metric: str
    value: float | None
    bound: float | None
    comparison: str
    verdict: Literal["passed", "failed", "too_small"]
    n: NonNegativeInt
    baseline: float | None = None
    note: str = ""


class Gate(Part):
    """The gate's verdict, with every check behind it."""

    blessed: bool
    baseline_present: bool
    checks: tuple[Check, ...]


class Servability(Part):
    """What became of the export where it was served before the push."""

    blessed: bool
    reasons: tuple[str, ...] = ()
    num_images: NonNegativeInt
    max_difference: NonNegativeFloat
    largest_difference: NonNegativeFloat | None = None
    load_s: NonNegativeFloat | None = None
    first_answer_s: NonNegativeFloat | None = None
    later_answer_s: NonNegativeFloat | None = None
    tf_serving_blessed: bool | None = None

    @property
    def may_be_pushed(self) -> bool:
        """Whether nobody who was asked has refused."""
        return self.blessed and self.tf_serving_blessed is not False


class PushedModel(Part):
    """Where the model lies that servers load."""

    path: str
    version: NonNegativeInt
