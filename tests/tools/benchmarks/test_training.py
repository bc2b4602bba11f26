from __future__ import annotations

from pathlib import Path

import pytest

from contract.settings import CandidateSettings
from tools.benchmarks.images import Sizes
from tools.benchmarks.training import measure


@pytest.mark.slow
def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    small = CandidateSettings(architecture="cnn_baseline")
    figures = measure(drawn_images, tmp_path, tiny_sizes, lambda _: None, small)
    assert 0 < figures.num_images <= tiny_sizes.num_training_images + 1
    assert figures.ratio().median > 0
