"""Which trainings the benchmark of the candidates measures, without importing TensorFlow."""

from __future__ import annotations

import dataclasses

from contract.architectures import ARCHITECTURES
from contract.settings import CandidateSettings
from tools.benchmarks.images import Sizes

_FEATURES_SUFFIX = " features"
FEATURES = f"efficientnet_v2_b0{_FEATURES_SUFFIX}"
CASES = (*ARCHITECTURES, FEATURES)

# What part of the images of the training benchmark each trains on: a backbone costs some 50 ms
# an image on two cores, ConvNeXt's three times that, all else a tenth of it or less.
_PARTS = {
    "xception": 16,
    "xception_deep": 16,
    "resnet101": 16,
    "efficientnet_v2_b0": 16,
    "convnext_tiny": 32,
    "efficientnet_lite0": 16,
    "efficientnet_lite1": 16,
    "efficientnet_lite2": 16,
}
_PART_OF_OTHERS = 3
_NUM_EPOCHS = 2  # the last one counts
_FEATURES_EPOCHS = 5  # of 20 by default: enough to see what computing them once is worth


@dataclasses.dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        candidate: The candidate, trained by default but for augmentation.
        num_images: The most training images.
        num_epochs: Of each fit.
        features_once: Whether a frozen backbone's features are computed once.
    """

    candidate: CandidateSettings
    num_images: int
    num_epochs: int
    features_once: bool


def case_of(name: str, sizes: Sizes) -> Case:
    """Return one of `CASES`.

    Args:
        name: Of `CASES`.
        sizes: Of the whole run.
    """
    architecture = name.removesuffix(_FEATURES_SUFFIX)
    features_once = architecture != name
    return Case(
        candidate=CandidateSettings.model_validate(
            {
                "architecture": architecture,
                "training": {"augmentation": {"enabled": not features_once}},
            }
        ),
        num_images=max(1, sizes.num_training_images // _PARTS.get(architecture, _PART_OF_OTHERS)),
        num_epochs=_FEATURES_EPOCHS if features_once else _NUM_EPOCHS,
        features_once=features_once,
    )
