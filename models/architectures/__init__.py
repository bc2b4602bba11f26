"""The networks that a candidate can name.

Every network takes square images with three equal channels, float32
[n, s, s, 3] in [0, 1], and answers the probability of pneumonia, float32
[n, 1] in [0, 1], computed in float32 under mixed precision too.
"""

from __future__ import annotations

import keras

from contract.architectures import ARCHITECTURES
from contract.errors import InputError
from contract.settings import CandidateSettings
from models.architectures.convolutional import build_convolutional
from models.architectures.dense import build_dense
from models.architectures.pretrained import build_pretrained
from models.architectures.residual import build_compact_resnet
from models.architectures.weights import check_weights


def build_network(candidate: CandidateSettings, image_size_px: int) -> keras.Model:
    """Build a candidate's network, uncompiled.

    `training.dropout` and `training.l2` replace the architecture's own where they are given.

    Args:
        candidate: Names the architecture and the backbone's weights.
        image_size_px: Side s of the images, px.

    Returns:
        float32 [n, s, s, 3] in [0, 1] -> probability of pneumonia, float32 [n, 1].

    Raises:
        ValueError: When the name is unknown.
        InputError: When the images are too small for the network, or its weights
            cannot be used, or it has no backbone to train.
    """
    architecture = candidate.architecture
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"Expected an architecture of {sorted(ARCHITECTURES)}, got {architecture!r}."
        )
    facts = ARCHITECTURES[architecture]
    family, smallest_px = facts.family, facts.smallest_px
    if image_size_px < smallest_px:
        raise InputError(
            f"Expected images of at least {smallest_px} px a side for {architecture}, got "
            f"{image_size_px} px: raise image_size_px, or choose another architecture."
        )
    has_backbone = family == "pretrained"
    check_weights(architecture, candidate.weights, has_backbone=has_backbone)
    trains_backbone = candidate.training.backbone == "whole"
    if trains_backbone and not has_backbone:
        raise InputError(
            f"Expected training.backbone: frozen for {architecture}, which has no pretrained "
            "backbone and is always trained as a whole, got whole: leave it out, or choose a "
            "pretrained architecture."
        )
    input_shape = (image_size_px, image_size_px, 3)
    dropout, l2 = candidate.training.dropout, candidate.training.l2
    if family == "dense":
        return build_dense(architecture, input_shape, dropout, l2)
    if family == "convolutional":
        return build_convolutional(architecture, input_shape, dropout, l2)
    if family == "residual":
        return build_compact_resnet(input_shape, dropout, l2)
    return build_pretrained(
        architecture,
        input_shape,
        candidate.weights,
        dropout,
        l2,
        trains_backbone=trains_backbone,
    )
