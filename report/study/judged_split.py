"""The test split as the candidates' networks see it: raw records through Transform's own graph."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
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
        labels: int64 [n], 0 or 1.
        source_splits: [n] splits that the source itself had put the images into, or "".
        read_images: Yields the images in the same order, uint8 [b, image_size_px, image_size_px, 1]
            at a time. They are transformed anew at each call, and nowhere kept.
    """

    labels: np.ndarray
    source_splits: list[str]
    read_images: Callable[[], Iterator[np.ndarray]]


def read_test_split(
    split_uri: str, transform_output: tft.TFTransformOutput, image_size_px: int
) -> JudgedSplit:
    """Read the raw records of a split.

    Args:
        split_uri: Folder of gzipped TFRecord files.
        transform_output: What Transform saved.
        image_size_px: The side that Transform was set to.

    Raises:
        ValueError: The split is empty.
    """
    folder = Path(split_uri)
    labels, source_splits = [], []
    for record in read_folder(folder):
        labels.append(record.number(features.LABEL))
        source_splits.append(record.text(features.SOURCE_SPLIT))
    if not labels:
        raise ValueError(f"Expected records of the test split under {split_uri}, got none.")
    layer = transform_output.transform_features_layer()

    def read_images() -> Iterator[np.ndarray]:
        records = read_folder(folder)
        while batch := list(itertools.islice(records, _BATCH_SIZE)):
            encoded = tf.constant([record.data(features.IMAGE_BYTES) for record in batch])
            pixels = layer({features.IMAGE_BYTES: encoded})[features.TRANSFORMED_IMAGE]
            yield decode_transformed(pixels, image_size_px).numpy()

    return JudgedSplit(np.array(labels, np.int64), source_splits, read_images)
