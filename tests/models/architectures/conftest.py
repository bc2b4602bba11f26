"""Pictures in a network's own range."""

from __future__ import annotations

import numpy as np
import pytest

SIZE = 32


@pytest.fixture
def images() -> np.ndarray:
    """Draw float32 [6, 32, 32, 3] in [0, 1], three equal channels."""
    grey = np.random.default_rng(0).uniform(0, 1, (6, SIZE, SIZE, 1))
    return grey.repeat(3, axis=-1).astype(np.float32)
