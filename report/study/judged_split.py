"""The test split as the candidates' networks see it: raw records through Transform's own graph."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from contract import features
from ingestion.tfrecord_file import read_folder
from models.preprocessing import decode_transformed

_BATCH_SIZE = 64


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
    records = read_folder(Path(split_uri))
    layer = transform_output.transform_features_layer()
    images, labels, source_splits = [], [], []
    while batch := list(itertools.islice(records, _BATCH_SIZE)):
        encoded = tf.constant([record.data(features.IMAGE_BYTES) for record in batch])
        transformed = layer({features.IMAGE_BYTES: encoded})
        images.append(
            decode_transformed(transformed[features.TRANSFORMED_IMAGE], image_size_px).numpy()
        )
        labels += [record.number(features.LABEL) for record in batch]
        source_splits += [record.text(features.SOURCE_SPLIT) for record in batch]
    if not images:
        raise ValueError(f"Expected records of the test split under {split_uri}, got none.")
    return JudgedSplit(np.concatenate(images), np.array(labels, np.int64), source_splits)
