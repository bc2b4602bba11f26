"""What is known about the images once they are decoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# Not a model of pydantic's: a run may hold millions, of which each would be four times the size.
@dataclasses.dataclass(frozen=True, slots=True)
class ImageFacts:
    """A converted image: the record without its bytes. Sizes are in px."""

    image_id: str
    split: str
    label: int
    subtype: str
    patient_id: str
    patient_known: bool
    height: int
    width: int
    pixel_sha256: str


class Rejection(_Facts):
    """An image that was left out, and why."""

    image_id: str
    reason: str


class ShardReport(_Facts):
    """What writing one shard found."""

    images: tuple[ImageFacts, ...]
    rejected: tuple[Rejection, ...]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of a split.

    Attributes:
        statistics: What `image_statistics` says of each of n images.
        labels: int64 [n].
        patient_ids: [n].
    """

    statistics: Sequence[Mapping[str, float]]
    labels: npt.NDArray[np.int64]
    patient_ids: Sequence[str]
