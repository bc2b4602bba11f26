"""What the ablation compares: each variant differs from a plain one in one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from contract.settings import (
    AugmentationSettings,
    CandidateSettings,
    TrainingSettings,
    TransformSettings,
)

REFERENCE = "plain pixels"

DEFAULTS = "CLAHE and black bands: the defaults"

# What the variants with ImageNet weights differ from in one thing.
FINE_TUNED = "EfficientNet-Lite0 as a whole, plain pixels"
FINE_TUNED_CLAHE = "EfficientNet-Lite0 as a whole, CLAHE"
REFERENCES = (REFERENCE, FINE_TUNED)

_DEFAULT_TRANSFORM = TransformSettings()


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of the table.

    Attributes:
        group: Heading of the row.
        candidate: Network, normalisation, crop and training.
        transform: How the network's image is made.
        trained_as: Another variant whose network is used; "" where it has its own.
        members: Variants whose calibrated probabilities are averaged; nothing is trained then.
    """

    group: str
    candidate: CandidateSettings
    transform: TransformSettings = _DEFAULT_TRANSFORM
    trained_as: str = ""
    members: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The variant that it is compared with."""
        return FINE_TUNED if self.group == "pretrained" else REFERENCE

    @property
    def is_trained(self) -> bool:
        """Whether a network is trained for it."""
        return not self.trained_as and not self.members


_NO_PHOTOMETRY = {
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "blur": 0.0,
    "sharpen": 0.0,
    "resample": 0.0,
    "noise": 0.0,
}
_SHARPNESS_KEPT = {"blur": 0.0, "sharpen": 0.0, "resample": 0.0}
# Of the study, in the sense of Keras' ImageDataGenerator, whose shear is in degrees.
STUDY_AUGMENTATION = {
    "rotation_degrees": 40.0,
    "width_shift": 0.2,
    "height_shift": 0.2,
    "shear_degrees": 0.3,
    "zoom": 0.1,
    **_NO_PHOTOMETRY,
}


# What the variants are compared with: fixed, whatever the defaults become.
_PLAIN = CandidateSettings(
    normalisation="none", training=TrainingSettings(augmentation=AugmentationSettings(bands=0.0))
)


def _with(**changes: Any) -> CandidateSettings:
    return _PLAIN.model_copy(update=changes)


def _trained_with(**changes: Any) -> CandidateSettings:
    return _with(training=_PLAIN.training.model_copy(update=changes))


def _augmented_with(**changes: Any) -> CandidateSettings:
    augmentation = _PLAIN.training.augmentation.model_dump()
    return _trained_with(augmentation=AugmentationSettings(**{**augmentation, **changes}))


# A network with ImageNet weights, all layers of which are trained. Its rate is lower than that of
# a network from scratch.
_FINE_TUNED = CandidateSettings(
    architecture="efficientnet_lite0",
    weights="package",
    normalisation="none",
    training=TrainingSettings(
        backbone="whole", learning_rate=1e-3, epochs=8, restore_best_weights=False
    ),
)


def _fine_tuned_with(**changes: Any) -> CandidateSettings:
    return _FINE_TUNED.model_copy(update=changes)


def _fine_tuned_trained_with(**changes: Any) -> CandidateSettings:
    return _fine_tuned_with(training=_FINE_TUNED.training.model_copy(update=changes))


def _fine_tuned_at(image_size_px: int) -> Variant:
    return Variant("pretrained", _FINE_TUNED, TransformSettings(image_size_px=image_size_px))


VARIANTS: Mapping[str, Variant] = {
    REFERENCE: Variant("reference", _PLAIN),
    "no augmentation": Variant("augmentation", _augmented_with(enabled=False)),
    "the study's augmentation": Variant("augmentation", _augmented_with(**STUDY_AUGMENTATION)),
    "milder geometry alone": Variant("augmentation", _augmented_with(**_NO_PHOTOMETRY)),
    "photometry, sharpness kept": Variant("augmentation", _augmented_with(**_SHARPNESS_KEPT)),
    "and mixup": Variant("augmentation", _augmented_with(mixup_alpha=0.2)),
    "and random erasing": Variant("augmentation", _augmented_with(erasing=0.5)),
    "and black bands": Variant("augmentation", _augmented_with(bands=0.3)),
    "and a wider gamma": Variant("augmentation", _augmented_with(gamma=0.6)),
    "standardisation": Variant("normalisation", _with(normalisation="standardise")),
    "percentile stretch": Variant("normalisation", _with(normalisation="stretch")),
    "histogram equalisation": Variant("normalisation", _with(normalisation="equalise")),
    "CLAHE": Variant("normalisation", _with(normalisation="clahe")),
    DEFAULTS: Variant("the defaults", CandidateSettings()),
    "160 px": Variant("input", _PLAIN, TransformSettings(image_size_px=160)),
    "centre crop .9": Variant("input", _with(crop_fraction=0.9)),
    "lung crop .85": Variant("input", _PLAIN, TransformSettings(resize="lung_crop")),
    "label smoothing .05": Variant("training", _trained_with(label_smoothing=0.05)),
    "no weight decay": Variant("training", _trained_with(weight_decay=0.0)),
    "averaged weights (EMA .99)": Variant("training", _trained_with(ema_momentum=0.99)),
    "3 views": Variant("prediction", _with(num_views=3), trained_as=REFERENCE),
    "5 views": Variant("prediction", _with(num_views=5), trained_as=REFERENCE),
    "mean of plain, standardised, CLAHE": Variant(
        "prediction", _PLAIN, members=(REFERENCE, "standardisation", "CLAHE")
    ),
    FINE_TUNED: Variant("pretrained", _FINE_TUNED),
    FINE_TUNED_CLAHE: Variant("pretrained", _fine_tuned_with(normalisation="clahe")),
    "EfficientNet-Lite0 as a whole, equalised": Variant(
        "pretrained", _fine_tuned_with(normalisation="equalise")
    ),
    "EfficientNet-Lite0, mean of plain and CLAHE": Variant(
        "pretrained", _FINE_TUNED, members=(FINE_TUNED, FINE_TUNED_CLAHE)
    ),
    "EfficientNet-Lite0, epoch of the lowest loss": Variant(
        "pretrained", _fine_tuned_trained_with(restore_best_weights=True)
    ),
    "EfficientNet-Lite0, averaged weights (EMA .99)": Variant(
        "pretrained", _fine_tuned_trained_with(ema_momentum=0.99)
    ),
    "EfficientNet-Lite0, rates falling by .7 a stage": Variant(
        "pretrained", _fine_tuned_trained_with(layer_decay=0.7)
    ),
    "EfficientNet-Lite0, an epoch of the head first": Variant(
        "pretrained", _fine_tuned_trained_with(head_epochs=1)
    ),
    "EfficientNet-Lite0, 3 views": Variant(
        "pretrained", _fine_tuned_with(num_views=3), trained_as=FINE_TUNED
    ),
    "EfficientNet-Lite0, 160 px": _fine_tuned_at(160),
    "EfficientNet-Lite0, 192 px": _fine_tuned_at(192),
    "EfficientNet-Lite0, 224 px": _fine_tuned_at(224),
    # The longest one comes last.
    "224 px": Variant("input", _PLAIN, TransformSettings(image_size_px=224)),
}
