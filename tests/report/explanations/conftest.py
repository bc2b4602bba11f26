"""A network of which it is known what it looks at."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from contract.settings import CandidateSettings
from evaluation.calibration import Calibration
from report.explanations.explanation import ExplainedCandidate

SIDE = 64
# Where the network looks: rows and columns from, to.
TOP, BOTTOM, LEFT, RIGHT = 16, 32, 36, 52


def square_network(bias: float = -3.0) -> keras.Model:
    """Answer by how much is brighter than .6 in the square; nothing else reaches the output."""
    inputs = keras.Input((SIDE, SIDE, 3))
    convolution = keras.layers.Conv2D(1, 1, activation="relu")
    maps = convolution(inputs)
    maps = keras.layers.Cropping2D(((TOP, SIDE - BOTTOM), (LEFT, SIDE - RIGHT)))(maps)
    maps = keras.layers.ZeroPadding2D(((TOP, SIDE - BOTTOM), (LEFT, SIDE - RIGHT)))(maps)
    output = keras.layers.Dense(1, activation="sigmoid")
    network = keras.Model(inputs, output(keras.layers.GlobalAveragePooling2D()(maps)))
    convolution.set_weights([np.full((1, 1, 3, 1), 1.0 / 3.0), np.array([-0.6])])
    # Black and white pixels give a mean of .4 * .5 * 16² / 64² = .0125: the logit is 6 + bias.
    output.set_weights([np.array([[480.0]]), np.array([bias])])
    return network


def candidate_of(network: keras.Model) -> ExplainedCandidate:
    settings = CandidateSettings(architecture="cnn_baseline", normalisation="none")
    return ExplainedCandidate.of("square", network, settings, Calibration(), 0.5)


@pytest.fixture(scope="session")
def square_candidate() -> ExplainedCandidate:
    return candidate_of(square_network())


@pytest.fixture(scope="session")
def saturated_candidate() -> ExplainedCandidate:
    """Logits of 37 for what is blurred to 43: a probability of 1.0 for all, to float32."""
    return candidate_of(square_network(bias=37.0))


@pytest.fixture
def texture() -> np.ndarray:
    """Black and white pixels, uint8 [SIDE, SIDE, 1]: blurred, none is brighter than .6."""
    return (np.random.default_rng(2).integers(0, 2, (SIDE, SIDE, 1)) * 255).astype(np.uint8)


@pytest.fixture
def in_square() -> np.ndarray:
    inside = np.zeros((SIDE, SIDE), bool)
    inside[TOP:BOTTOM, LEFT:RIGHT] = True
    return inside
