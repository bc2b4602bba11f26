"""What the search may change: hyperparameters by family of networks."""

from __future__ import annotations

from collections.abc import Mapping

import keras_tuner

from contract.architectures import ARCHITECTURES
from contract.settings import CandidateRun, CandidateSettings, TrainingSettings

Value = int | float | str

AUGMENTATION_STRENGTH = "augmentation_strength"

# Few values of each, around what is known to work: a search of ten trials covers no more.
SEARCH_SPACES: Mapping[str, Mapping[str, tuple[Value, ...]]] = {
    "dense": {
        "optimizer": ("adam", "sgd"),
        "learning_rate": (1e-4, 3e-4, 1e-3),
        "batch_size": (32, 64),
        "dropout": (0.0, 0.15, 0.3),
        "l2": (0.0, 1e-4, 5e-3),
    },
    "convolutional": {
        "learning_rate": (3e-4, 1e-3, 2e-3),
        "batch_size": (32, 64),
        "dropout": (0.0, 0.1, 0.3),
        AUGMENTATION_STRENGTH: (0.6, 1.0),
    },
    "residual": {
        "learning_rate": (1.5e-3, 3e-3, 5e-3),
        "weight_decay": (5e-3, 2e-2, 5e-2),
        "dropout": (0.1, 0.2, 0.4),
        "label_smoothing": (0.0, 0.05),
        AUGMENTATION_STRENGTH: (0.8, 1.0, 1.2),
    },
    "pretrained": {
        "learning_rate": (3e-4, 1e-3, 3e-3),
        "batch_size": (32, 64),
        "dropout": (0.0, 0.2, 0.4),
        "balance": ("class_weights", "oversampling"),
    },
    "pretrained, trained as a whole": {
        "learning_rate": (3e-4, 1e-3, 2e-3),
        "layer_decay": (0.6, 0.8, 1.0),
        "dropout": (0.0, 0.2, 0.4),
        AUGMENTATION_STRENGTH: (0.8, 1.0, 1.2),
    },
}

_OF_TRAINING = (
    "optimizer",
    "learning_rate",
    "schedule",
    "weight_decay",
    "batch_size",
    "balance",
    "dropout",
    "l2",
    "label_smoothing",
    "ema_momentum",
    "layer_decay",
)
_OF_CANDIDATE = ("image_size_px", "crop_fraction", "normalisation")
HYPERPARAMETERS = (*_OF_TRAINING, *_OF_CANDIDATE, AUGMENTATION_STRENGTH)


def declare_space(hyperparameters: keras_tuner.HyperParameters, run: CandidateRun) -> None:
    """Declare the candidate's search space to keras-tuner.

    The candidate's own setting is the default of each, and always one of its values.

    Raises:
        ValueError: `tuner.space` names something that cannot be searched.
    """
    space = {**SEARCH_SPACES[_space_name(run.candidate)], **run.tuner.space}
    unknown = sorted(set(space) - set(HYPERPARAMETERS))
    if unknown:
        raise ValueError(
            f"Expected names of {list(HYPERPARAMETERS)} in tuner.space, got {unknown}."
        )
    for name, values in space.items():
        own = own_value(run.candidate, name)
        choices = list(values)
        if own is None:  # the architecture's own, which no number stands for
            own = choices[len(choices) // 2]
        elif own not in choices:
            choices = sorted([own, *choices]) if not isinstance(own, str) else [own, *choices]
        hyperparameters.Choice(name, choices, default=own)


def _space_name(candidate: CandidateSettings) -> str:
    family = ARCHITECTURES[candidate.architecture].family
    return f"{family}, trained as a whole" if candidate.training.backbone == "whole" else family


def own_value(candidate: CandidateSettings, name: str) -> Value | None:
    """Return what the candidate's settings say of a hyperparameter; None for unset."""
    if name == AUGMENTATION_STRENGTH:
        return candidate.training.augmentation.strength
    owner = candidate.training if name in _OF_TRAINING else candidate
    value: Value | None = getattr(owner, name)
    return value


def apply_hyperparameters(run: CandidateRun, values: Mapping[str, Value]) -> CandidateRun:
    """Return the run with hyperparameters put into its candidate's settings.

    Args:
        run: The candidate.
        values: By the names of `HYPERPARAMETERS`; others, such as Hyperband's own, are left.

    Raises:
        pydantic.ValidationError: A value is outside the setting's bounds.
    """
    training = run.candidate.training.model_dump()
    training.update({name: values[name] for name in _OF_TRAINING if name in values})
    if AUGMENTATION_STRENGTH in values:
        training["augmentation"]["strength"] = values[AUGMENTATION_STRENGTH]
    candidate = run.candidate.model_dump()
    candidate.update({name: values[name] for name in _OF_CANDIDATE if name in values})
    candidate["training"] = TrainingSettings.model_validate(training)
    return run.model_copy(update={"candidate": CandidateSettings.model_validate(candidate)})
