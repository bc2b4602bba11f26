from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.conftest import tiny_applications  # noqa: F401 - a fixture
from tools.benchmarks.candidate_cases import FEATURES
from tools.benchmarks.candidates import measure
from tools.benchmarks.images import Sizes


@pytest.mark.slow
def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    figures = measure(drawn_images, tmp_path, tiny_sizes, lambda _: None, "ann_baseline")
    assert figures.case == "ann_baseline"
    assert 0 < figures.num_images <= tiny_sizes.num_training_images
    assert figures.num_parameters == 128 * 128 * 3 * 10 + 10 + 11
    assert figures.ratio().median > 0
    assert figures.ours_peak_mb > 0


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_applications")
def test_features_that_are_computed_once_have_figures(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    figures = measure(drawn_images, tmp_path, tiny_sizes, lambda _: None, FEATURES)
    assert figures.case == FEATURES
    assert "compute features once" in figures.ours
    assert figures.ratio().median > 0
