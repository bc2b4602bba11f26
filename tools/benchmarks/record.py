"""What figures are made of: strict records, measured seconds, and their spread."""

from __future__ import annotations

import statistics
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

Measured = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]


class Record(BaseModel):
    """Base of what is written as JSON: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Spread(Record):
    """Median and extremes of several measurements."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Return the median and the extremes of at least one value."""
    return Spread(median=statistics.median(values), low=min(values), high=max(values))
