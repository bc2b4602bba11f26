from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tensorflow as tf

from tools.benchmarks.images import Sizes


@pytest.mark.slow
def test_figures_come_out_and_are_positive(
    drawn_images: str, tmp_path: Path, tiny_sizes: Sizes
) -> None:
    from tools.benchmarks.transform import measure

    sizes = dataclasses.replace(tiny_sizes, min_transformed_images=tiny_sizes.num_images)
    figures = measure(drawn_images, tmp_path, sizes, lambda _: None)
    # Train and validation only, so that they are read twice: the test split stays raw.
    assert tiny_sizes.num_images < figures.num_images < 2 * tiny_sizes.num_images
    assert figures.ours.endswith("; each record 2 times")
    assert figures.ratio().median > 0
    written = tmp_path / "transform" / "transformed_examples"
    assert {path.name for path in written.iterdir()} == {"Split-train", "Split-validation"}
    shards = tf.io.gfile.glob(str(written / "*" / "*"))
    assert sum(1 for _ in tf.data.TFRecordDataset(shards)) == figures.num_images
