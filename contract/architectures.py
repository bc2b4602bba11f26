"""The names of the candidate architectures; `models.architectures` builds them."""

from __future__ import annotations

from typing import Literal

Architecture = Literal[
    "ann_baseline",
    "ann_deep",
    "ann_small",
    "ann_dropout",
    "ann_l2",
    "cnn_baseline",
    "cnn_deep",
    "cnn_dropout",
    "xception",
    "xception_deep",
    "resnet101",
    "compact_resnet",
    "efficientnet_v2_b0",
    "convnext_tiny",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
]
