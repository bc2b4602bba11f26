"""Whose weights a model starts from, and under which licence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contract.architectures import is_pretrained
from contract.settings import CandidateSettings
from models.architectures.weights import IMAGENET, NONE, PACKAGE, PACKAGES

_IMAGENET_TERMS = (
    "They were trained on ImageNet, whose images may be used for non-commercial research and "
    "education only. Whether that extends to weights is not settled: seek advice before any "
    "commercial use."
)


def describe_weights(candidates: Iterable[CandidateSettings]) -> tuple[str, ...]:
    """Say where pretrained weights come from, one text for each origin.

    Args:
        candidates: Settings of all networks in the model.

    Returns:
        Sentences; empty where all weights are the project's own.
    """
    pretrained = {
        (candidate.architecture, candidate.weights): None
        for candidate in candidates
        if is_pretrained(candidate.architecture) and candidate.weights != NONE
    }
    return tuple(_describe(architecture, weights) for architecture, weights in pretrained)


def _describe(architecture: str, weights: str) -> str:
    if weights == PACKAGE:
        package = PACKAGES[architecture].replace("_", "-")
        return (
            f"{architecture} starts from the weights of the Python package {package} (copyright "
            f"2020 ML Illustrated, Apache License 2.0). {_IMAGENET_TERMS}"
        )
    if weights == IMAGENET:
        return (
            f"{architecture} starts from the ImageNet weights that Keras provides; see "
            f"keras.applications for their licence. {_IMAGENET_TERMS}"
        )
    # The name says enough: a card that is passed on names no folders.
    return (
        f"{architecture} starts from the weights in the file {Path(weights).name}. Their origin "
        "and licence are not recorded."
    )
