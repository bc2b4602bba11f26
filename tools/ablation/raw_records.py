"""Splits as a Transform with other settings would leave them, read from the raw records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from contract import features
from contract.settings import TransformSettings
from models.input_data import SplitData
from models.preprocessing import decode_and_resize

_FEATURE_SPEC = {
    features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string),
    features.LABEL: tf.io.FixedLenFeature([], tf.int64),
    **{name: tf.io.FixedLenFeature([], tf.string) for name in features.TRANSFORMED_TEXTS},
}


def load_raw_split(
    records_dir: Path, split: str, settings: TransformSettings, fraction: float = 1.0
) -> SplitData:
    """Decode a split's records as Transform would.

    Args:
        records_dir: Records of the feature contract, one folder per split.
        split: A value of `features.SPLITS`.
        settings: Size and kind of the resize.
        fraction: Part of the split to keep, in (0, 1]. Records stand in the order of a hash of
            their image, so that the first ones are a random part.

    Raises:
        ValueError: The split has no records.
    """
    files = sorted(str(path) for path in (records_dir / split).glob("*.tfrecord.gz"))

    def parse(record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        parsed = tf.io.parse_single_example(record, _FEATURE_SPEC)
        image = decode_and_resize(parsed[features.IMAGE_BYTES], settings)
        texts = (parsed[name] for name in features.TRANSFORMED_TEXTS)
        return (image, parsed[features.LABEL], *texts)

    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").map(parse)
    columns = list(zip(*dataset.as_numpy_iterator(), strict=True))
    if not columns:
        raise ValueError(f"Expected records in {records_dir / split}, got none.")
    kept = max(1, round(fraction * len(columns[0])))
    images, labels, *texts = (column[:kept] for column in columns)
    return SplitData(
        np.stack(images),
        np.array(labels, np.int64),
        *([value.decode(errors="replace") for value in column] for column in texts),
    )
