"""Learning rates that fall from the head of a network to its first layers.

A pretrained backbone's first layers know what every image has; its last ones know ImageNet
(Howard and Ruder 2018, "Universal Language Model Fine-tuning", 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from models.architectures.pretrained import BACKBONE

Rates = Mapping[int, float]  # factors of the learning rate, by the `id` of a Keras variable


def stage_rates(network: keras.Model, decay: float) -> dict[int, float]:
    """Give every stage of a backbone its part of the learning rate.

    A stage is what lies between two changes of the maps' size. The last one has `decay`, the
    one before it `decay ** 2`, and so on; the head has the whole rate.

    Args:
        network: Of the pretrained family, or its head alone, where nothing is slowed down.
        decay: In (0, 1].

    Returns:
        The factor of each of the backbone's variables, by its `id`.
    """
    backbone = next((layer for layer in network.layers if layer.name == BACKBONE), None)
    if backbone is None:
        return {}
    sides_px = sorted({_side_px(layer) for layer in backbone.layers} - {0})
    rates = {}
    for layer in backbone.layers:
        # What follows the pooling belongs to the last stage.
        depth = sides_px.index(_side_px(layer)) if _side_px(layer) else 0
        for variable in layer.variables:
            rates[id(variable)] = decay ** (depth + 1)
    return rates


def _side_px(layer: keras.layers.Layer) -> int:
    """Return the height of a layer's maps; 0 where it has none."""
    shape = layer.output.shape
    return int(shape[1]) if len(shape) == 4 else 0


class _PerVariable:
    """An optimizer's steps, and its weight decay, at a rate of each variable's own."""

    def __init__(self, *args: Any, rates: Rates, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rates = dict(rates)
        self._factors: list[float] = []

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Note the factors, in the order of the variables."""
        self._factors = [self._rates.get(id(variable), 1.0) for variable in variables]
        super().build(variables)  # type: ignore[misc] # of Keras, beside this class

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one variable's step."""
        optimizer: Any = self
        rate = learning_rate * self._factors[optimizer._get_variable_index(variable)]
        if optimizer.weight_decay and optimizer._use_weight_decay(variable):
            decay = tf.cast(rate * optimizer.weight_decay, variable.dtype)
            optimizer.assign_sub(variable, variable * decay)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Leave it to `update_step`: Keras would take the rate of all."""


class StagedAdam(_PerVariable, keras.optimizers.Adam):
    """Adam; `rates` are factors of the learning rate, see `stage_rates`."""


class StagedAdamW(_PerVariable, keras.optimizers.AdamW):
    """AdamW, its weight decay by each variable's own rate, too."""


class StagedSGD(_PerVariable, keras.optimizers.SGD):
    """Stochastic gradient descent, see `StagedAdam`."""
