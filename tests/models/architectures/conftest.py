"""A backbone small enough to be built for every test."""

from __future__ import annotations

import keras
import numpy as np
import pytest

SIZE = 32
NUM_FEATURES = 6


def build_tiny_application(
    *,
    include_top: bool,
    weights: str | None,
    input_shape: tuple[int, int, int],
    pooling: str,
) -> keras.Model:
    """Stand in for a builder of `keras.applications`."""
    assert not include_top
    assert weights is None
    assert pooling == "avg"
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(4, 3, strides=4),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Conv2D(NUM_FEATURES, 3, strides=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ]
    )


@pytest.fixture
def tiny_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the small backbone in the place of the real ones."""
    for name in ("Xception", "ResNet101", "EfficientNetV2B0", "ConvNeXtTiny"):
        monkeypatch.setattr(keras.applications, name, build_tiny_application)
    keras.utils.set_random_seed(2)


@pytest.fixture
def images() -> np.ndarray:
    """Draw float32 [6, 32, 32, 3] in [0, 1], three equal channels."""
    grey = np.random.default_rng(0).uniform(0, 1, (6, SIZE, SIZE, 1))
    return grey.repeat(3, axis=-1).astype(np.float32)
