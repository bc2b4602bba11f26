"""The networks that a candidate can name, one builder each.

Every builder takes the input shape (height, width, 3), float32 in [0, 1], and
returns a Keras model with one output, the probability of pneumonia, float32
[n, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import keras

InputShape = tuple[int, int, int]


def build_cnn_deep(input_shape: InputShape) -> keras.Model:
    """Build the study's deeper CNN: 3,312,961 parameters for 128x128x3."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="cnn_deep",
    )


_BUILDERS: dict[str, Callable[[InputShape], keras.Model]] = {"cnn_deep": build_cnn_deep}


def build_network(architecture: str, image_size_px: int) -> keras.Model:
    """Build the named network for square images.

    Args:
        architecture: A name of `CandidateSettings.architecture`.
        image_size_px: Side of the input, px.

    Raises:
        ValueError: When the name is unknown, or the images are too small for it.
    """
    if architecture not in _BUILDERS:
        raise ValueError(f"Expected an architecture of {sorted(_BUILDERS)}, got {architecture!r}.")
    return _BUILDERS[architecture]((image_size_px, image_size_px, 3))
