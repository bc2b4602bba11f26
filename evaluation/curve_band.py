"""A curve with what chance may do to it."""

from __future__ import annotations

import dataclasses

from evaluation.resampling import Floats


@dataclasses.dataclass(frozen=True)
class Band:
    """A curve and its pointwise 95% band.

    Attributes:
        x: float64 [k], ascending.
        value: float64 [k], the curve of the split itself.
        low: float64 [k].
        high: float64 [k].
    """

    x: Floats
    value: Floats
    low: Floats
    high: Floats
