"""What every part of a run's summary is made from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Proportion = Annotated[float, Field(ge=0.0, le=1.0)]


class Part(BaseModel):
    """Base of every part: immutable, strict about its keys, without NaN and infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, from_attributes=True
    )
