"""The candidate architectures: one row each; `models.architectures` builds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

Family = Literal["dense", "convolutional", "residual", "pretrained"]


@dataclasses.dataclass(frozen=True)
class ArchitectureFacts:
    """What is known of an architecture before it is built.

    Attributes:
        family: Whose builder makes it, and whose search space is tried.
        smallest_px: Least side of its images; below it a feature map would vanish, or
            `keras.applications` refuses.
        needs_gpu: Whether its nodes ask for a GPU on Kubeflow unless settings say otherwise.
    """

    family: Family
    smallest_px: int
    needs_gpu: bool = False


ARCHITECTURES: Mapping[str, ArchitectureFacts] = {
    "ann_baseline": ArchitectureFacts("dense", 1),
    "ann_deep": ArchitectureFacts("dense", 1),
    "ann_small": ArchitectureFacts("dense", 1),
    "ann_dropout": ArchitectureFacts("dense", 1),
    "ann_l2": ArchitectureFacts("dense", 1),
    "cnn_baseline": ArchitectureFacts("convolutional", 4),
    "cnn_deep": ArchitectureFacts("convolutional", 22),
    "cnn_dropout": ArchitectureFacts("convolutional", 22),
    "xception": ArchitectureFacts("pretrained", 71, needs_gpu=True),
    "xception_deep": ArchitectureFacts("pretrained", 71, needs_gpu=True),
    "resnet101": ArchitectureFacts("pretrained", 32, needs_gpu=True),
    "compact_resnet": ArchitectureFacts("residual", 16),
    "efficientnet_v2_b0": ArchitectureFacts("pretrained", 32, needs_gpu=True),
    "convnext_tiny": ArchitectureFacts("pretrained", 32, needs_gpu=True),
    # Trains in a quarter of an hour on two cores.
    "efficientnet_lite0": ArchitectureFacts("pretrained", 32),
    "efficientnet_lite1": ArchitectureFacts("pretrained", 32, needs_gpu=True),
    "efficientnet_lite2": ArchitectureFacts("pretrained", 32, needs_gpu=True),
}

if TYPE_CHECKING:
    Architecture = str
else:
    # Pydantic then names the known ones where it refuses another.
    Architecture = Literal[tuple(ARCHITECTURES)]


def is_pretrained(architecture: str) -> bool:
    """Return whether it has a backbone whose weights may come from elsewhere."""
    return ARCHITECTURES[architecture].family == "pretrained"
