from __future__ import annotations

from pathlib import Path

import pytest

from tools.benchmarks.images import Sizes


@pytest.mark.slow
def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    from tools.benchmarks.transform import measure

    figures = measure(drawn_images, tmp_path, tiny_sizes, lambda _: None)
    # Train and validation only: the test split stays raw.
    assert 0 < figures.num_images < tiny_sizes.num_images
    assert figures.ratio().median > 0
    written = tmp_path / "transform" / "transformed_examples"
    assert {path.name for path in written.iterdir()} == {"Split-train", "Split-validation"}
