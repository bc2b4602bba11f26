"""What is known about the images once they are decoded."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFacts(_Facts):
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
