"""What a network's early convolutions make of an image."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from contract.settings import CandidateSettings
from models.inner_maps import convolutions, tap
from models.network_input import crop_and_resize, to_network_input

NUM_EARLY = 8  # convolutions; later maps are too coarse to be looked at


@dataclasses.dataclass(frozen=True)
class FeatureMaps:
    """The maps of one convolution.

    Attributes:
        number: Its place among the network's convolutions, from 1.
        layer: Its name.
        maps: float32 [h, w, c], before any activation that is a separate layer.
    """

    number: int
    layer: str
    maps: np.ndarray


def early_feature_maps(
    network: keras.Model, candidate: CandidateSettings, image: np.ndarray
) -> tuple[FeatureMaps, ...]:
    """Return the maps of the first convolutions, `NUM_EARLY` at most.

    Args:
        network: Of any of `models.architectures`.
        candidate: Crop, size and normalisation.
        image: uint8 [s, s, 1], as Transform makes it.

    Returns:
        In the network's order; none for a network without convolutions.
    """
    layers = convolutions(network)[:NUM_EARLY]
    if not layers:
        return ()
    pixels = tf.constant(image[np.newaxis])
    inputs = to_network_input(crop_and_resize(pixels, candidate), candidate.normalisation)
    maps, _ = tap(network, layers).maps_and_logits(inputs)
    return tuple(
        FeatureMaps(number, layer.name, tf.cast(values[0], tf.float32).numpy())
        for number, (layer, values) in enumerate(zip(layers, maps, strict=True), start=1)
    )
