"""A drawn set, as small as every benchmark can do with."""

from __future__ import annotations

import pytest

from contract.settings import SyntheticSettings
from ingestion.synthetic import write_synthetic_set
from tools.benchmarks.images import Sizes


@pytest.fixture(scope="session")
def tiny_sizes() -> Sizes:
    return Sizes(num_images=60, num_training_images=40, num_rounds=1, has_warm_up=False)


@pytest.fixture(scope="session")
def drawn_images(tmp_path_factory: pytest.TempPathFactory) -> str:
    settings = SyntheticSettings(num_images=72, min_side_px=64, max_side_px=80)
    return str(write_synthetic_set(tmp_path_factory.mktemp("drawn") / "set", settings))
