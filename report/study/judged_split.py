"""The test split as the candidates' networks see it: raw records through Transform's own graph."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from contract import features
from models.preprocessing import decode_transformed

_BATCH_SIZE = 64
_FEATURE_SPEC = {
    features.IMAGE_BYTES: tf.io.FixedLenFeature([], tf.string),
    features.LABEL: tf.io.FixedLenFeature([], tf.int64),
    features.SOURCE_SPLIT: tf.io.FixedLenFeature([], tf.string),
}


@dataclasses.dataclass(frozen=True)
class JudgedSplit:
    """What candidates are judged on.

    Attributes:
        images: uint8 [n, image_size_px, image_size_px, 1].
        labels: int64 [n], 0 or 1.
        source_splits: [n] splits that the source itself had put the images into, or "".
    """

    images: np.ndarray
    labels: np.ndarray
    source_splits: list[str]


def read_test_split(
    split_uri: str, transform_output: tft.TFTransformOutput, image_size_px: int
) -> JudgedSplit:
    """Read the raw records of a split, and transform their images.

    Args:
        split_uri: Folder of gzipped TFRecord files.
        transform_output: What Transform saved.
        image_size_px: The side that Transform was set to.

    Raises:
        ValueError: The split is empty.
    """
    files = sorted(tf.io.gfile.glob(f"{split_uri}/*"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH_SIZE)
    layer = transform_output.transform_features_layer()
    images, labels, source_splits = [], [], []
    for batch in records.map(lambda record: tf.io.parse_example(record, _FEATURE_SPEC)):
        transformed = layer({features.IMAGE_BYTES: batch[features.IMAGE_BYTES]})
        images.append(
            decode_transformed(transformed[features.TRANSFORMED_IMAGE], image_size_px).numpy()
        )
        labels.append(batch[features.LABEL].numpy())
        source_splits += [value.decode() for value in batch[features.SOURCE_SPLIT].numpy()]
    if not images:
        raise ValueError(f"Expected records of the test split under {split_uri}, got none.")
    return JudgedSplit(np.concatenate(images), np.concatenate(labels), source_splits)
