"""Splits as a Transform with other settings would leave them, read from the raw records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from contract import features
from contract.settings import TransformSettings
from ingestion.tfrecord_file import read_folder
from models.input_data import SplitData
from models.preprocessing import decode_and_resize


def load_raw_split(
    records_dir: Path, split: str, settings: TransformSettings, fraction: float = 1.0
) -> SplitData:
    """Decode a split's records as Transform would.

    Args:
        records_dir: Records of the feature contract, one folder per split.
        split: A value of `features.SPLITS`.
        settings: Size and kind of the resize.
        fraction: Part of the split to keep, in (0, 1]. Records are ordered by a hash of
            their image, so that the first ones are a random part.

    Raises:
        ValueError: The split has no records.
    """
    records = list(read_folder(records_dir / split))
    if not records:
        raise ValueError(f"Expected records in {records_dir / split}, got none.")
    records = records[: max(1, round(fraction * len(records)))]
    decode = tf.function(lambda encoded: decode_and_resize(encoded, settings), autograph=False)
    return SplitData(
        np.array([each.number(features.LABEL) for each in records], np.int64),
        *([each.text(name) for each in records] for name in features.TRANSFORMED_TEXTS),
        images=np.stack([decode(tf.constant(each.data(features.IMAGE_BYTES))) for each in records]),
    )
